import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtests.deployments import processes
from loadtests.deployments.registry import MARKER, Process, Record, Registry

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(2):
    if os.fork() == 0:
        break
print("ready", flush=True)
time.sleep(60)
"""
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(0)
"""


@pytest.fixture
def record(registry: Registry) -> Record:
    record = Record("processes-test", "local", "run", Process.of(os.getpid()))
    registry.create(record)
    return record


def start(command: list[str], record: Record, registry: Registry) -> subprocess.Popen[bytes]:
    log = registry.home(record.name) / "out.log"
    return processes.start(command, record=record, registry=registry, log=log, environ=os.environ)


def wait_for_lines(log: Path, count: int) -> list[str]:
    for _ in range(1200):
        lines = log.read_text().splitlines()
        if len(lines) >= count:
            return lines
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_a_started_process_is_noted_at_once(record: Record, registry: Registry) -> None:
    process = start(SLEEP, record, registry)
    (noted,) = registry.records()[0].processes
    assert noted.pid == process.pid
    assert noted.alive()


def test_ctrl_c_in_the_terminal_does_not_reach_it(record: Record, registry: Registry) -> None:
    process = start(SLEEP, record, registry)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_finds_a_process_that_was_never_noted(record: Record, registry: Registry) -> None:
    process = subprocess.Popen(SLEEP, env={**os.environ, MARKER: record.name})
    while not psutil.Process(process.pid).environ().get(MARKER):
        time.sleep(0.01)
    assert [found.pid for found in processes.members(record, registry.home(record.name))] == [process.pid]
    assert processes.stop(record, registry.home(record.name)) == 1
    assert not psutil.pid_exists(process.pid)


def test_stops_a_process_that_made_itself_a_daemon(record: Record, registry: Registry) -> None:
    start([sys.executable, "-c", DAEMON], record, registry).wait()
    (pid,) = wait_for_lines(registry.home(record.name) / "out.log", 1)
    processes.stop(record, registry.home(record.name))
    assert not psutil.pid_exists(int(pid))


def test_kills_what_does_not_stop(record: Record, registry: Registry) -> None:
    process = start([sys.executable, "-c", STUBBORN], record, registry)
    wait_for_lines(registry.home(record.name) / "out.log", 3)
    assert processes.stop(record, registry.home(record.name), patience_s=0.3) == 3
    assert not psutil.pid_exists(process.pid)
    assert processes.members(record, registry.home(record.name)) == []


def test_leaves_others_alone(record: Record, registry: Registry) -> None:
    log = registry.home(record.name) / "out.log"
    log.touch()
    reader = subprocess.Popen(["tail", "-f", log])
    other = subprocess.Popen(SLEEP, env={**os.environ, MARKER: "another"})
    record.processes.append(Process(other.pid, time.time() + 60, SLEEP))
    assert processes.stop(record, registry.home(record.name)) == 0
    assert reader.poll() is None
    assert other.poll() is None
    for process in (reader, other):
        process.kill()
        process.wait()


def test_tail_shows_the_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\n".join(map(str, range(100))) + "\n")
    assert processes.tail(tmp_path / "log", lines=2) == "    98\n    99"
    assert processes.tail(tmp_path / "none") == ""


def test_children_may_have_as_many_open_files_as_there_can_be() -> None:
    most = processes.raise_open_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_taking_down_is_not_interrupted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with processes.uninterrupted():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_comes_meanwhile_takes_effect_afterwards(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with processes.deferred():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("to the end")

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done


def test_what_was_taken_note_of_has_no_effect_any_more() -> None:
    with processes.deferred() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts == [signal.SIGINT]
        interrupts.clear()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
