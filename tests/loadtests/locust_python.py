"""Python with Locust, in processes of its own that need not import everything again."""

import atexit
import functools
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.loadtests.harness import Outputs

_IMPORTED = [
    "locust.main",
    "loadtests.actions.policy",
    "loadtests.load.batch",
    "loadtests.load.workers.carried",
    "loadtests.load.garbage",
    "loadtests.load.locust_options",
    "loadtests.load.loop_lag",
    "loadtests.load.page.login",
    "loadtests.load.page.tabs",
    "loadtests.load.policy_watch",
    "loadtests.load.workers.presence",
    "loadtests.load.recording",
    "loadtests.load.users",
    "loadtests.load.workers.watch",
]
"""What the locustfile imports; not the locustfile, which every Locust runs for itself."""


class LocustPython:
    """`python -m module …` or `python -c program …`, started in a session of its own.

    It is a fork of a process that has imported Locust, which cannot be forked from a test: it patches Python.
    One of each `source` goes on at a time.
    """

    def __init__(
        self,
        *arguments: str,
        environ: Mapping[str, str] = os.environ,
        cwd: Path = ROOT,
        without: Sequence[str] = (),
        source: int = 0,
    ) -> None:
        """`without` names modules that are not installed, as it seems to it."""
        self._arguments = arguments
        self._code: int | None = None
        self._outputs = Outputs()
        forking = _source(source)
        assert forking.stdin is not None
        assert forking.stdout is not None
        self._answers = forking.stdout
        order = {
            "arguments": arguments,
            "environ": dict(environ),
            "cwd": str(cwd),
            "without": without,
            "outputs": self._outputs.names,
        }
        forking.stdin.write(json.dumps(order).encode() + b"\n")
        self.pid = int(self._answers.readline())

    def goes_on(self) -> bool:
        if self._code is None and select.select([self._answers], [], [], 0)[0]:
            self._code = int(self._answers.readline())
        return self._code is None

    def wait(self, timeout: float = 200) -> "subprocess.CompletedProcess[str]":
        """Waits for its end."""
        if self._code is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                self.kill()
                raise subprocess.TimeoutExpired(self._arguments, timeout)
            self._code = int(self._answers.readline())
        return self._outputs.completed(self._arguments, self._code)

    def kill(self) -> None:
        """Ends it at once, if it still runs."""
        if self._code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._code = int(self._answers.readline())


def locust_python(
    *arguments: str,
    environ: Mapping[str, str] = os.environ,
    cwd: Path = ROOT,
    without: Sequence[str] = (),
) -> "subprocess.CompletedProcess[str]":
    """Runs one to its end."""
    return LocustPython(*arguments, environ=environ, cwd=cwd, without=without).wait()


@functools.cache
def _source(_number: int) -> "subprocess.Popen[bytes]":
    """A process whose forks they are."""
    command = [sys.executable, "-m", __name__]
    source = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    atexit.register(source.communicate)
    return source


def _next_order() -> dict[str, Any]:
    """The order that this process, a fork, is for. The process that forks never returns."""
    from gevent.monkey import get_original

    fork, wait = get_original("os", ["fork", "waitpid"])
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        if not (pid := fork()):
            return order
        print(pid, flush=True)
        _, status = wait(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    raise SystemExit


class _Hiding:
    """A finder that does not find certain modules."""

    def __init__(self, finder: Any, names: Sequence[str]) -> None:
        self._finder = finder
        self._names = names

    def find_spec(self, fullname: str, *more: Any) -> ModuleSpec | None:
        return None if fullname in self._names else self._finder.find_spec(fullname, *more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def _obey(order: dict[str, Any]) -> None:
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    for descriptor, path in enumerate((os.devnull, *order["outputs"])):
        os.dup2(os.open(path, os.O_WRONLY if descriptor else os.O_RDONLY), descriptor)
    sys.meta_path = [_Hiding(finder, order["without"]) for finder in sys.meta_path]
    option, what, *arguments = order["arguments"]
    sys.argv = [option, *arguments]
    code = 1
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(what, {"__name__": "__main__"})
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.exit(code)  # in the usual way: Locust's last messages leave as the interpreter ends


if __name__ == "__main__":
    for module in _IMPORTED:
        import_module(module)
    gc.freeze()
    _obey(_next_order())
