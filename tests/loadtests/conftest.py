"""A real deployment that the tests of the load share."""

from collections.abc import Iterator

import pytest

from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import Registry


@pytest.fixture(scope="session")
def told() -> list[str]:
    """What the shared deployment said while it came up."""
    return []


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> Iterator[LocalDeployment]:
    """Two replicas of two workers behind nginx, as local processes, shared by all tests."""
    registry = Registry(tmp_path_factory.mktemp("shared") / "deployments")
    deployment = LocalDeployment(
        DeploymentConfig(port=0), name="shared", progress=told.append, registry=registry
    )
    deployment.up()
    yield deployment
    deployment.down()
