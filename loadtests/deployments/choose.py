"""Chooses what to put under load from what the user asked for, and says why."""

import secrets

from loadtests.commands import invocation
from loadtests.deployments import Deployment, DeploymentConfig, Progress, docker_engine, silent
from loadtests.deployments.compose import ComposeDeployment
from loadtests.deployments.images import ImageError
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import REGISTRY, Purpose, Registry
from loadtests.deployments.stack import StackDeployment
from loadtests.deployments.url import UrlDeployment
from loadtests.errors import LoadTestError

TARGETS = ("auto", "compose", "local", "stack")


def choose(
    target: str,
    config: DeploymentConfig,
    purpose: Purpose = "run",
    *,
    name: str | None = None,
    progress: Progress = silent,
    registry: Registry = REGISTRY,
) -> tuple[Deployment, str]:
    """The deployment for a target (`auto`, `compose`, `local`, a URL), not yet up, and a line that says why.

    For `auto` the images are built here where they are missing, and whether that works decides. Raises
    LoadTestError for an unknown target, an engine that is missing, a port that is taken, and for a second
    deployment to leave running.
    """
    name = name or f"{purpose}-{secrets.token_hex(4)}"
    if "://" in target:
        if purpose == "up":
            raise LoadTestError(f"TARGET={target}: what runs there is not ours to bring up")
        if not config.environment.is_benchmark:
            what = config.environment.image or config.environment.directory
            raise LoadTestError(f"{what} is to be deployed, and TARGET={target} is running: leave one out")
        deployment = UrlDeployment(target, config.access)
        return deployment, f"target: the server at {deployment.url}"
    if target not in TARGETS:
        raise LoadTestError(
            f"TARGET={target} is not known: give auto, compose, local, stack or a URL such as http://…"
        )
    if purpose == "up" and (running := registry.left_running()) is not None:
        raise LoadTestError(f"a deployment is up already, at {running.url}: `{invocation('down')}` first")
    if config.environment.image is not None and target == "local":
        raise LoadTestError(
            f"IMAGE={config.environment.image}: only containers serve an image: use TARGET=compose"
        )
    local = LocalDeployment(config, name=name, purpose=purpose, progress=progress, registry=registry)
    if target == "local":
        return local, "target: local, as asked"
    if target == "stack":
        stack = StackDeployment(config, name=name, purpose=purpose, progress=progress, registry=registry)
        return stack, "target: a stack of the swarm, as asked"
    compose = ComposeDeployment(config, name=name, purpose=purpose, progress=progress, registry=registry)
    if target == "compose":
        return compose, "target: compose, as asked"
    if config.environment.image is not None:
        return compose, "target: compose, because it is an image"
    if config.generators:
        return compose, "target: compose, whose network GENERATORS join"
    if reason := docker_engine.unavailable():
        return local, f"target: local processes, because {reason}"
    try:
        compose.prepare()
    except ImageError as error:
        *_, last = str(error).splitlines()
        return local, f"target: local processes, because an image is not available ({last.strip()})"
    return compose, "target: compose, because a Docker engine answers and the images are there"
