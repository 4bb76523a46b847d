"""What was broken on purpose while the load went on, and what each fault cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reports.page.words import count, listing, printable, seconds
from reports.records.schema import FaultJson, RunJson
from reports.records.steps import OPS, STEP, Answers, Bools, Failures, Floats, Steps, UserSpans
from reports.run.sections.evenness_over_time import Ending, EvennessOverTime, Part, evenness_over_time
from reports.run.sections.sessions_lost import TIMEOUTS, among, ends_a_session, fell_silent, session_ends
from reports.run.sections.totals import Totals
from reports.statistics.quantiles import quantiles_of

_P99 = np.array([0.99])
_QUIET_S = 1.0
_MOST_NAMED = 3
_UNDONE = {"left out": "was left out", "failed": "failed"}


@dataclass(frozen=True)
class Price:
    """What a fault cost, from when it began until the next one or the run's end, whatever the cause.

    A failure counts to the last fault before it ended. One that timed out does not say when its cause came:
    it counts to the last fault before its reply was due, `Faults.p99_before_s` after it was sent.
    """

    sessions_lost: int | None
    """WebSocket sessions that had been answered and that a failure ended, or that were never heard of again.

    `sessions_lost.Ends.lost` and `sessions_lost.fell_silent` say exactly which. None over HTTP.
    """
    failed: dict[str, int]
    """Failed operations by op."""
    episodes_lost: int | None
    """Episodes that a failed step cut off: the user had to begin anew after it.

    None where episodes have no end: no observation says `done`, and users do not reset after some steps.
    """
    errors_ended_s: float | None
    """Seconds from the fault to the end of its last failure; None where nothing failed, or errors went on."""
    errors_went_on: bool
    """Whether errors went on: what was left without any, until the next fault or the run's end, was not
    longer than 1 s and than every pause between two of its failures."""
    even_again_s: float | None
    """Seconds from the fault until the load was even for good; 0 where it never was uneven, None where it
    was not even in the end or that is not known.

    Even as `EvennessOverTime.even_again` says, beside the least even window before the first fault.
    """
    evenness: Ending
    """How even the load was in the end."""
    p99_s: float | None
    """Of the latency of steps that ended within `p99_over_s` after the fault; None where none did."""
    max_s: float | None
    """The slowest of these steps: a few that stalled do not show in p99."""
    p99_over_s: float
    """Seconds from the fault to recovery: to the end of the last failure or of the first window that is even
    for good, whichever comes later. To the next fault or the run's end where one of them is not known."""


@dataclass(frozen=True)
class Fault:
    """A fault that was asked for. Times in seconds since the run's start, as the steps count."""

    number: int
    """1, 2, 3 … in the order of time."""
    name: str
    asked: str
    target: str | None
    at_s: float
    ended_s: float | None
    """When it was taken back; None where it was not."""
    outcome: Literal["done", "left out", "failed"]
    detail: str | None
    price: Price | None
    """None where it was not done."""
    until: Literal["the next fault", "the end"]
    """To what it is priced."""


@dataclass(frozen=True)
class Faults:
    """The faults of a run and their prices."""

    faults: list[Fault]
    """In the order of time."""
    p99_before_s: float | None
    """p99 of the latency of steps that ended before the first fault, from the measured window's begin on."""
    failed_before: int
    """Operations that failed before the first fault."""
    over: Part | None
    """What the load is spread over; None where no reply says who answered."""
    window_s: float
    """The length of the sliding window in which the load is even or not; 0 where that is not known."""
    takeaways: list[str]

    @property
    def done(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.outcome == "done"]


def faults_in_words(run: RunJson) -> str:
    """How many faults were done, and of how many: `3 faults`, `2 of 3 faults`; empty where none was asked."""
    asked = run.get("faults", [])
    done = sum(fault["outcome"] == "done" for fault in asked)
    if not asked:
        return ""
    return count(done, "fault") if done == len(asked) else f"{done:,} of {count(len(asked), 'fault')}"


def in_order(run: RunJson) -> list[FaultJson]:
    """The faults of a run in the order of time."""
    return sorted(run.get("faults", []), key=lambda fault: fault["at"])


def summarize(
    run: RunJson,
    steps: Steps,
    answers: Answers,
    failures: Failures,
    spans: UserSpans,
    totals: Totals,
    *,
    episodes_end: bool,
) -> Faults | None:
    """Prices each fault that was done; None where none was asked for.

    `episodes_end` says whether episodes have an end, so that they can be cut off.
    """
    asked = in_order(run)
    if not asked:
        return None
    at_s = np.array([fault["at"] - steps.origin for fault in asked if fault["outcome"] == "done"])
    found = _Prices.of(run, steps, answers, failures, spans, totals, at_s) if at_s.size else None
    faults: list[Fault] = []
    place = 0
    for number, fault in enumerate(asked, 1):
        price = None
        if found is not None and fault["outcome"] == "done":
            price = found.price(place, episodes_end=episodes_end)
            place += 1
        faults.append(_fault(number, fault, steps.origin, price, last=place == at_s.size))
    result = Faults(
        faults=faults,
        p99_before_s=found.p99_before_s if found else None,
        failed_before=int(np.count_nonzero(found.fault < 0)) if found else 0,
        over=found.evenness.over if found else None,
        window_s=found.evenness.window_s if found else 0.0,
        takeaways=[],
    )
    result.takeaways.extend(_takeaways(result))
    return result


