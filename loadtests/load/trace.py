"""A trace: recorded steps, each with its time and its session, which a load test replays."""

import hashlib
import json
import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

from loadtests.actions.choice import LONGEST_WAIT_S, asked_wait
from loadtests.errors import LoadTestError
from reports.page.words import printable
from reports.records.schema import TraceJson

KIND = "trace:"
"""How a value of SHAPE begins that names the file of a trace."""
LEAD_S = 1.0
"""How long before its first step is due a session connects and resets; a replay begins so much later."""

_KEYS = ("at", "session", "wait", "action")
_LONGEST_S = 7 * 86400.0
_LARGEST_BYTES = 512 * 2**20
_LONGEST_SHOWN = 60
_NO_ACTION = -1
_A_LINE = '{"at": 1.5, "session": 7, "wait": 0.1}'


@dataclass(frozen=True)
class TraceStep:
    """One step of a session."""

    at_s: float
    """Seconds from the trace's start."""
    action: Mapping[str, Any] | None
    """None: what the load test says."""


@dataclass(frozen=True)
class TraceSession:
    """The steps of one session, at least one."""

    trace: "Trace"
    rows: Sequence[int]
    """Their places among all steps of the trace, rising."""

    @property
    def first_s(self) -> float:
        """When its first step is due, in seconds from the trace's start."""
        return self.trace.at_s[self.rows[0]]

    def due_by(self, at_s: float) -> int:
        """How many of its steps are due until then."""
        return bisect_right(self.rows, at_s, key=self.trace.at_s.__getitem__)

    def steps(self) -> Iterator[TraceStep]:
        """Its steps in the order of time."""
        return (self.trace.step(row) for row in self.rows)


@dataclass(frozen=True, eq=False)
class Trace:
    """All steps of a trace by time, column by column: a million of them take some 40 MB."""

    path: Path
    sha256: str
    """Of the file."""
    at_s: Sequence[float]
    """When each step is due, in seconds from the trace's start, never falling."""
    wait_s: Sequence[float]
    """What each asks the Benchmark environment to wait; NaN: nothing."""
    action: Sequence[int]
    """Which of the actions each takes; -1: none of them."""
    actions: Sequence[str]
    """The different actions, as JSON."""
    by_session: Sequence[int]
    """The places of all steps, those of a session next to each other; sessions by their first step."""
    begins: Sequence[int]
    """Where each session begins in `by_session`, and the end of the last."""
    unnamed: int
    """Steps that name neither a wait nor an action."""
    longest_wait_s: float
    """The longest wait that a step asks for, by its action too."""

    @property
    def text(self) -> str:
        """The setting that names it, wherever it is read."""
        return f"{KIND}{self.path}"

    @property
    def name(self) -> str:
        """The same without its folder."""
        return f"{KIND}{self.path.name}"

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.at_s)

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self.begins) - 1

    @property
    def length_s(self) -> float:
        """Seconds from its start to its last step."""
        return self.at_s[-1]

    def step(self, row: int) -> TraceStep:
        """The step at a place among all steps."""
        action = None
        if (chosen := self.action[row]) != _NO_ACTION:
            action = json.loads(self.actions[chosen])
        elif not math.isnan(wait_s := self.wait_s[row]):
            action = {"wait_seconds": wait_s}
        return TraceStep(self.at_s[row], action)

    def session(self, place: int) -> TraceSession:
        """The session at a place among all sessions, which go by their first step."""
        return TraceSession(self, self.by_session[self.begins[place] : self.begins[place + 1]])

    def most_at_once(self, shares: int, before_s: float, after_s: float) -> int:
        """The most sessions of any one share that overlap; of P shares the k-th has sessions k, k + P …

        A session counts from `before_s` before its first step is due to `after_s` after its last is.
        """
        first = [self.at_s[self.by_session[begin]] - before_s for begin in self.begins[:-1]]
        last = [self.at_s[self.by_session[end - 1]] + after_s for end in self.begins[1:]]
        return max(_overlap(first[number::shares], last[number::shares]) for number in range(shares))

    def described(self) -> TraceJson:
        """What run.json says about it."""
        return TraceJson(
            file=self.path.name,
            sha256=self.sha256,
            sessions=self.sessions,
            steps=self.steps,
            length_s=self.length_s,
            with_action=sum(chosen != _NO_ACTION for chosen in self.action),
            unnamed=self.unnamed,
        )


def is_trace(shape: str) -> bool:
    """Whether a value of SHAPE names a trace."""
    return shape.strip().startswith(KIND)


