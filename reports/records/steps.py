"""The steps of a run as columns of numbers, read one by one so that a hundred million rows fit in memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.statistics.groups import Together, first_of_each, pieces

CONNECT, RESET, STEP = 0, 1, 2
OPS = ("connect", "reset", "step")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]

_USED = [name for name in STEPS.names if name not in ("server_timestamp", "generator")]


@dataclass(frozen=True)
class Encoded:
    """A column as small numbers: `values[codes]`; the code of a null is -1."""

    codes: Codes
    values: pa.Array


class StepColumns:
    """The columns of a steps table of `rows` rows, sorted by `started_at`.

    `read` gives one by its name, once, in pieces of which each is forgotten before the next is read.
    """

    def __init__(self, read: Callable[[str], Iterable[pa.Array]], rows: int) -> None:
        self._read = read
        self._rows = rows

    @classmethod
    def of_run(cls, directory: RunDirectory) -> "StepColumns":
        """The columns of a run on disk. A stream must be sorted and may grow, so it is read at once."""
        if directory.steps.parquet.exists():
            return cls(directory.steps.pieces, directory.steps.rows)
        table = directory.read_steps(_USED)
        unread = dict(zip(table.column_names, table.columns, strict=True))
        return cls(lambda name: unread.pop(name).chunks, table.num_rows)

    def floats(self, name: str) -> Floats | None:
        """A column of float64, null as NaN; None where every value is null."""
        return self._filled(name, np.nan, lambda piece: piece)

    def ints(self, name: str) -> Ints | None:
        """A column of int64, null as -1; None where every value is null."""
        return self._filled(name, np.int64(-1), lambda piece: pc.fill_null(piece, -1))

    def flags(self, name: str) -> Bools | None:
        """A column of bool, null as False; None where no value is True."""
        flags: Bools | None = self._filled(name, np.False_, lambda piece: pc.fill_null(piece, False))
        return None if flags is None or not flags.any() else flags

    def _filled(self, name: str, missing: Any, known: Callable[[pa.Array], pa.Array]) -> NDArray[Any] | None:
        """A column whose nulls are `missing`; None where there is nothing else."""
        values, begin = None, 0
        for piece in self._read(name):
            if piece.null_count < len(piece):
                if values is None:
                    values = np.full(self._rows, missing)
                values[begin : begin + len(piece)] = known(piece).to_numpy(zero_copy_only=False)
            begin += len(piece)
        return values

    def encoded(self, name: str) -> Encoded:
        """A column of text or int64 as codes."""
        codes, values, begin = np.empty(self._rows, dtype=np.int32), None, 0
        for piece in self._read(name):
            if not pa.types.is_dictionary(piece.type):
                piece = piece.dictionary_encode()
            found = piece.dictionary
            values = found.slice(0, 0) if values is None else values
            at = pc.index_in(found, value_set=values)
            new = found.filter(at.is_null())
            renumbered = np.full(len(found) + 1, -1, dtype=np.int32)
            renumbered[:-1] = pc.fill_null(at, -1)
            renumbered[:-1][renumbered[:-1] < 0] = np.arange(len(values), len(values) + len(new))
            values = pa.concat_arrays([values, new])
            codes[begin : begin + len(piece)] = renumbered[pc.fill_null(piece.indices, -1).to_numpy()]
            begin += len(piece)
        return Encoded(codes, pa.array([], pa.string()) if values is None else values)


@dataclass(frozen=True)
class Steps:
    """What every section needs of each operation, a value a row, in the order of their start.

    Times are in seconds since the first operation's start, which `origin` gives in Unix time. An operation
    that a schedule wanted at a time starts then: so its latency counts what it waited to be sent.
    """

    origin: float
    started_s: Floats
    latency_s: Floats
    op: NDArray[np.int8]
    """CONNECT, RESET or STEP."""
    succeeded: Bools
    over_ws: Bools
    user: Codes
    """0 … users - 1."""
    users: int
    user_ids: pa.Array
    """What the steps table calls each user."""
    late_s: Floats | None = None
    """Seconds from when each operation was due until it was sent, NaN where no schedule said; None: all."""

    @property
    def ended_s(self) -> Floats:
        """When each operation ended; computed anew each time, because it is as large as the run."""
        return self.started_s + self.latency_s

    def service_s(self, rows: slice) -> Floats:
        """How long operations took from when they were sent."""
        if self.late_s is None:
            return self.latency_s[rows]
        return self.latency_s[rows] - np.nan_to_num(self.late_s[rows])

    @cached_property
    def duration_s(self) -> float:
        """From the first operation's start to the last one's end."""
        return float(self.ended_s.max()) if self.started_s.size else 0.0

    def successes(self, op: int) -> Bools:
        """Which rows are successful operations of one kind."""
        chosen: Bools = self.succeeded & (self.op == op)
        return chosen


@dataclass(frozen=True)
class Failures:
    """The operations that failed: their rows in the steps table, and the codes of category and detail."""

    rows: NDArray[np.intp]
    category: Codes
    categories: list[str]
    detail: Codes
    """-1 where there is none."""
    details: pa.Array

    def with_detail(self, detail: str) -> int:
        """How many of them have exactly this detail."""
        code = pc.index(self.details, detail).as_py() if len(self.details) else -1
        return int(np.count_nonzero(self.detail == code)) if code >= 0 else 0


def load_failures(columns: StepColumns) -> Failures:
    """The rows that carry an error."""
    error, detail = columns.encoded("error"), columns.encoded("error_detail")
    rows = np.flatnonzero(error.codes >= 0)
    categories = error.values.to_pylist()
    return Failures(rows, error.codes[rows], categories, detail.codes[rows], detail.values)


def load_steps(columns: StepColumns, failures: Failures) -> Steps:
    """The columns that every section needs."""
    started = columns.floats("started_at")
    if started is None:
        started = np.empty(0)
    origin = float(started[0]) if started.size else 0.0
    latency = columns.floats("latency_s")
    intended, late = columns.floats("intended_at"), None
    if intended is not None and latency is not None:
        late = np.subtract(started, intended, out=intended)
        known = ~np.isnan(late)
        np.subtract(started, late, out=started, where=known)
        np.add(latency, late, out=latency, where=known)
    user = columns.encoded("user")
    succeeded = np.ones(started.size, dtype=np.bool_)
    succeeded[failures.rows] = False
    return Steps(
        origin=origin,
        started_s=np.subtract(started, origin, out=started),
        latency_s=np.empty(0) if latency is None else latency,
        op=_renumbered(columns.encoded("op"), OPS).astype(np.int8),
        succeeded=succeeded,
        over_ws=_renumbered(columns.encoded("transport"), ("ws",)) == 0,
        user=user.codes,
        users=len(user.values),
        user_ids=user.values,
        late_s=late,
    )


@dataclass(frozen=True)
class Answers:
    """Who answered each operation, a code a row; -1 where the reply did not say."""

    host: Codes
    hosts: list[str]
    worker: Codes
    workers: list[tuple[int, int]]
    """The host's code and the pid of each worker."""
    session: Codes
    session_hashes: pa.Array