def _fault(number: int, fault: FaultJson, origin: float, price: Price | None, *, last: bool) -> Fault:
    return Fault(
        number=number,
        name=printable(fault["name"]),
        asked=printable(fault["asked"]),
        target=None if fault["target"] is None else printable(fault["target"]),
        at_s=fault["at"] - origin,
        ended_s=None if fault["ended_at"] is None else fault["ended_at"] - origin,
        outcome=fault["outcome"],
        detail=None if fault["detail"] is None else printable(fault["detail"]),
        price=price,
        until="the end" if last else "the next fault",
    )


@dataclass(frozen=True)
class _Prices:
    """What the prices of all faults are taken from. Arrays of failures have a value a failure."""

    steps: Steps
    over_ws: bool
    at_s: Floats
    """When each fault began, rising."""
    until_s: Floats
    even_until_s: float
    """After which users leave, so that the load need not be even."""
    p99_before_s: float | None
    evenness: EvennessOverTime
    usual: float
    """The lowest index of evenness before the first fault."""
    fault: NDArray[np.intp]
    """To which fault each failure counts; -1 before the first."""
    ended_s: Floats
    op: NDArray[np.int8]
    lost: Bools
    """Which failures ended a session that had been answered."""
    begins_anew: Bools
    """Which failures made a user begin anew."""
    silent: NDArray[np.intp]
    """To which fault each session counts that was never heard of again."""

    @classmethod
    def of(
        cls,
        run: RunJson,
        steps: Steps,
        answers: Answers,
        failures: Failures,
        spans: UserSpans,
        totals: Totals,
        at_s: Floats,
    ) -> "_Prices":
        rows, first_s = failures.rows, float(at_s[0])
        begin_s, even_until_s = totals.window_s
        before = (begin_s if begin_s < first_s else 0.0, first_s)
        p99_before_s, _ = _slowest(steps, *before)
        ended_s = steps.started_s[rows] + steps.latency_s[rows]
        due_s = steps.started_s[rows] + (np.inf if p99_before_s is None else p99_before_s)
        caused_s = np.where(among(failures, TIMEOUTS), np.minimum(due_s, ended_s), ended_s)
        ends = session_ends(steps, failures)
        evenness = evenness_over_time(steps, answers)
        over_ws = run["config"]["transport"] == "ws"
        lost = np.isin(rows, ends.lost)
        return cls(
            steps=steps,
            over_ws=over_ws,
            at_s=at_s,
            until_s=np.maximum(np.append(at_s[1:], steps.duration_s), at_s),
            even_until_s=even_until_s,
            p99_before_s=p99_before_s,
            evenness=evenness,
            usual=evenness.lowest(*before),
            fault=_last_before(at_s, caused_s),
            ended_s=ended_s,
            op=steps.op[rows],
            lost=lost,
            begins_anew=lost if over_ws else ends_a_session(failures),
            silent=_last_before(at_s, fell_silent(run, steps, spans, ends, first_s)),
        )

    def price(self, place: int, *, episodes_end: bool) -> Price:
        """The price of one of the faults that were done."""
        begin_s, until_s = float(self.at_s[place]), float(self.until_s[place])
        mine = self.fault == place
        op, ended_s = self.op[mine], np.sort(self.ended_s[mine])
        went_on = _went_on(ended_s, until_s)
        even_until_s = min(until_s, self.even_until_s) if begin_s < self.even_until_s else until_s
        evenness, even_again_s = self.evenness.even_again(begin_s, even_until_s, self.usual)
        failing_s = float(ended_s[-1]) - begin_s if ended_s.size else 0.0
        over_s = until_s - begin_s
        if even_again_s is not None and not went_on:
            over_s = min(over_s, max(failing_s, even_again_s + self.evenness.window_s))
        p99_s, max_s = _slowest(self.steps, begin_s, begin_s + over_s)
        silent = int(np.count_nonzero(self.silent == place))
        cut = self.begins_anew[mine] & (op == STEP)
        return Price(
            sessions_lost=int(np.count_nonzero(self.lost[mine])) + silent if self.over_ws else None,
            failed={name: int(np.count_nonzero(op == code)) for code, name in enumerate(OPS)},
            episodes_lost=int(np.count_nonzero(cut)) if episodes_end else None,
            errors_ended_s=failing_s if ended_s.size and not went_on else None,
            errors_went_on=went_on,
            even_again_s=even_again_s,
            evenness=evenness,
            p99_s=p99_s,
            max_s=max_s,
            p99_over_s=over_s,
        )