def load_trace(shape: str) -> Trace:
    """The trace that a value of SHAPE names, read from its file of one JSON object a line.

    Raises LoadTestError that names the bad line and what is wrong with it.
    """
    text = shape.strip().removeprefix(KIND)
    file = Path(text).expanduser()
    try:
        status = file.stat()
        if status.st_size > _LARGEST_BYTES:
            raise LoadTestError(
                f"SHAPE={shape} has {status.st_size / 2**20:,.0f} MB: give at most "
                f"{_LARGEST_BYTES // 2**20} MB, for example its first lines"
            )
        return _read(file.absolute(), status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise LoadTestError(
            f"SHAPE={shape} cannot be read ({error.strerror}): give a file of steps, one JSON object a line"
        ) from None


class _BadLineError(ValueError):
    """What is wrong with a line."""


@lru_cache(maxsize=2)
def _read(file: Path, _changed_at: int, _bytes: int) -> Trace:
    at_s, wait_s, action, session = array("d"), array("d"), array("l"), array("l")
    sessions: dict[str | float, int] = {}
    actions: dict[str, int] = {}
    unnamed, longest_s, before_s = 0, 0.0, 0.0
    digest = hashlib.sha256()
    decode = json.JSONDecoder(parse_constant=_refuse).decode
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            digest.update(line)
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if not text:
                    continue
                step = _checked(decode, text, before_s)
                wait = math.nan
                chosen = _NO_ACTION
                if "wait" in step:
                    wait = asked = float(step["wait"])
                elif "action" in step:
                    chosen = actions.setdefault(_encoded(step["action"]), len(actions))
                    asked = asked_wait(step["action"]) or 0.0
                else:
                    unnamed += 1
                    asked = 0.0
            except (ValueError, RecursionError) as error:
                why = str(error) if isinstance(error, _BadLineError) else f"it is not JSON: {error}"
                raise LoadTestError(f"SHAPE={KIND}{file}, line {number}: {why}") from None
            longest_s = max(longest_s, asked)
            before_s = float(step["at"])
            at_s.append(before_s)
            wait_s.append(wait)
            action.append(chosen)
            session.append(sessions.setdefault(step["session"], len(sessions)))
    if not at_s:
        raise LoadTestError(f"SHAPE={KIND}{file} has no step: write one a line, such as {_A_LINE}")
    by_session, begins = _grouped(session, len(sessions))
    return Trace(
        path=file,
        sha256=digest.hexdigest(),
        at_s=at_s,
        wait_s=wait_s,
        action=action,
        actions=list(actions),
        by_session=by_session,
        begins=begins,
        unnamed=unnamed,
        longest_wait_s=longest_s,
    )


def _checked(decode: Callable[[str], Any], text: str, before_s: float) -> dict[str, Any]:
    """A step, which is not due before `before_s`. Raises ValueError."""
    step = decode(text)
    if not isinstance(step, dict):
        raise _BadLineError(f"it is not a JSON object: write one like {_A_LINE}")
    for key in step:
        if key not in _KEYS:
            raise _BadLineError(f"{_shown(key)} is no key of a step: it has {', '.join(_KEYS)}")
    at = step.get("at")
    if not _is_number(at) or not 0 <= at <= _LONGEST_S:
        raise _BadLineError(f"at is {_shown(at)}: give seconds from the trace's start, a week at most")
    if at < before_s:
        raise _BadLineError(f"at is {_shown(at)}, and {before_s:g} in the line before: sort the lines by at")
    session = step.get("session")
    if not isinstance(session, str) and not _is_number(session):
        raise _BadLineError(f"session is {_shown(session)}: give the same number or text in all its steps")
    if "wait" in step:
        wait = step["wait"]
        if "action" in step:
            raise _BadLineError("it has both wait and action: leave one of them out")
        if not _is_number(wait) or not 0 <= wait <= LONGEST_WAIT_S:
            raise _BadLineError(f"wait is {_shown(wait)}: give seconds, {LONGEST_WAIT_S:g} at most")
    elif "action" in step and not isinstance(step["action"], dict):
        raise _BadLineError(f"action is {_shown(step['action'])}: give a JSON object")
    return step


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return "missing" if value is None else printable(json.dumps(value), _LONGEST_SHOWN)


def _encoded(action: dict[str, Any]) -> str:
    text = json.dumps(action, ensure_ascii=False)
    text.encode()  # lone surrogates cannot be sent
    return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _grouped(session: Sequence[int], sessions: int) -> tuple[Sequence[int], Sequence[int]]:
    """The places of all steps by session, and where each session begins: a counting sort."""
    begins = array("l", bytes(array("l").itemsize * (sessions + 1)))
    for number in session:
        begins[number + 1] += 1
    for number in range(sessions):
        begins[number + 1] += begins[number]
    free, places = begins[:], array("l", bytes(array("l").itemsize * len(session)))
    for place, number in enumerate(session):
        places[free[number]] = place
        free[number] += 1
    return places, begins


def _overlap(first: Sequence[float], last: Sequence[float]) -> int:
    """The most of some intervals that overlap, their beginnings rising."""
    ends = sorted(last)
    gone = most = 0
    for here, begin in enumerate(first, 1):
        while ends[gone] < begin:
            gone += 1
        most = max(most, here - gone)
    return most
