"""The images that containers are started from: built or pulled where they are missing."""

import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image

from loadtests.deployments import Progress
from loadtests.deployments.environment import Environment, content_of
from loadtests.errors import LoadTestError
from loadtests.places import PACKAGES, compose_folder

INPUTS_LABEL = "openenv-loadtest.inputs"
BUILD_S = 1800.0
NGINX_IMAGE = "nginx:1.31"
GENERATORS_IMAGE = "openenv-loadtest-locust:latest"

_GENERATORS_FILES = ("Dockerfile.locust", "requirements-locust.txt")
_SERVER = re.compile(r"(?:^|[\s/])(?:uvicorn|gunicorn)\s")
_WORKERS = re.compile(r"(?:--workers|-w)[= ]+(\S+)")
_BUILD_STEP = re.compile(r"^(?:Step \d+/\d+ : |#\d+ \[.*\d+/\d+\] )(?:FROM|RUN|COPY).*", re.MULTILINE)


class ImageError(LoadTestError):
    """An image is missing and cannot be built or pulled."""


class Compose(Protocol):
    """Runs `docker compose` with these arguments and these variables for compose.yaml."""

    def __call__(
        self, *arguments: str, log: str, timeout_s: float, files: Sequence[Path] = (), **variables: str
    ) -> None:
        """Returns at its end. Raises LoadTestError where it fails or takes too long."""


def provide_images(
    client: docker.DockerClient,
    compose: Compose,
    environment: Environment,
    progress: Progress,
    *,
    build: bool = True,
) -> None:
    """Builds the environment's image if it is missing or outdated, or pulls the one given; pulls nginx's.

    Without `build` it is taken as it is, or pulled. Raises ImageError.
    """
    if environment.image is None and build:
        _build_environment(client, compose, environment, progress)
    else:
        _pull(client, compose, "env", environment_image(environment), progress)
    _pull(client, compose, "nginx", nginx_image(), progress)


def provide_generators_image(
    client: docker.DockerClient, compose: Compose, scratch: Path, progress: Progress
) -> None:
    """Builds the load generators' image if it is missing or outdated, or pulls the one given.

    What it is built from is gathered in the folder `scratch`. Raises ImageError.
    """
    inputs = _generators_inputs()
    name = generators_image()
    if name != GENERATORS_IMAGE:
        _pull(client, compose, "locust-master", name, progress)
        given = _image(client, name)
        if given is not None and given.labels.get(INPUTS_LABEL) not in (None, "", inputs):
            progress(f"LOCUST_IMAGE={name} was made from another version of the harness than this one")
        return

    def build() -> None:
        context = scratch / "locust"
        _gather(context)
        compose(
            *("build", "locust-master"),
            log="build-locust.log",
            timeout_s=BUILD_S,
            LOCUST_CONTEXT=str(context),
            LOCUST_IMAGE_INPUTS=inputs,
        )
        shutil.rmtree(context)

    _build(client, name, inputs, build, progress)


def generators_image() -> str:
    """The name of the load generators' image."""
    return os.environ.get("LOCUST_IMAGE") or GENERATORS_IMAGE


def nginx_image() -> str:
    """The name of the balancer's image."""
    return os.environ.get("NGINX_IMAGE") or NGINX_IMAGE


def environment_image(environment: Environment) -> str:
    """The name of the environment server's image."""
    if environment.image is not None:
        return environment.image
    name = "benchmark-env"
    if not environment.is_benchmark:
        name = "openenv-loadtest-" + re.sub(r"[^a-z0-9]+", "-", environment.source.name.lower()).strip("-")
    return os.environ.get("ENV_IMAGE") or f"{name}:latest"


def start_command(client: docker.DockerClient, image: str) -> str | None:
    """What an image starts; None where it does not say."""
    found = _image(client, image)
    config = found.attrs["Config"] if found else {}
    return " ".join([*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]) or None


def workers_of(command: str, wanted: int) -> int:
    """How many worker processes a start command gives where `wanted` are asked for in its environment.

    WEB_CONCURRENCY tells uvicorn and gunicorn, WORKERS whoever reads it; of anything else one is expected.
    """
    if re.search(r"\$\{?(?:WORKERS|WEB_CONCURRENCY)\b", command):
        return wanted
    if given := _WORKERS.search(command):
        return int(given[1]) if given[1].isdecimal() else 1
    return wanted if _SERVER.search(command) and "--reload" not in command else 1


def build_step(log: str) -> str | None:
    """The step that a build has come to, if its log names one."""
    steps = _BUILD_STEP.findall(log)
    return steps[-1] if steps else None


def _image(client: docker.DockerClient, name: str) -> Image | None:
    try:
        return client.images.get(name)
    except ImageNotFound:
        return None


def _build_environment(
    client: docker.DockerClient, compose: Compose, environment: Environment, progress: Progress
) -> None:
    source = environment.source
    if source.dockerfile is None:
        raise ImageError(f"ENV={source.path} has neither server/Dockerfile nor Dockerfile: use TARGET=local")
    inputs = content_of(source.path, os.environ.get("PYTHON_IMAGE") or "")

    def build() -> None:
        compose("build", "env", log="build.log", timeout_s=BUILD_S, ENV_IMAGE_INPUTS=inputs)

    _build(client, environment_image(environment), inputs, build, progress)


def _build(
    client: docker.DockerClient, name: str, inputs: str, build: Callable[[], None], progress: Progress
) -> None:
    """Builds an image unless it was built from the same inputs. Raises ImageError."""
    before = _image(client, name)
    if before is not None and before.labels.get(INPUTS_LABEL) == inputs:
        return
    progress(f"building the image {name}: takes minutes the first time")
    try:
        build()
    except LoadTestError as error:
        raise ImageError(f"the image {name} cannot be built: {error}") from error
    if before is not None and INPUTS_LABEL in before.labels:
        # Stays where a container still uses it.
        with suppress(DockerException):
            client.images.remove(before.id or "")


def _generators_inputs() -> str:
    """A hash of all that the load generators' image is built from."""
    texts = [(compose_folder() / name).read_text() for name in _GENERATORS_FILES]
    others = (content_of(PACKAGES / "reports"), *texts, os.environ.get("PYTHON_IMAGE") or "")
    return content_of(PACKAGES / "loadtests", *others)


def _gather(context: Path) -> None:
    """Copies to a folder what the load generators' image is built from, as it lies in a checkout."""
    for package in ("loadtests", "reports"):
        shutil.copytree(
            PACKAGES / package, context / package, ignore=shutil.ignore_patterns("__pycache__", "*.py[cod]")
        )
    (context / "compose").mkdir()
    for name in _GENERATORS_FILES:
        shutil.copy(compose_folder() / name, context / "compose")


def _pull(
    client: docker.DockerClient, compose: Compose, service: str, image: str, progress: Progress
) -> None:
    if _image(client, image) is not None:
        return
    progress(f"pulling the image {image}")
    try:
        compose("pull", service, log="pull.log", timeout_s=BUILD_S)
    except LoadTestError as error:
        raise ImageError(f"the image {image} cannot be pulled: {error}") from error
