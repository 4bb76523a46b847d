import pytest

from loadtests.deployments import DeploymentConfig, docker_engine
from loadtests.deployments.choose import choose
from loadtests.deployments.compose import ComposeDeployment
from loadtests.deployments.images import ImageError
from loadtests.deployments.registry import Record, Registry
from loadtests.errors import LoadTestError

CONFIG = DeploymentConfig(port=0)


def test_a_url_is_taken_as_it_is() -> None:
    deployment, why = choose("http://127.0.0.1:1/", CONFIG)
    assert (deployment.kind, deployment.url) == ("url", "http://127.0.0.1:1")
    assert why == "target: the server at http://127.0.0.1:1"


@pytest.mark.parametrize("target", ["kubernetes", "", "Local", "127.0.0.1:8000"])
def test_an_unknown_target_is_named_with_the_known_ones(target: str) -> None:
    with pytest.raises(
        LoadTestError, match=rf"^TARGET={target} is not known: give auto, compose, local, stack or a URL"
    ):
        choose(target, CONFIG)


def test_local_needs_no_engine(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    monkeypatch.setattr(docker_engine, "unavailable", lambda: pytest.fail("asked for an engine"))
    assert choose("local", CONFIG, registry=registry)[0].kind == "local"


def test_auto_without_an_engine_is_local_and_says_why(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    monkeypatch.setattr(docker_engine, "unavailable", lambda: "the docker command is not installed")
    deployment, why = choose("auto", CONFIG, registry=registry)
    assert deployment.kind == "local"
    assert why == "target: local processes, because the docker command is not installed"


def test_auto_without_an_image_is_local_and_says_why(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    def fail(_: ComposeDeployment) -> None:
        raise ImageError(
            "the image x cannot be built: exit code 1; the end of build.log:\n    a\n    no space left"
        )

    monkeypatch.setattr(docker_engine, "unavailable", lambda: None)
    monkeypatch.setattr(ComposeDeployment, "prepare", fail)
    deployment, why = choose("auto", CONFIG, registry=registry)
    assert deployment.kind == "local"
    assert why == "target: local processes, because an image is not available (no space left)"


def test_compose_without_an_engine_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    deployment, _ = choose("compose", CONFIG, registry=registry)
    with pytest.raises(
        LoadTestError, match=r"^TARGET=compose: .*; start or install it, or use TARGET=local$"
    ):
        deployment.up()
    assert not registry.directory.exists()


def test_only_one_deployment_is_left_running(registry: Registry) -> None:
    registry.create(Record("up-1", "local", "up", None, left_running=True, url="http://127.0.0.1:8000"))
    with pytest.raises(LoadTestError, match=r"up already, at http://127\.0\.0\.1:8000: `make down` first"):
        choose("local", CONFIG, "up", registry=registry)
    assert choose("local", CONFIG, "run", registry=registry)[0].kind == "local"


def test_a_url_is_not_ours_to_bring_up() -> None:
    with pytest.raises(LoadTestError, match="not ours to bring up"):
        choose("http://127.0.0.1:1", CONFIG, "up")


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_an_image_that_cannot_be_built_is_told_by_its_last_words(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    # A registry that refuses connections.
    monkeypatch.setenv("PYTHON_IMAGE", "127.0.0.1:1/missing:latest")
    deployment, why = choose("auto", CONFIG, name="run-no-image", registry=registry)
    assert deployment.kind == "local"
    assert "127.0.0.1:1" in why
    assert [path.name for path in registry.home("run-no-image").iterdir()] == ["build.log"]
    assert registry.records() == []


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_an_image_that_cannot_be_pulled_is_told_by_its_last_words(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    monkeypatch.setenv("NGINX_IMAGE", "127.0.0.1:1/missing:latest")
    deployment, why = choose("auto", CONFIG, name="run-no-nginx", registry=registry)
    assert deployment.kind == "local"
    assert "127.0.0.1:1" in why
    assert registry.home("run-no-nginx") / "pull.log" in registry.home("run-no-nginx").iterdir()
    assert registry.records() == []
