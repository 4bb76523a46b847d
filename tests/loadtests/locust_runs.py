"""Runs of plain Locust, and an environment of another kind for them to load."""

import itertools
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
from websockets.sync.server import ServerConnection, serve

from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.tables import StreamReader
from tests.loadtests.locust_python import LocustPython, locust_python

LOCUST = ("-m", "locust", "-f", "loadtests/locustfile.py", "--headless")
NO_REPORT = ("pandas",)
"""Where this is not installed, Locust writes no report."""


def locust_arguments(url: str, *options: str) -> list[str]:
    return [*LOCUST, "-H", url, "-u", "4", "-r", "4", "-t", "2s", *options]


def steps_of_a_run(url: str, directory: Path, *options: str) -> pd.DataFrame:
    """What is recorded in `directory`, which gets no report."""
    locust_python(*locust_arguments(url, "--run-directory", str(directory), *options))
    steps: pd.DataFrame = RunDirectory(directory).read_steps().to_pandas()
    return steps


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def rows_so_far(results: Path) -> pd.DataFrame:
    """What is recorded of the one run in a folder, which goes on."""
    streams = results.glob("*/steps.arrows")
    batches = [batch for stream in streams for batch in StreamReader(stream).read()]
    rows: pd.DataFrame = pa.Table.from_batches(batches, schema=STEPS).to_pandas()
    return rows


def ended_when(locust: LocustPython, is_enough: Callable[[], bool]) -> "subprocess.CompletedProcess[str]":
    """Lets a load without a run time, which completes thus, go on until there is enough of it."""
    deadline = time.monotonic() + 120
    try:
        while locust.goes_on() and time.monotonic() < deadline and not is_enough():
            time.sleep(0.05)
        if locust.goes_on():
            os.kill(locust.pid, signal.SIGTERM)
        return locust.wait()
    finally:
        locust.kill()


@contextmanager
def foreign_environment(
    episode: int, answers: float = math.inf
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """An environment that names nobody and is done after `episode` steps; it notes the messages it gets.

    After so many `answers` in all it hangs.
    """
    messages: list[dict[str, object]] = []
    numbers = itertools.count(1)

    def handle(connection: ServerConnection) -> None:
        steps = 0
        for text in connection:
            message = json.loads(text)
            messages.append(message)
            steps = 0 if message["type"] == "reset" else steps + 1
            if next(numbers) > answers:
                continue
            data = {"observation": {"text": "hi"}, "reward": 0.0, "done": steps >= episode}
            connection.send(json.dumps({"type": "observation", "data": data}))

    with serve(handle, "127.0.0.1", 0, close_timeout=0.2) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}", messages
        server.shutdown()


def recorded_until(
    url: str, results: Path, is_enough: Callable[[pd.DataFrame], bool], *options: str
) -> tuple[RunDirectory, pd.DataFrame]:
    """A run of four users that goes on until what it has recorded is enough, and its steps table."""
    arguments = (*LOCUST, "-H", url, "-u", "4", "-r", "4", "--results", str(results), *options)
    known = set(results.glob("*/run.json"))

    def steps() -> pd.DataFrame:
        for path in set(results.glob("*/run.json")) - known:
            with suppress(RunDirectoryError):
                found: pd.DataFrame = RunDirectory(path.parent).read_steps().to_pandas()
                return found
        return pd.DataFrame()

    done = ended_when(
        LocustPython(*arguments, without=NO_REPORT), lambda: not (now := steps()).empty and is_enough(now)
    )
    (path,) = set(results.glob("*/run.json")) - known
    recorded = steps()
    assert is_enough(recorded), done.stderr
    return RunDirectory(path.parent), recorded
