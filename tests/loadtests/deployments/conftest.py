"""Registries of their own for the tests: a deployment that somebody left running stays out of their way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.deployments import local
from loadtests.deployments.registry import Registry
from loadtests.deployments.teardown import take_down
from tests.loadtests.deployments.light_server import SERVER


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path / "deployments")
    yield registry
    for record in registry.records():
        take_down(record, registry)


@pytest.fixture
def light_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets local deployments start gunicorns that are there at once."""
    monkeypatch.setattr(local, "SERVER", SERVER)
