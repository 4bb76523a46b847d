"""A walk through README.md and docs/: their commands as they are written, in a copy of the checkout.

Only settings are appended that make them short and keep them off ports of others: of two values `make` and
the commands take the later one. Addresses become those of servers that the tests started, and <run_id>
becomes that of a run that the walk has made.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.conftest import copy_checkout, free_port, python_without_gradio
from tests.loadtests.foreign import TOKEN, private_front
from tests.loadtests.foreign import serving as serving_app

from .conftest import Server

Value = TypeVar("Value")

ONE_WORKER = "TARGET=local REPLICAS=1 WORKERS=1 PORT=0"
RUNNING = "TARGET=http://127.0.0.1:8000"
SMALL_LOAD = "USERS=4 DURATION=1 THINK_TIME=0.05"
BREAKABLE = "TARGET=local REPLICAS=2 WORKERS=1 PORT=0 USERS=4 FAULT=kill-worker@2s DURATION=5"
SMALL_GRID = "BALANCING=round_robin USERS=2 DURATION=1 WARMUP=0 REPETITIONS=1 THINK_TIME=0.05"

VERDICT = r"^(PASSED|FAILED)( with [^:]+)?: (?s:.*)^report: "
GRID_DONE = r"^COMPLETED: (?s:.*)^report: "
COMPARISON = r"^A: results/(?s:.*)^report: "


@dataclass(frozen=True)
class Rule:
    shortened_by: str
    """What is appended to the command."""
    says: str
    """A regular expression of what it prints."""


RULES = {
    "make": Rule("", r"^ +make loadtest +"),
    "make loadtest": Rule(
        "PORT=0 DURATION=2 REPLICAS=1", rf"target: (compose|local processes), because(?s:.*){VERDICT}"
    ),
    "make loadtest TARGET=http://*": Rule(SMALL_LOAD, VERDICT),
    "make loadtest TARGET=https://*": Rule(f"{SMALL_LOAD} SSL_CERT_FILE=certificate.pem", VERDICT),
    "make loadtest ENV=*": Rule(f"{ONE_WORKER} {SMALL_LOAD} ENV_PYTHON=bin/python", VERDICT),
    "make loadtest FAULT=*": Rule(BREAKABLE, VERDICT),
    "make faults": Rule(BREAKABLE, VERDICT),
    "make loadtest SCENARIO=*": Rule(f"{RUNNING} GROUP=2 GROUPS=2 STEPS=3 DURATION=2", VERDICT),
    "make results *": Rule("", r"^page: "),
    "make csv *": Rule("", r"steps\.csv"),
    "make loadtest *": Rule(f"{RUNNING} {SMALL_LOAD}", VERDICT),
    "make up": Rule(ONE_WORKER, r"^http://127\.0\.0\.1:\d+ \(make down ends it\)$"),
    "make down": Rule("", "took down the local deployment"),
    "make scaling REPLICAS=*": Rule(f"{RUNNING} REPLICAS=1 WORKERS=1 {SMALL_GRID}", GRID_DONE),
    "make scaling ARRIVALS=*": Rule(
        f"{RUNNING} ARRIVALS=poisson:20,40 DURATION=1 WARMUP=0 REPETITIONS=1", GRID_DONE
    ),
    "make scaling FAULT=*": Rule(
        f"{BREAKABLE} FAULT=none/kill-worker@2s BALANCING=random WARMUP=0 REPETITIONS=1", GRID_DONE
    ),
    "make scaling SCENARIO=*": Rule(
        f"{RUNNING} GROUP=2 GROUPS=1,2 STEPS=3 DURATION=1 WARMUP=0 REPETITIONS=1", GRID_DONE
    ),
    "make scaling TARGET=*": Rule(f"{SMALL_GRID} WAIT=0", r"^COMPLETED: 2 of 2 cells(?s:.*)^report: "),
    "make trace *": Rule("", r"make loadtest .*SHAPE=trace:"),
    "make capacity ARRIVALS=*": Rule(
        f"{RUNNING} START=100 MOST=100 TRIES=1 DURATION=2", r"^capacity: (?s:.*)^report: "
    ),
    "make capacity*": Rule(f"{RUNNING} START=4 MOST=4 TRIES=1", r"^capacity: (?s:.*)^report: "),
    "make report *": Rule("", VERDICT),
    "make compare *": Rule("", COMPARISON),
    ".venv/bin/openenv-loadtest compare *": Rule("", COMPARISON),
}
"""How commands are shortened and what they say, by patterns of them; the first that fits counts."""

PAGES = {
    "make webui": f"{RUNNING} {SMALL_LOAD} WEB_PORT={{port}}",
    ".venv/bin/locust *": "--web-host 127.0.0.1 --web-port {port}",
}
"""What is appended to commands that serve Locust's page until Ctrl-C."""


PASSING_LOAD = "USERS=4 SCENARIO=batch SLO_P99=60"
MASTER = f"{RUNNING} {PASSING_LOAD} WORKERS_EXPECTED=1 MASTER_BIND=127.0.0.1 MASTER_PORT={{port}}"
WORKER = "MASTER=127.0.0.1 MASTER_PORT={port} PROCESSES=1"
PAIRS = {
    "make master*": (MASTER, f"make worker {WORKER}"),
    "make worker*": (WORKER, f"make master {MASTER}"),
}
"""What is appended to commands that need another one at the same time, and that one."""


def is_on_the_walk(command: str) -> bool:
    return any(_fitting(table, command) for table in (RULES, PAGES, PAIRS))


