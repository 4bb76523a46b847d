"""OpenEnv's own commands and its discovery by name, on this environment."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.conftest import WITHOUT_GRADIO, free_port

from .conftest import PATIENCE, ROOT, Server, containers, docker, eventually, step
from .stand_in_hub import USER, Space, stand_in_hub

ENVIRONMENT = ROOT / "benchmark_env"
PUSHES = [
    tuple(shlex.split(line)[2:])
    for line in (ENVIRONMENT / "README.md").read_text().splitlines()
    if line.startswith("openenv push")
]
"""The options of every `openenv push` of the README."""
SOURCES = {
    str(path.relative_to(ENVIRONMENT)): path.read_bytes()
    for path in ENVIRONMENT.rglob("*")
    if path.is_file() and not re.search(r"/(\.|__pycache__/)", f"/{path.relative_to(ENVIRONMENT)}")
}
"""What the image is built from."""

ONE_AFTER_ANOTHER = """
import json, sys
from openenv.cli.__main__ import app
for arguments in json.load(sys.stdin):
    try:
        app(arguments, standalone_mode=False)
    except SystemExit as end:
        if end.code:
            raise
    print("\\f", end="")
"""
"""One process runs all commands, since importing OpenEnv's command line takes seconds."""


def openenv(*commands: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
    """What each of these commands prints; all must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER],
        input=json.dumps(commands),
        cwd=ENVIRONMENT,
        env={**os.environ, "PYTHONPATH": WITHOUT_GRADIO, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *printed, _ = done.stdout.split("\f")
    return printed


@dataclass(frozen=True)
class Push:
    printed: str
    name: str
    space: Space


@pytest.fixture(scope="module")
def without_docker(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[tuple[str, ...], Push], str]:
    """Every push of the README, and what the hub received; what the check of a running server says."""
    with stand_in_hub() as hub:
        *pushed, validated = openenv(
            *(("push", *arguments) for arguments in PUSHES),
            ("validate", "--url", server.url, "--timeout", "60"),
            env={**hub.environ(), "HOME": str(tmp_path_factory.mktemp("home"))},
        )
    assert not hub.unknown_calls
    pushes = {
        arguments: Push(printed, *received)
        for arguments, printed, received in zip(PUSHES, pushed, hub.received, strict=True)
    }
    return pushes, validated


@pytest.fixture(scope="module")
def pushes(without_docker: tuple[dict[tuple[str, ...], Push], str]) -> dict[tuple[str, ...], Push]:
    return without_docker[0]


@pytest.fixture(scope="module")
def validated(without_docker: tuple[dict[tuple[str, ...], Push], str]) -> str:
    return without_docker[1]


def test_the_readme_pushes_with_every_option_alone_and_together() -> None:
    options = [{argument for argument in push if argument.startswith("--")} for push in PUSHES]

    assert options[0] == set()
    for each in ("--repo-id", "--base-image", "--private"):
        assert {each} in options
    assert {"--repo-id", "--base-image", "--private"} in options


@pytest.mark.servers
@pytest.mark.parametrize("arguments", PUSHES, ids=lambda arguments: " ".join(arguments) or "plain")
def test_a_push_uploads_the_space(pushes: dict[tuple[str, ...], Push], arguments: tuple[str, ...]) -> None:
    push = pushes[arguments]
    options = dict(itertools.pairwise(arguments))
    files = push.space.files
    base = options.get("--base-image", "${BASE_IMAGE}")

    assert "Deployment complete!" in push.printed
    assert push.name == options.get("--repo-id", f"{USER}/benchmark_env")
    assert push.space.sdk == "docker"
    assert push.space.private == ("--private" in arguments)
    dockerfile = SOURCES["server/Dockerfile"].decode().replace("FROM ${BASE_IMAGE}\n", f"FROM {base}\n")
    dockerfile = dockerfile.replace("\nCMD ", "\nENV ENABLE_WEB_INTERFACE=true\nCMD ")
    assert files["Dockerfile"].decode() == dockerfile
    sources = {name: content for name, content in SOURCES.items() if name != "server/Dockerfile"}
    assert {name: content for name, content in files.items() if name != "Dockerfile"} == sources


@pytest.fixture(scope="module")
def space_url(image: str) -> Iterator[str]:
    """The Space as the hub would run it: a push uploads what the image is built from, and this setting."""
    port = free_port()
    name = docker(
        *("run", "--detach", "--rm", "--env=ENABLE_WEB_INTERFACE=true"),
        *(f"--publish=127.0.0.1:{port}:8000", image),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        if not eventually(lambda: answers(url), seconds=120):
            pytest.fail(docker("logs", name))
        yield url
    finally:
        docker("rm", "--force", name)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_the_image_serves_the_space(space_url: str) -> None:
    with connect(f"{space_url.replace('http', 'ws')}/ws", open_timeout=PATIENCE) as session:
        assert step(session, wait_seconds=0.1)["waited_seconds"] >= 0.1
    with httpx.Client(base_url=space_url, follow_redirects=True, timeout=PATIENCE) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert page.url.path == "/web/"
        assert "Benchmark Environment" in client.get("/web/metadata").json()["readme_content"]
        assert client.get("/docs").status_code == 200


@pytest.mark.docker
@pytest.mark.usefixtures("image")
@pytest.mark.timeout(900)
def test_openenv_builds_the_image_and_validates_the_directory_up_to_what_it_implements() -> None:
    _, validated = openenv(("build",), ("validate", "--json"))
    checks: dict[str, Any] = {check["check_id"]: check for check in json.loads(validated)["results"]}

    assert docker("inspect", "--format", "{{.Config.Cmd}}", "openenv-benchmark").startswith("[gunicorn ")
    docker("rmi", "openenv-benchmark")
    # The probe of the network needs an image of OpenEnv's choice, which may not be there.
    del checks["runtime.network_policy"]
    assert {each for each, check in checks.items() if check["status"] == "pass"} == {
        "static.manifest",
        "runtime.startup",
        "runtime.observation_schema",
        "runtime.reward_well_formed",
        "runtime.state_contract",
    }
    left_out = [check for check in checks.values() if check["status"] != "pass"]
    assert {check["status"] for check in left_out} == {"skip"}
    assert {*map(tuple, (check["evidence"] for check in left_out))} == {
        ("grader not implemented in this build",)
    }


@pytest.mark.servers
def test_openenv_validates_a_running_server(validated: str) -> None:
    assert "FAIL" not in validated
    assert validated.endswith("Verdict: PASS\n")


def test_the_manifest_is_found_from_the_root_of_the_project() -> None:
    link = ROOT / "openenv.yaml"

    assert link.is_symlink()
    assert link.resolve() == ENVIRONMENT / "openenv.yaml"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the package was installed into."""
    source, target = tmp_path_factory.mktemp("source") / "benchmark_env", tmp_path_factory.mktemp("installed")
    shutil.copytree(ENVIRONMENT, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(target),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    return target


def test_what_the_manifest_names_is_installed_with_it(installed: Path) -> None:
    manifest = (installed / "benchmark_env" / "openenv.yaml").read_text()
    named = re.findall(r"^ *(?:probe_path|dockerfile): (.+)$", manifest, re.MULTILINE)

    assert len(named) == 2
    assert [path for path in named if not (installed / "benchmark_env" / path).exists()] == []


def discovered(installed: Path, code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"from openenv import AutoAction, AutoEnv\n{code}"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": f"{WITHOUT_GRADIO}:{installed}", "XDG_CACHE_HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.servers
def test_openenv_finds_the_installed_environment_by_name(
    installed: Path, server: Server, tmp_path: Path
) -> None:
    code = (
        "Action = AutoAction.from_env('benchmark')\n"
        f"env = AutoEnv.from_env('benchmark-env', base_url='{server.url}')\n"
        "print(type(env).__name__, Action.__name__, env.step(Action(wait_seconds=0)).reward)\n"
        "env.close()"
    )
    assert discovered(installed, code, tmp_path) == "BenchmarkEnv BenchmarkAction 1.0\n"


@pytest.mark.docker
@pytest.mark.usefixtures("image")
@pytest.mark.timeout(600)
def test_openenv_starts_the_installed_environment_and_its_container_ends_with_the_program(
    installed: Path, tmp_path: Path
) -> None:
    before = containers()
    code = (
        "env = AutoEnv.from_env('benchmark', env_vars={'WORKERS': '1'}, wait_timeout=120)\n"
        "print(type(env).__name__, env.reset().done)"
    )

    assert discovered(installed, code, tmp_path) == "BenchmarkEnv False\n"
    assert not containers() - before