def _slowest(steps: Steps, begin_s: float, end_s: float) -> tuple[float | None, float | None]:
    """p99 and the largest latency of the steps that ended in a time; None where none did."""
    ended_s = steps.ended_s
    latency_s = steps.latency_s[steps.successes(STEP) & (ended_s >= begin_s) & (ended_s <= end_s)]
    if not latency_s.size:
        return None, None
    return float(quantiles_of(latency_s, _P99)[0]), float(latency_s.max())


def _last_before(at_s: Floats, moment_s: Floats) -> NDArray[np.intp]:
    """Which of the faults was the last before each moment; -1 where none was."""
    place: NDArray[np.intp] = np.searchsorted(at_s, moment_s, side="right") - 1
    return place


def _went_on(ended_s: Floats, until_s: float) -> bool:
    if not ended_s.size:
        return False
    pause_s = float(np.diff(ended_s).max(initial=0.0))
    return bool(until_s - ended_s[-1] <= max(_QUIET_S, pause_s))


def _takeaways(found: Faults) -> Iterator[str]:
    done = found.done
    undone = [f"{fault.name} {_UNDONE[fault.outcome]}" for fault in found.faults if fault.outcome != "done"]
    if undone:
        some = (
            f"{len(done):,} of {count(len(found.faults), 'fault')} {'was' if len(done) == 1 else 'were'} done"
        )
        yield f"{some if done else 'No fault was done'}; {listing(undone)}."
    priced = [(fault, fault.price) for fault in done if fault.price is not None]
    if not priced:
        return
    worst, price = max(priced, key=lambda both: _weight(both[1]))
    if _weight(price) == (0, 0, 0.0):
        worst, price = max(priced, key=lambda both: both[1].p99_s or 0.0)
        yield f"No session was lost, nothing failed, and the load stayed even.{_slower(worst, price, found)}"
        return
    most = " most:" if len(priced) > 1 else ""
    cost = f"{_named(worst)} cost{most} {_cost(worst, price)}."
    yield f"{cost}{_slower(worst, price, found)}"
    if len(priced) > 1:
        yield _together([price for _, price in priced])
    if never := [_named(fault) for fault, price in priced if price.evenness == "not even"]:
        which = listing(never) if len(never) <= _MOST_NAMED else count(len(never), "fault")
        yield f"After {which} the load was not even again over the {found.over}s alive then."
    if found.failed_before:
        had = f"{count(found.failed_before, 'operation')} had failed before the first fault"
        yield f"{had}, so faults need not be to blame for all that failed after it."


def _named(fault: Fault) -> str:
    return f"{fault.name} at {seconds(fault.at_s)}"


def _weight(price: Price) -> tuple[int, int, float]:
    """What makes one price higher than another: sessions, then operations, then time."""
    uneven_s = price.p99_over_s if price.evenness == "not even" else price.even_again_s or 0.0
    return price.sessions_lost or 0, sum(price.failed.values()), uneven_s


def _cost(fault: Fault, price: Price) -> str:
    costs = [count(price.sessions_lost, "session")] if price.sessions_lost else []
    costs += [count(number, f"failed {op}") for op, number in price.failed.items() if number]
    costs += [count(price.episodes_lost, "episode")] if price.episodes_lost else []
    said = [listing(costs) or "no operation"]
    if price.errors_went_on:
        said.append(f"errors did not end before {fault.until}")
    elif price.errors_ended_s is not None:
        said.append(f"errors ended after {seconds(price.errors_ended_s)}")
    if price.even_again_s:
        said.append(f"the load was even again after {seconds(price.even_again_s)}")
    return "; ".join(said)


def _slower(fault: Fault, price: Price, found: Faults) -> str:
    """How long steps took until recovery, as a further sentence."""
    after = f"After {fault.name}"
    if price.p99_s is None or price.max_s is None:
        return f" {after} no step succeeded."
    before_s = found.p99_before_s
    compared = "" if before_s is None else f" ({seconds(before_s)} before the first fault)"
    slowest = f"the slowest took {seconds(price.max_s)}"
    return f" {after} p99 of steps was {seconds(price.p99_s)}{compared}, and {slowest}."


def _together(prices: list[Price]) -> str:
    failed = sum(sum(price.failed.values()) for price in prices)
    lost = [price.sessions_lost for price in prices if price.sessions_lost is not None]
    sessions = f"{count(sum(lost), 'session')} lost, " if lost else ""
    return f"All {len(prices):,} faults together: {sessions}{count(failed, 'failed operation')}."
