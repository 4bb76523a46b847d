"""The images that containers are started from: built or pulled where they are missing."""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import docker
from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image

from loadtests.deployments import Progress
from loadtests.errors import LoadTestError

INPUTS_LABEL = "openenv-loadtest.inputs"
BUILD_S = 1800.0
NGINX_IMAGE = "nginx:1.31"

_BUILD_STEP = re.compile(r"^(?:Step \d+/\d+ : |#\d+ \[.*\d+/\d+\] )(?:FROM|RUN|COPY).*", re.MULTILINE)
_NOT_IN_IMAGE = re.compile(r"__pycache__|.*\.py[cod]|\.(?!dockerignore).*|.*\.egg-info|build|dist|uv\.lock")


class ImageError(LoadTestError):
    """An image is missing and cannot be built or pulled."""


class Compose(Protocol):
    """Runs `docker compose` with these arguments and these variables for compose.yaml."""

    def __call__(self, *arguments: str, log: str, timeout_s: float, **variables: str) -> None:
        """Returns at its end. Raises LoadTestError where it fails or takes too long."""


def provide_images(
    client: docker.DockerClient, compose: Compose, environment: Path, progress: Progress
) -> None:
    """Builds the image of the directory `environment` if it is missing or outdated, and pulls nginx's.

    Raises ImageError.
    """
    name, inputs = environment_image(), environment_inputs(environment)
    before = _image(client, name)
    if before is None or before.labels.get(INPUTS_LABEL) != inputs:
        progress(f"building the image {name}: takes minutes the first time")
        try:
            compose("build", "env", log="build.log", timeout_s=BUILD_S, ENV_IMAGE_INPUTS=inputs)
        except LoadTestError as error:
            raise ImageError(f"the image {name} cannot be built: {error}") from error
        if before is not None and INPUTS_LABEL in before.labels:
            # Stays where a container still uses it.
            with suppress(DockerException):
                client.images.remove(before.id or "")
    balancer = os.environ.get("NGINX_IMAGE") or NGINX_IMAGE
    if _image(client, balancer) is None:
        progress(f"pulling the image {balancer}")
        try:
            compose("pull", "nginx", log="pull.log", timeout_s=BUILD_S)
        except LoadTestError as error:
            raise ImageError(f"the image {balancer} cannot be pulled: {error}") from error


def environment_image() -> str:
    """The name of the environment server's image."""
    return os.environ.get("ENV_IMAGE") or "benchmark-env:latest"


def environment_inputs(environment: Path) -> str:
    """A hash of everything that the image of the directory `environment` is made from."""
    digest = hashlib.sha256((os.environ.get("PYTHON_IMAGE") or "").encode())
    for path in sorted(environment.rglob("*")):
        relative = path.relative_to(environment)
        if path.is_file() and not any(_NOT_IN_IMAGE.fullmatch(part) for part in relative.parts):
            digest.update(f"{relative}\0{path.stat().st_mode & 0o111:o}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def build_step(log: str) -> str | None:
    """The step that a build has come to, if its log names one."""
    steps = _BUILD_STEP.findall(log)
    return steps[-1] if steps else None


def _image(client: docker.DockerClient, name: str) -> Image | None:
    try:
        return client.images.get(name)
    except ImageNotFound:
        return None
