"""One load test of which a process is killed with SIGKILL, and what that left."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.kills.checkout import Checkout
from benchmarks.kills.kinds import Kind, locust
from benchmarks.kills.outcome import Kill, Outcome
from benchmarks.kills.records import count_rows, judge
from benchmarks.kills.traces import Traces, containers
from reports.records.run_directory import RunDirectory

LOAD_S = 5
"""How long each run loads its deployment."""
_BEGUN_BYTES = 5_000
_START_S = 120.0
_END_S = 180.0
_TRIES = 4
_STARTING_S = 3.0
_REPORTING_S = 2.0
_LOAD = ("--users", "16", "--spawn-rate", "100", "--wait", "0.05", "--port", "0")
_SHORT = ("--target", "local", "--replicas", "1", "--workers", "1", "--users", "2", "--duration", "1")


class TooLateError(Exception):
    """The process had ended before its moment came."""


def killed(kill: Kill, checkout: Checkout) -> Outcome:
    """Runs a load test, kills, runs the next command, and looks at what there is."""
    for attempt in range(_TRIES):
        results = checkout.scratch / f"{kill.number:02}-{attempt}"
        results.mkdir()
        with suppress(TooLateError):
            return (_killed_report if kill.kind.phase == "again" else _killed_run)(
                kill, checkout, results, attempt
            )
    raise RuntimeError(f"{kill.kind.name} ended before it could be killed, {_TRIES} times")


def _killed_run(kill: Kill, checkout: Checkout, results: Path, attempt: int) -> Outcome:
    options = ("--results", str(results), *_LOAD, *kill.kind.options, "--duration", str(LOAD_S))
    output = results / "output.txt"
    run = checkout.start("loadtests", "run", *options, output=output)
    traces, root = Traces(), psutil.Process(run.pid)
    share = kill.moment / 2**attempt  # sooner, where it was too late
    _wait_for_moment(kill.kind, share, run, traces, checkout, results)
    traces.gather(root, checkout)
    victim, connections = _victim(kill, root, traces)
    killed_at = time.time()
    if victim is None:
        running = sorted(containers(next(iter(traces.projects)), service="env"))
        subprocess.run(
            ["docker", "kill", running[kill.choice % len(running)]],
            check=True,
            capture_output=True,
            timeout=60,
        )
    else:
        victim.send_signal(signal.SIGKILL)
    if kill.kind.role != "harness":
        _gather_until_end(run, traces, checkout)
    code = run.wait(_END_S)
    if kill.kind.role == "harness" and code != -signal.SIGKILL:
        raise TooLateError
    outcome = Outcome(kill)
    _next_command(kill, checkout, outcome)
    directory = _only_run(results)
    said = output.read_text(errors="replace")
    if directory is not None:
        _read_report(outcome, directory, checkout)
        if outcome.reads:
            count_rows(outcome, directory, killed_at, victim)
            judge(outcome, directory, code, said, connections)
    elif "PASSED" in said:
        outcome.untrue.append("a run without records is said to have passed")
    outcome.left = traces.left(checkout, results)
    return outcome


def _killed_report(kill: Kill, checkout: Checkout, results: Path, attempt: int) -> Outcome:
    """Kills `python -m reports` at work on a run that went to its end."""
    outcome = Outcome(kill, rows_lost=0)
    code, said = checkout.run("loadtests", "run", "--results", str(results), "--port", "0", *_SHORT)
    directory = _only_run(results)
    if directory is None:
        raise RuntimeError(f"a run ended with exit code {code} and without records:\n{said}")
    before, rows = json.loads(directory.report_json.read_text()), directory.read_steps().num_rows
    begun = time.monotonic()
    checkout.run("reports", "run", str(directory.path))
    span = time.monotonic() - begun
    report = checkout.start("reports", "run", str(directory.path), output=results / "output.txt")
    time.sleep(span * kill.moment / 2**attempt)
    report.kill()
    if report.wait() != -signal.SIGKILL:
        raise TooLateError
    _next_command(kill, checkout, outcome)
    _read_report(outcome, directory, checkout)
    after = json.loads(directory.report_json.read_text())
    outcome.rows_lost = rows - directory.read_steps().num_rows
    if any(after[name] != before[name] for name in ("passed", "totals", "latency", "slo", "validity")):
        outcome.untrue.append("the report says something else than before")
    outcome.left = Traces().left(checkout, results)
    return outcome


def _wait_for_moment(
    kind: Kind,
    share: float,
    run: "subprocess.Popen[bytes]",
    traces: Traces,
    checkout: Checkout,
    results: Path,
) -> None:
    """Returns when it is time to kill. Raises TooLateError where the run ended before."""
    root = psutil.Process(run.pid)
    if kind.phase == "start":
        time.sleep(share * _STARTING_S)
        return
    _until(
        lambda: any(each.stat().st_size > _BEGUN_BYTES for each in _streams(results)), run, traces, checkout
    )
    if kind.phase == "report":
        _until(lambda: not locust(root), run, traces, checkout)
        time.sleep(share * _REPORTING_S)
    else:
        # Until a second before the end: rows are there when it has just begun.
        time.sleep(share * (LOAD_S - 2.0))
    if run.poll() is not None:
        raise TooLateError


def _streams(results: Path) -> list[Path]:
    return list(results.glob("*/steps.arrows"))


def _until(
    true: Callable[[], bool], run: "subprocess.Popen[bytes]", traces: Traces, checkout: Checkout
) -> None:
    deadline = time.monotonic() + _START_S
    while not true():
        if run.poll() is not None:
            raise TooLateError
        if time.monotonic() > deadline:
            raise RuntimeError(f"a load test did not get so far within {_START_S:.0f} s")
        traces.gather(psutil.Process(run.pid), checkout)
        time.sleep(0.02)


def _gather_until_end(run: "subprocess.Popen[bytes]", traces: Traces, checkout: Checkout) -> None:
    """What was replaced after the kill is to be gone too."""
    root, deadline = psutil.Process(run.pid), time.monotonic() + _END_S
    while run.poll() is None and time.monotonic() < deadline:
        traces.gather(root, checkout)
        time.sleep(0.1)


def _victim(kill: Kill, root: psutil.Process, traces: Traces) -> tuple[psutil.Process | None, int]:
    """The process to kill, None for a container, and how many connections it has."""
    if kill.kind.find is None:
        if not traces.projects:
            raise RuntimeError("the deployment has no compose project")
        return None, 0
    try:
        found = sorted(kill.kind.find(root), key=lambda each: each.pid)
        if not found:
            raise TooLateError
        victim = found[kill.choice % len(found)]
        open_ones = [each for each in victim.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]
    except psutil.NoSuchProcess:
        raise TooLateError from None
    return victim, len(open_ones)


def _next_command(kill: Kill, checkout: Checkout, outcome: Outcome) -> None:
    command: tuple[str, ...] = ("loadtests", "down")
    if kill.then_run:
        results = checkout.scratch / f"{kill.number:02}-next"
        command = ("loadtests", "run", "--results", str(results), "--port", "0", *_SHORT)
    code, said = checkout.run(*command)
    if code or "could not remove" in said:
        outcome.untrue.append(f"the next command ended with exit code {code}: {said.strip()[-300:]}")


def _only_run(results: Path) -> RunDirectory | None:
    found = [each.parent for each in results.glob("*/run.json")]
    return RunDirectory(found[0]) if found else None


def _read_report(outcome: Outcome, directory: RunDirectory, checkout: Checkout) -> None:
    code, said = checkout.run("reports", "run", str(directory.path))
    if code in (0, 1) and directory.report_html.exists():
        outcome.reads = True
    elif code == 2 and not directory.steps.read([]).num_rows and "error:" in said and "Traceback" not in said:
        outcome.reads = None
    else:
        outcome.reads = False
        outcome.untrue.append(f"python -m reports ended with exit code {code}: {said.strip()[-300:]}")
