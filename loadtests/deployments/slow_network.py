"""Delays what a container sends, with Linux's `tc` inside its network namespace.

Containers have no right to do that themselves, so it is done from outside, as root. With a container its
namespace goes, and the delay with it: nothing can stay behind.
"""

import os
import shutil
import subprocess
from pathlib import Path

from loadtests.deployments.breakable import NotPossibleError
from loadtests.errors import LoadTestError

INTERFACE = "eth0"
MOST_PACKETS = 100_000
"""That may be under way at once; the kernel's default, 1000, would drop packets of many sessions."""
_PATIENCE_S = 10


def delay(pid: int, hostname: str, delay_s: float) -> None:
    """Delays by `delay_s` seconds what the container sends whose first process has this pid.

    Raises NotPossibleError where that is not permitted here.
    """
    _check_permitted(pid, hostname)
    milliseconds = f"{delay_s * 1000:g}ms"
    done = _tc(pid, "add", "netem", "delay", milliseconds, "limit", str(MOST_PACKETS))
    if done.returncode != 0:
        raise NotPossibleError(f"tc is not permitted or knows no netem here: {_last_line(done.stderr)}")


def restore(pid: int) -> None:
    """Delays it no longer. Raises LoadTestError."""
    done = _tc(pid, "del")
    if done.returncode != 0 and Path(f"/proc/{pid}").exists():
        raise LoadTestError(f"the delay could not be taken away: {_last_line(done.stderr)}")


def _check_permitted(pid: int, hostname: str) -> None:
    """Raises NotPossibleError, also where the pid is not this machine's, as of an engine elsewhere."""
    if missing := [program for program in ("nsenter", "tc") if shutil.which(program) is None]:
        raise NotPossibleError(f"{' and '.join(missing)} would have to be installed (util-linux, iproute2)")
    if os.geteuid() != 0:
        raise NotPossibleError("only root may change a container's network")
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        variables = []
    if f"HOSTNAME={hostname}".encode() not in variables:
        raise NotPossibleError(
            "the engine's containers do not run on this machine, or may not be looked into"
        )


def _tc(pid: int, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["nsenter", "--target", str(pid), "--net", "tc", "qdisc", verb, "dev", INTERFACE, "root"]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]
