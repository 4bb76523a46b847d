"""Little's law in a run: whether the time of all users, or of all arrivals, is accounted for."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reports.page.words import count, seconds, share
from reports.records.durations import spread_of
from reports.records.schema import LONGEST_RETRY_PAUSE_S, RunJson, is_batch
from reports.records.steps import STEP, Floats, Steps, UserSpans
from reports.run.sections.arrivals import arrived_users
from reports.run.sections.rollouts import waits_for_group
from reports.run.sections.totals import Totals
from reports.statistics.groups import Together, pieces

_LEAST_USERS = 10
_LEAST_OPERATIONS = 100
_MOST_UNACCOUNTED = 0.05
_ERRORS_OF_CHANCE = 3


@dataclass(frozen=True)
class LittlesLaw:
    """N̄ = X · (R + Z): users are operations a second times the time that each takes with the pause after it.

    It holds for any system over a long time, whatever its distributions (J. D. C. Little, "A Proof for the
    Queuing Formula: L = λW", Operations Research 9(3), 1961), and in a window as far as all time of the users
    in it is spent in operations and in pauses that were asked for. In the open model the system holds
    arrivals, over the whole load: their number is what the generator counted as they came and left.
    """

    users: float
    """N̄, the mean number of users present: from their spans, whatever they did in between. In the open model
    the mean number of arrivals in the system."""
    rate_per_s: float
    """X, operations that ended, a second; in the open model arrivals that left."""
    time_s: float
    """R + Z, the mean time of an operation in the system, and of the pause that its user was to make; in the
    open model that of an arrival, from when it was due, as the rows have it."""
    accounted: float
    """X · (R + Z) over N̄, 0…1."""
    sentence: str
    doubt: str | None
    """Why the law speaks against the records, in words; None where it does not."""

    def as_json(self) -> dict[str, Any]:
        """As report.json has it."""
        return {name: value for name, value in asdict(self).items() if name not in ("sentence", "doubt")}


@dataclass(frozen=True)
class Unchecked:
    """Little's law could not be checked."""

    sentence: str
    """Why, in words."""
    doubt: None = None


@dataclass
class _Time:
    """Seconds of all users within the window."""

    operating: float = 0.0
    between: float = 0.0
    """From the end of each operation to the start of its user's next one."""
    intended: float = 0.0
    """What pauses were to take of that."""
    operations: int = 0
    """That ended in it."""
    thoughts: int = 0
    """Pauses in which users were to think."""


def summarize(run: RunJson, steps: Steps, spans: UserSpans, totals: Totals) -> LittlesLaw | Unchecked | None:
    """Little's law in the measured window, or in the open model over the whole load; None without rows."""
    if not steps.op.size:
        return None
    try:
        return (
            _of_users(run, steps, spans, totals) if steps.late_s is None else _of_arrivals(run, steps, spans)
        )
    except _UncheckedError as error:
        return Unchecked(f"Little's law was not checked: {error}.")


class _UncheckedError(Exception):
    """Why it cannot be checked."""


def _of_users(run: RunJson, steps: Steps, spans: UserSpans, totals: Totals) -> LittlesLaw:
    begin, end = totals.window_s
    if is_batch(run):
        raise _UncheckedError("the users of a batch wait for each other, and leave")
    if totals.ramp_included or not end > begin:
        raise _UncheckedError("there was no time in which all users were there")
    think = spread_of(run["config"]["think_time"])
    policy_s = _policy_s(run)
    if think is None or policy_s is None:
        raise _UncheckedError("how long users paused is not known")
    present = float(_within(spans.first_s, spans.last_s, begin, end).sum())
    users = present / (end - begin)
    if users < _LEAST_USERS:
        raise _UncheckedError(f"with fewer than {_LEAST_USERS} users the edges of the window weigh too much")
    constant = not think.deviation and not policy_s
    spent = _time(run, steps, (begin, end), think.mean, policy_s, constant=constant)
    _check_enough(spent.operations)
    known = spent.operating + min(spent.intended, spent.between)
    by_chance = _ERRORS_OF_CHANCE * think.deviation * math.sqrt(spent.thoughts)
    accounted = min(known / present, 1.0)
    rate, time_s = spent.operations / (end - begin), known / spent.operations
    sentence = (
        f"Little's law: {users:,.1f} users = {rate:,.1f} operations/s × {seconds(time_s)} "
        f"({share(accounted)} accounted for)."
    )
    if think.deviation:
        sentence += f" Think time, which is drawn, counts with its mean of {seconds(think.mean)}."
    doubtful = (present - known - by_chance) / present > _MOST_UNACCOUNTED
    return LittlesLaw(
        users=users,
        rate_per_s=rate,
        time_s=time_s,
        accounted=accounted,
        sentence=sentence,
        doubt=_doubt(users, rate, time_s, accounted) if doubtful else None,
    )


def _of_arrivals(run: RunJson, steps: Steps, spans: UserSpans) -> LittlesLaw:
    """What was counted as arrivals came and left, beside what the rows say of them."""
    told = run.get("arrivals")
    if told is None or "done" not in told or "in_system_s" not in told:
        raise _UncheckedError("how long arrivals were there was not counted")
    of = run["config"].get("arrivals_of", "sessions")
    _check_enough(told["done"], of)
    if of == "steps":
        assert steps.late_s is not None
        known = float(steps.latency_s[~np.isnan(steps.late_s)].sum())
    else:
        sessions = arrived_users(steps)
        known = float((spans.last_s[sessions] - spans.first_s[sessions]).sum())
    counted = told["in_system_s"]
    accounted = min(known / counted, 1.0) if counted > 0 else 1.0
    users, rate = counted / steps.duration_s, told["done"] / steps.duration_s
    time_s = accounted * counted / told["done"]
    sentence = (
        f"Little's law: {users:,.1f} {of} in the system = {rate:,.1f} {of}/s × {seconds(time_s)} "
        f"({share(accounted)} accounted for)."
    )
    doubt = (
        f"Little's law does not hold: {users:,.1f} {of} were in the system as the generator counted them, "
        f"and {rate:,.1f} {of}/s × {seconds(time_s)} in the rows are {users * accounted:,.1f}. Rows were "
        "lost, or their times are wrong."
    )
    doubtful = 1 - accounted > _MOST_UNACCOUNTED
    return LittlesLaw(users, rate, time_s, accounted, sentence, doubt if doubtful else None)


def _check_enough(number: int, of: str = "operations") -> None:
    if number < _LEAST_OPERATIONS:
        raise _UncheckedError(f"only {count(number, of.removesuffix('s'))} ended, too few")


def _policy_s(run: RunJson) -> float | None:
    """The mean time of a policy's call, 0 where there is no policy; None where it is not known."""
    if (took := run.get("policy_time")) is not None:
        return took["mean_s"]
    return None if "policy" in run["config"] else 0.0


def _doubt(users: float, rate: float, time_s: float, accounted: float) -> str:
    return (
        f"Little's law does not hold: {users:,.1f} users were there, and {rate:,.1f} operations/s × "
        f"{seconds(time_s)} are {users * accounted:,.1f}. For {share(1 - accounted)} of their time users "
        "neither waited for an answer nor paused as configured: rows were lost, the generator was too busy "
        "to go on with them, or a locustfile makes pauses of its own."
    )


def _time(
    run: RunJson,
    steps: Steps,
    window_s: tuple[float, float],
    think_s: float,
    policy_s: float,
    *,
    constant: bool,
) -> _Time:
    """Where the time of users went; a pause that is `constant` ends at the latest when it was to."""
    begin, end = window_s
    of_group_s = waits_for_group(run, steps)
    spent = _Time()
    ended_at, failed = np.full(steps.users, np.nan), np.zeros(steps.users, dtype=np.bool_)
    op = np.full(steps.users, -1, dtype=np.int8)
    has_pauses = bool(think_s or policy_s) or of_group_s is not None or not steps.succeeded.all()
    for piece in pieces(steps.user.size):
        started_s = steps.started_s[piece]
        ended_s = started_s + steps.latency_s[piece]
        spent.operations += int(np.count_nonzero((ended_s >= begin) & (ended_s <= end)))
        spent.operating += float(_within(started_s, ended_s, begin, end).sum())
        if not has_pauses:
            continue
        together = Together.of(steps.user[piece], steps.users)
        every = np.ones(together.order.size, dtype=np.bool_)
        started_s, ended_s = started_s[together.order], ended_s[together.order]
        ops = steps.op[piece][together.order]
        before_s = together.last(every, ended_s, ended_at, before=True)
        after_failure = together.last(every, ~steps.succeeded[piece][together.order], failed, before=True)
        after_step = together.last(every, ops, op, before=True) == STEP
        if of_group_s is not None:
            slowest_s = of_group_s[piece][together.order]
            after_step &= np.isnan(slowest_s)  # a user that leaves does not think before
        retry_s = np.minimum(started_s - before_s, LONGEST_RETRY_PAUSE_S)
        pause_s = np.where(after_failure, retry_s, 0.0) + after_step * think_s + (ops == STEP) * policy_s
        until_s = before_s + pause_s
        if of_group_s is not None:
            until_s = np.fmax(until_s, slowest_s)
        known = np.isfinite(before_s)
        before_s, started_s, until_s = before_s[known], started_s[known], until_s[known]
        if constant:
            until_s = np.minimum(until_s, started_s)
        spent.between += float(_within(before_s, started_s, begin, end).sum())
        spent.intended += float(_within(before_s, until_s, begin, end).sum())
        inside = after_step[known] & (started_s >= begin) & (before_s <= end)
        spent.thoughts += int(np.count_nonzero(inside))
    return spent


def _within(since_s: Floats, until_s: Floats, begin: float, end: float) -> Floats:
    """How much of each stretch of time lies in a window, in seconds."""
    inside: Floats = np.maximum(np.minimum(until_s, end) - np.maximum(since_s, begin), 0.0)
    return inside