def load_answers(columns: StepColumns) -> Answers:
    """Who answered; a worker is known by host and pid together, because pids repeat across containers."""
    host, pid = columns.encoded("host"), columns.encoded("pid")
    worker = np.empty(host.codes.size, dtype=np.int32)
    numbers = {-1: -1}
    for piece in pieces(worker.size):
        pair = host.codes[piece].astype(np.int64) * len(pid.values) + pid.codes[piece]
        pair[(host.codes[piece] < 0) | (pid.codes[piece] < 0)] = -1
        codes, pairs = pd.factorize(pair)
        known = [numbers.setdefault(key, len(numbers) - 1) for key in pairs.tolist()]
        worker[piece] = np.array(known, dtype=np.int32)[codes]
    del numbers[-1]
    workers = [(key // len(pid.values), pid.values[key % len(pid.values)].as_py()) for key in numbers]
    del pid
    session = columns.encoded("session_hash")
    return Answers(host.codes, host.values.to_pylist(), worker, workers, session.codes, session.values)


@dataclass(frozen=True)
class Sessions:
    """The session that each row was answered in over WebSocket: 0 … count - 1, or -1.

    A session is known by the hash that its replies name. Where no reply of a whole connection names one, the
    connection counts as the session. A connect alone makes none, because a server may accept a connection
    only to turn its session away.
    """

    of_row: Codes
    count: int


def sessions_of(steps: Steps, answers: Answers) -> Sessions:
    """The sessions of a run."""
    replied = steps.succeeded & steps.over_ws & (steps.op != CONNECT)
    named = steps.succeeded & steps.over_ws & (answers.session >= 0)
    of_row = np.where(named, answers.session, np.int32(-1))
    names = len(answers.session_hashes)
    if not (replied & ~named).any():
        return Sessions(of_row, names)
    connection = _connections(steps)
    has_name = np.zeros(int(connection.max()) + 1, dtype=np.bool_)
    has_name[connection[named]] = True
    nameless = np.flatnonzero(replied & ~has_name[connection])
    codes, found = pd.factorize(connection[nameless])
    of_row[nameless] = codes + names
    return Sessions(of_row, names + len(found))


def _connections(steps: Steps) -> Codes:
    """A number for the connection that each row belongs to; each starts with a user's connect."""
    connection = np.empty(steps.user.size, dtype=np.int32)
    of_user = np.arange(steps.users, dtype=np.int32)  # of what comes before a first connect
    count = steps.users
    for piece in pieces(connection.size):
        together = Together.of(steps.user[piece], steps.users)
        begins = steps.op[piece][together.order] == CONNECT
        numbers = np.cumsum(begins, dtype=np.int32) + np.int32(count - 1)
        connection[piece][together.order] = together.last(begins, numbers, of_user)
        count += int(np.count_nonzero(begins))
    return connection


@dataclass(frozen=True)
class UserSpans:
    """When each user started its first operation and ended its last, in seconds since the run's start."""

    first_s: Floats
    last_s: Floats


def user_spans(steps: Steps) -> UserSpans:
    """The spans of all users of a run."""
    last = np.zeros(steps.users)
    for piece in pieces(steps.user.size):
        np.maximum.at(last, steps.user[piece], steps.started_s[piece] + steps.latency_s[piece])
    return UserSpans(first_of_each(steps.user, steps.started_s, steps.users, 0.0), last)


def _renumbered(column: Encoded, order: tuple[str, ...]) -> Codes:
    """The codes of a column by the place of their values in `order`; -1 for any other."""
    places = [order.index(value) if value in order else -1 for value in column.values.to_pylist()]
    return np.array([*places, -1], dtype=np.int32)[column.codes]
