"""The harness's command, in processes of its own that need not import everything again."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
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


def harness(
    *arguments: str, environ: Mapping[str, str] = os.environ, timeout: float = 300
) -> "subprocess.CompletedProcess[str]":
    """Runs `python -m loadtests` with these arguments to its end, as a process of its own."""
    with tempfile.NamedTemporaryFile("r") as printed, tempfile.NamedTemporaryFile("r") as complained:
        outputs = (printed.name, complained.name)
        process = _PROCESSES.Process(target=_run, args=(arguments, dict(environ), outputs))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout)
        code = process.exitcode
        assert code is not None
        return subprocess.CompletedProcess(arguments, code, printed.read(), complained.read())


def _run(arguments: tuple[str, ...], environ: dict[str, str], outputs: tuple[str, str]) -> None:
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