class Walk:
    """Runs commands in a copy of the checkout."""

    def __init__(
        self, path: Path, servers: tuple[Server, ...], generated: Path, grid: str, stack: ExitStack
    ) -> None:
        """`grid` is what grid.toml holds. What the walk starts, `stack` ends."""
        self.path = path
        self._servers = servers
        self._generated = generated
        self._stack = stack
        copy_checkout(path)
        python_without_gradio(path)
        (path / ".venv").symlink_to(sys.prefix)
        (path / "results").mkdir()
        (path / "grid.toml").write_text(grid)
        (path / "headers.txt").write_text(f"Authorization: Bearer {TOKEN}\n")
        messages = [{"message": text} for text in ("hello", "goodbye")]
        (path / "actions.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in messages))
        stack.callback(self._take_down)

    def goes(self, command: str) -> None:
        """Runs a command; fails unless it does what it is for."""
        if page := _fitting(PAGES, command):
            self._serves_a_page(command, page)
            return
        if pair := _fitting(PAIRS, command):
            self._does_its_part(command, *pair)
            return
        rule = _fitting(RULES, command)
        assert rule
        if command == "make down" and not self._standing():
            self.goes("make up")
        printed = self._run(self._with_real_names(f"{command} {rule.shortened_by}"))
        assert re.search(rule.says, printed, re.MULTILINE), printed
        for report in re.findall(r"^report: (.+)$", printed, re.MULTILINE):
            assert (self.path / report).stat().st_size > 10_000

    def runs(self) -> list[str]:
        """Runs with steps that the walk has recorded, at least two, oldest first; each results/<run_id>."""
        while len(recorded := [run for run in self.path.glob("results/*/run.json") if _has_steps(run)]) < 2:
            self.goes("make loadtest TARGET=http://127.0.0.1:8000")
        return [str(run.parent.relative_to(self.path)) for run in sorted(recorded)]

    def _with_real_names(self, command: str) -> str:
        first, *_, last = self.runs() if "<run_id>" in command else ("", "")
        chats = "ACTION" in command
        names: dict[str, Callable[[], str]] = {
            "http://127.0.0.1:8000": lambda: self._chatter if chats else self._servers[0].url,
            "http://10.0.0.1:8000": lambda: self._servers[0].url,
            "http://10.0.0.2:8000": lambda: self._servers[1].url,
            "https://me-my-env.hf.space": lambda: self._private,
        }
        for written, real in names.items():
            if written in command:
                command = command.replace(written, real())
        return command.replace("results/<run_id>", first, 1).replace("results/<run_id>", last)

    @cached_property
    def _chatter(self) -> str:
        """The URL of an environment that takes messages, as `openenv init` writes it."""
        return self._stack.enter_context(serving_app("server.app:app", self._generated))

    @cached_property
    def _private(self) -> str:
        """The https URL of a server that wants the headers in headers.txt."""
        return self._stack.enter_context(private_front(self.path, [self._servers[0].url], tls=True))

    def _standing(self) -> list[Path]:
        return [*self.path.glob(".deployments/*.json")]

    def _take_down(self) -> None:
        if self._standing():
            self._run(".venv/bin/python -m loadtests down")

    def _serves_a_page(self, command: str, settings: str) -> None:
        port = free_port()
        with self._started(self._with_real_names(f"{command} {settings.format(port=port)}")) as process:
            page = _eventually(lambda: _answer(f"http://127.0.0.1:{port}"), process)
            _press_ctrl_c(process)
        assert "<title>Locust</title>" in page

    def _does_its_part(self, command: str, settings: str, other: str) -> None:
        port = free_port()
        with self._started(self._with_real_names(other.format(port=port))) as process:
            self._run(self._with_real_names(f"{command} {settings.format(port=port)}"))
            assert process.wait(120) == 0, process.communicate()[0]

    def _run(self, command: str) -> str:
        with self._started(command) as process:
            printed, _ = process.communicate()
        assert not re.search(r"^(error: |Traceback )", printed, re.MULTILINE), f"{command}\n{printed}"
        return printed

    @contextmanager
    def _started(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """A command under way, without what a `make` around the tests would tell its own."""
        # As if everything were installed: the virtual environment is not the copy's own.
        command = re.sub(r"^make\b", "make -o .venv/.ready -o .venv/.complete", command)
        environ = {name: value for name, value in os.environ.items() if not re.match(r"MAKE|MFLAGS", name)}
        with subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                _kill(process)


def _has_steps(run: Path) -> bool:
    report = run.with_name("report.json")
    return report.exists() and json.loads(report.read_text())["totals"]["steps"] > 0


def _fitting(table: Mapping[str, Value], command: str) -> Value | None:
    return next((found for pattern, found in table.items() if fnmatchcase(command, pattern)), None)


def _press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """Interrupts a command and all that it started, as a terminal does, and waits for its end.

    Again where it goes on: plain Locust loses the first while it sends a page.
    """
    printed = None
    for _ in range(3):
        if printed is None:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                printed, _ = process.communicate(timeout=30)
    assert printed is not None, "goes on after three times Ctrl-C"
    assert not re.search(r"^error: ", printed, re.MULTILINE), printed


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _answer(url: str) -> str:
    """A page; nothing where there is none yet."""
    try:
        return httpx.get(url, verify=False).text
    except httpx.TransportError:
        return ""


def _eventually(what: Callable[[], Value], process: subprocess.Popen[str]) -> Value:
    """What comes of a command that is under way; fails with what it printed should it end before."""
    deadline = time.monotonic() + 250
    while not (value := what()):
        if process.poll() is not None or time.monotonic() > deadline:
            _kill(process)
            pytest.fail(f"nothing came of {process.args!r}:\n{process.communicate()[0]}")
        time.sleep(0.1)
    return value
