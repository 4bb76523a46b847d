import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.servers


def loadtests(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_deployment_stays_up_until_it_is_taken_down(checkout: Path) -> None:
    local = ("--target", "local", "--port", "0", "--replicas", "1", "--workers", "1")
    up = loadtests(checkout, "up", *local)
    try:
        assert up.returncode == 0, up.stderr
        url = up.stdout.splitlines()[-1].split()[0]
        assert httpx.get(f"{url}/health", timeout=60).json() == {"status": "healthy"}
        second = loadtests(checkout, "up", *local)
        assert second.returncode == 2
        assert "make down" in second.stderr
    finally:
        down = loadtests(checkout, "down")
    assert url in down.stdout
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", timeout=60)
    assert "nothing is up" in loadtests(checkout, "down").stdout
