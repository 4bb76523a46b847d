"""A kubectl that renders kustomizations; it needs no cluster for that."""

import json
import shutil
import subprocess

import pytest

from tests.conftest import missing

OLDEST_KUSTOMIZE = 5


@pytest.fixture(scope="session")
def kubectl() -> None:
    """kubectl 1.27 or newer: an older one's kustomize does not know all fields that kubernetes/ uses."""
    if shutil.which("kubectl") is None:
        missing("no kubectl is installed: what kubernetes/ renders to is not looked at")
    command = ["kubectl", "version", "--client", "--output=json"]
    reply = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    version = json.loads(reply.stdout).get("kustomizeVersion", "v0")
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_KUSTOMIZE:
        missing(f"kubectl is older than 1.27 (its kustomize is {version}): kubernetes/ is not looked at")
