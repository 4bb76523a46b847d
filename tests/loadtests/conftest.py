"""A real deployment that the tests of the load share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import Registry
from tests.conftest import copy_checkout, free_port


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, for commands whose deployments are no other command's business."""
    path = tmp_path_factory.mktemp("checkout")
    copy_checkout(path)
    return path


@pytest.fixture(scope="session", autouse=True)
def _own_master_port() -> None:
    """Lets Locusts of several processes, started by tests side by side, listen on different ports."""
    for name in ("LOCUST_MASTER_BIND_PORT", "LOCUST_MASTER_NODE_PORT"):
        os.environ[name] = os.environ.get("LOCUST_MASTER_BIND_PORT") or str(free_port())


@pytest.fixture(scope="session")
def told() -> list[str]:
    """What the shared deployment said while it came up."""
    return []


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> Iterator[LocalDeployment]:
    """Two replicas of two workers behind nginx, as local processes, shared by all tests."""
    registry = Registry(tmp_path_factory.mktemp("shared") / "deployments")
    # Taking one down ends all processes that bear its name: those of other test processes have another.
    name = f"shared-{os.getpid()}"
    deployment = LocalDeployment(DeploymentConfig(port=0), name=name, progress=told.append, registry=registry)
    deployment.up()
    yield deployment
    deployment.down()
