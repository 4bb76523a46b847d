import subprocess
import sys

import httpx
import pytest

from loadtests.deployments.registry import REGISTRY
from tests.conftest import ROOT

pytestmark = pytest.mark.servers


def loadtests(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.skipif(REGISTRY.left_running() is not None, reason="a deployment is up here: make down first")
def test_a_deployment_stays_up_until_it_is_taken_down() -> None:
    up = loadtests("up", "--target", "local", "--port", "0", "--replicas", "1", "--workers", "1")
    try:
        assert up.returncode == 0, up.stderr
        url = up.stdout.splitlines()[-1].split()[0]
        assert httpx.get(f"{url}/health").json() == {"status": "healthy"}
        second = loadtests("up", "--target", "local", "--port", "0")
        assert second.returncode == 2
        assert "make down" in second.stderr
    finally:
        down = loadtests("down")
    assert url in down.stdout
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
    assert "nothing is up" in loadtests("down").stdout
