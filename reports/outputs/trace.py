"""A trace of a run: its steps by time and session, one JSON object a line, which a load test can replay."""

import json
import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reports.page.words import printable
from reports.records.directory import RunDirectoryError, replacing, unwritable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunConfig
from reports.records.sent import has_actions

NAME = "trace.jsonl"

_COLUMNS = ["started_at", "intended_at", "op", "transport", "wait_s", "user"]
_DIGITS = 6


@dataclass(frozen=True)
class MadeTrace:
    """A trace that was written."""

    path: Path
    sessions: int
    steps: int
    length_s: float
    """Seconds from the first step to the last."""
    command: str
    """What replays it."""


def write_trace(path: Path, file: Path | None = None) -> MadeTrace:
    """Writes the trace of a run to `file`, by default `trace.jsonl` in its directory.

    A step's time is when it was intended, where a schedule said so, else when it was sent, from the first
    step on. Sessions are those of the WebSocket, over HTTP the users. A step has the one action of the run,
    or the wait that it asked for; of several actions and of a policy's it is not recorded which it had, so
    there it has neither. Raises RunDirectoryError where the run has no steps, or a file cannot be read or
    written.
    """
    directory = RunDirectory(path)
    if ExperimentDirectory(path).exists():
        raise RunDirectoryError(
            f"{path} is an experiment: give one of its runs, {path / 'runs' / '<run_id>'}"
        )
    config = directory.read()["config"]
    replayed = config.get("trace")
    if replayed is not None and (replayed["with_action"] or (replayed["unnamed"] and has_actions(config))):
        raise RunDirectoryError(
            f"{path} replayed the actions of {printable(replayed['file'], 100)}, and recorded none of them: "
            "replay that trace again"
        )
    at_s, session, wait_s = _steps(directory.read_steps(_COLUMNS))
    if not at_s.size:
        raise RunDirectoryError(f"{path} holds no steps: no user of the run got to step")
    target = path / NAME if file is None else file
    try:
        with replacing(target) as scratch, scratch.open("w", encoding="utf-8") as lines:
            lines.writelines(_lines(at_s, session, wait_s, config))
    except OSError as error:
        raise unwritable(target, error) from error
    return MadeTrace(target, int(session.max()) + 1, at_s.size, float(at_s[-1]), _command(target, config))


def _steps(table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """When each step was due, of which session, and what it asked to wait (NaN: nothing), by time."""
    started, user = table["started_at"].to_numpy(), table["user"].to_numpy()
    order = np.lexsort((started, user))
    opens = pc.equal(table["op"], "connect").to_numpy()[order]
    opens[1:] |= user[order][1:] != user[order][:-1]
    session = np.empty(len(table), dtype=np.int64)
    session[order] = np.cumsum(opens)
    step = pc.equal(table["op"], "step").to_numpy()
    at = pc.coalesce(table["intended_at"], table["started_at"]).to_numpy()[step]
    by_time = np.argsort(at, kind="stable")
    at, session = at[by_time], session[step][by_time]
    wait_s = table["wait_s"].to_numpy()[step][by_time]
    _, first, place = np.unique(session, return_index=True, return_inverse=True)
    number = np.empty(first.size, dtype=np.int64)
    number[np.argsort(first)] = np.arange(first.size)
    return at - at[0] if at.size else at, number[place], wait_s


def _lines(
    at_s: NDArray[np.float64], session: NDArray[np.int64], wait_s: NDArray[np.float64], config: RunConfig
) -> Iterator[str]:
    constant = config["action"] if "trace" not in config else None
    tail = f', "action": {json.dumps(constant)}' if constant is not None else ""
    waits = "trace" in config or not has_actions(config)
    rows = zip(at_s.tolist(), session.tolist(), wait_s.tolist(), strict=True)
    for at, number, wait in rows:
        what = f', "wait": {wait!r}' if waits and not math.isnan(wait) else tail
        yield f'{{"at": {round(at, _DIGITS)!r}, "session": {number}{what}}}\n'


def _command(trace: Path, config: RunConfig) -> str:
    """What replays a trace as its run was, but for the deployment, unless that was given by its URL."""
    resets = config["steps_per_episode"] if config.get("scenario") != "rollouts" else 0
    given: dict[str, Any] = {"SHAPE": f"trace:{trace}", "STEPS_PER_EPISODE": resets}
    if config["transport"] == "http":
        given["TRANSPORT"] = "http"
    if config["deployment"] == "url":
        given["TARGET"] = config["url"]
    if (policy := config.get("policy")) is not None:
        given["POLICY"] = policy["name"]
    if (actions := config.get("actions")) is not None and "file" in actions:
        given["ACTIONS"] = actions["file"]
        given["ACTION_ORDER"] = actions["order"]
    words = [shlex.quote(f"{name}={printable(str(value), 1000)}") for name, value in given.items()]
    return " ".join(["make", "loadtest", *words])
