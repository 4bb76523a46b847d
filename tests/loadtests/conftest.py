"""A real deployment that the tests of the load share."""

from collections.abc import Iterator

import pytest

from loadtests.deployments import DeploymentConfig
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import Registry


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """Two replicas of two workers behind nginx, as local processes."""
    registry = Registry(tmp_path_factory.mktemp("deployments") / "records")
    deployment = LocalDeployment(DeploymentConfig(port=0), name="shared", registry=registry)
    deployment.up()
    yield deployment
    deployment.down()
