"""The harness's command, in processes of its own that need not import everything again."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import ROOT

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        "loadtests.__main__",
        "loadtests.capacity.runner",
        "loadtests.experiment.runner",
        "loadtests.run.load_test",
        "reports.experiment.page",
        "reports.experiment.report",
        "reports.run.page",
        "reports.run.report",
    ]
)
"""The first process of a test session imports them, the others are its forks: seconds less for each."""


class Outputs:
    """Files for what a process prints and what it complains of."""

    def __init__(self) -> None:
        self._files = [tempfile.NamedTemporaryFile("r") for _ in range(2)]  # noqa: SIM115 - as long as this lives
        self.names = tuple(file.name for file in self._files)

    def completed(self, arguments: Sequence[str], code: int) -> "subprocess.CompletedProcess[str]":
        """The process at its end."""
        printed, complained = (Path(name).read_text() for name in self.names)
        return subprocess.CompletedProcess(arguments, code, printed, complained)


class Harness:
    """`python -m loadtests` with these arguments, as a process of its own that goes on."""

    def __init__(self, *arguments: str, environ: Mapping[str, str] = os.environ) -> None:
        self._arguments = arguments
        self._outputs = Outputs()
        self._process = _PROCESSES.Process(target=_run, args=(arguments, dict(environ), self._outputs.names))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def goes_on(self) -> bool:
        return self._process.is_alive()

    def wait(self, timeout: float = 500) -> "subprocess.CompletedProcess[str]":
        """Waits for its end."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            self.kill()
            raise subprocess.TimeoutExpired(self._arguments, timeout)
        return self._outputs.completed(self._arguments, code)

    def send_signal(self, number: signal.Signals) -> None:
        if self.goes_on():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once, if it still runs; not what it started."""
        self._process.kill()
        self._process.join()


def harness(*arguments: str, environ: Mapping[str, str] = os.environ) -> "subprocess.CompletedProcess[str]":
    """Runs one to its end."""
    return Harness(*arguments, environ=environ).wait()


def _run(arguments: tuple[str, ...], environ: dict[str, str], outputs: tuple[str, ...]) -> None:
    gc.freeze()  # a collection would copy all that the forks share
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environ)
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        with Path(path).open("w") as file:
            os.dup2(file.fileno(), stream.fileno())
    from loadtests.__main__ import main

    code = 1
    try:
        code = main(list(arguments))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 2
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
