"""Registries of their own for the tests: a deployment that somebody left running stays out of their way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.deployments.registry import Registry
from loadtests.deployments.teardown import take_down


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path / "deployments")
    yield registry
    for record in registry.records():
        take_down(record, registry)
