"""WebSocket sessions that were lost: a failure ended them, or they were never heard of again."""

from dataclasses import dataclass

import numpy as np

from reports.records.schema import RunJson
from reports.records.steps import CONNECT, Bools, Failures, Floats, Steps, UserSpans
from reports.statistics.groups import Indices, Together, pieces

TIMEOUTS = frozenset({"timeout", "connect_timeout"})
_END_A_SESSION = TIMEOUTS | {"refused", "handshake", "connection_lost", "protocol"}
"""Failures after which the users of loadtests.load.users begin a session or an episode anew."""
_SILENT_S = 5.0
_SILENT_FACTOR = 2.0


@dataclass(frozen=True)
class Ends:
    """How the WebSocket sessions of a run ended."""

    lost: Indices
    """The rows of failures, not of connects, with which a session ended that had been answered before.

    The user connected anew after it, or it was the user's last operation and one that ends a session.
    """
    open: Bools
    """Of each user: whether its last session had been answered, and its last operation succeeded."""


def session_ends(steps: Steps, failures: Failures) -> Ends:
    """Finds the sessions that a failure ended, of those of which a reset or step had succeeded."""
    last = np.full(steps.users, -1, dtype=np.intp)
    alive = np.zeros(steps.users, dtype=np.bool_)
    ends = []
    for piece in pieces(steps.user.size):
        together = Together.of(steps.user[piece], steps.users)
        row = together.order + piece.start
        connects = steps.op[row] == CONNECT
        answered = steps.succeeded[row] & ~connects
        before = together.last(np.ones(row.size, dtype=np.bool_), row, last, before=True)
        lived = together.last(connects | answered, answered, alive, before=True)
        ends.append(before[connects & lived])
    final = last[alive]
    over = np.isin(final, failures.rows[ends_a_session(failures)]) & steps.over_ws[final]
    rows = np.concatenate([*ends, final[over]])
    return Ends(rows[~steps.succeeded[rows]], alive & steps.succeeded[last] & steps.over_ws[last])


def ends_a_session(failures: Failures) -> Bools:
    """Which failures end a session for sure: a reply that says what was wrong may not."""
    return among(failures, _END_A_SESSION)


def among(failures: Failures, categories: frozenset[str]) -> Bools:
    """Which failures are of one of the categories."""
    chosen = np.array([name in categories for name in failures.categories], dtype=np.bool_)
    found: Bools = chosen[failures.category]
    return found


def fell_silent(run: RunJson, steps: Steps, spans: UserSpans, ends: Ends, before_s: float) -> Floats:
    """When the next reply of each session was due that was never heard of again, seconds since the start.

    Its user was silent to the run's end, for more than 5 s and more than twice the longest time between the
    ends of two operations of a user before `before_s`. None where sessions leave as they are meant to, in the
    open model or under a shape, and where a generator was lost.
    """
    quiet_s = _longest_quiet(steps, before_s) if _stay(run) else None
    if quiet_s is None:
        return np.empty(0)
    silent_s = steps.duration_s - spans.last_s
    gone = ends.open & (silent_s > max(_SILENT_S, _SILENT_FACTOR * quiet_s))
    due_s: Floats = spans.last_s[gone] + quiet_s
    return due_s


def _stay(run: RunJson) -> bool:
    """Whether users stay to the end, and what they do is recorded."""
    config = run["config"]
    sustained = config.get("scenario", "sustained") == "sustained"
    leave = config.get("arrivals") or config.get("shape")
    lost = any("lost" in generator for generator in run.get("generators", []))
    return sustained and not leave and not lost


def _longest_quiet(steps: Steps, until_s: float) -> float | None:
    """The longest time between the ends of two operations of one user; None before any has had two."""
    state = np.full(steps.users, np.nan)
    longest = -np.inf
    for piece in pieces(steps.user.size):
        together = Together.of(steps.user[piece], steps.users)
        ended_s = (steps.started_s[piece] + steps.latency_s[piece])[together.order]
        before_s = together.last(np.ones(ended_s.size, dtype=np.bool_), ended_s, state, before=True)
        known = ~np.isnan(before_s) & (ended_s < until_s)
        longest = max(longest, float((ended_s - before_s)[known].max(initial=-np.inf)))
    return longest if longest >= 0 else None
