"""The reference server as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.deployments.ports import LOOPBACK
from loadtests.errors import LoadTestError
from loadtests.places import PACKAGES

_END_S = 60.0


@contextmanager
def reference_server(reply_times: str, seed: int, truth: Path) -> Iterator[str]:
    """Serves at the URL until the end of the block, after which the truth is on disk.

    Raises LoadTestError where it does not start, or does not end well.
    """
    command = [sys.executable, "-m", "benchmarks.calibration.server", "--reply-times", reply_times]
    command += ["--seed", str(seed), "--truth", str(truth.absolute())]
    server = subprocess.Popen(command, cwd=PACKAGES, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = server.stdout.readline().decode().strip()
        if not port:
            raise LoadTestError("the reference server did not start (see above)")
        yield f"http://{LOOPBACK}:{port}"
        server.stdin.close()
        try:
            code = server.wait(_END_S)
        except subprocess.TimeoutExpired:
            raise LoadTestError(f"the reference server did not end within {_END_S:.0f} s") from None
        if code:
            raise LoadTestError(f"the reference server ended with exit code {code} (see above)")
    finally:
        server.kill()
        server.wait()
        server.stdin.close()
        server.stdout.close()
