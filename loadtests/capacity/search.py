"""The search for the largest batch that meets an objective: which batch to try next, and what the tries say.

Or for the highest rate: then "batch" stands for a rate, of whole arrivals a second, and sessions for these.

A function of the tries so far, and of nothing else: the same tries always lead to the same batch.

Whether a batch meets the objective is a matter of chance near the limit, and a larger batch may meet it where
a smaller one missed it. So the chance to meet it, as a function of the batch's size, is estimated from all
tries together as the closest one that never rises (isotonic regression: Barlow, Bartholomew, Bremner and
Brunk, Statistical Inference under Order Restrictions, 1972), and the search closes in on where it falls
below one half.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_SURE = 0.95
"""How probable it must be that the answer meets the objective more often than not."""
_NEARLY_SURE = 0.8
"""Enough for the next larger batch to miss it, and where the server's cap is the answer already."""
_CAP_TRIES = 6
_MOST_PROBES = 4
_OVERLOAD = 1.5
"""A batch this many times what the server holds finds every worker full."""


class Try(Protocol):
    """The outcome of one batch, as far as the search needs to know it."""

    @property
    def load(self) -> int:
        """Users of the batch, or arrivals a second."""

    @property
    def met(self) -> bool: ...
    @property
    def clear(self) -> bool:
        """Met with so much to spare that one try is enough for now."""

    @property
    def hopeless(self) -> bool:
        """Missed by so much that one try is enough for now."""

    @property
    def far(self) -> bool:
        """Missed by far: more than twice as many sessions failed as may."""

    @property
    def succeeded(self) -> int:
        """Sessions that connected, reset and stepped."""

    @property
    def turned_away(self) -> int:
        """Sessions that a full server refused."""

    @property
    def held(self) -> int | None:
        """Sessions that were there at once, where every worker was full; None where one was not."""


@dataclass(frozen=True)
class SearchPlan:
    """Where the search begins, how far it goes, and how exact it must be."""

    start: int
    """The first batch, if it is not larger than `most`."""
    most: int
    """The largest batch that may be tried."""
    tries: int
    """The most tries that decide one batch on the way; more confirm the answer."""
    precision: float
    """As a share of the answer: how close the next failing batch must be, or one session more."""
    success_rate: float
    """The share of sessions that must succeed."""


@dataclass(frozen=True)
class Answer:
    """What the tries say."""

    sessions: int
    """The largest number of sessions that the deployment holds within its objective; 0: none."""
    max_batch: int
    """The largest batch that met the objective in most of its tries; 0: none."""
    low: int
    """The largest batch, up to `max_batch`, that met it in every try; 0: none."""
    high: int | None
    """The smallest batch, above all that met it in any try, that missed it in every one; None: none."""
    confidence: float
    """How probable it is that `max_batch` meets the objective more often than not."""
    server_cap: int | None
    """What the server held at once when it turned others away; None where that is not known."""


@dataclass(frozen=True)
class _Tally:
    met: int
    missed: int
    clear: bool
    hopeless: bool
    far: int

    @property
    def tries(self) -> int:
        return self.met + self.missed


def next_batch(tries: Sequence[Try], plan: SearchPlan) -> int | None:
    """How many users the next batch has; None where the search is over."""
    tallies = _tallies(tries)
    if not tallies:
        return min(plan.start, plan.most)
    if not _decided(tallies[tries[-1].load], plan):
        return tries[-1].load
    passing, failing = _bracket(tallies)
    for end in (passing, failing):
        if end and not _decided(tallies[end], plan):
            return end
    if failing is None and passing < plan.most:
        return min(2 * passing, plan.most)
    cap = server_cap(tries)
    if failing is not None:
        if cap is None and (probe := _cap_probe(tries, tallies, plan)):
            return probe
        if failing - passing > _close_enough(passing, cap, tallies, plan):
            return _between(passing, failing, cap, plan)
    return _confirming(tallies, passing, failing, cap, plan)


def answer(tries: Sequence[Try]) -> Answer:
    """What is known after these tries, whether the search is over or was stopped."""
    tallies = _tallies(tries)
    passing, _ = _bracket(tallies)
    cap = server_cap(tries)
    return Answer(
        sessions=cap if cap is not None and _holds(cap, tallies) else passing,
        max_batch=passing,
        low=max((n for n, tally in tallies.items() if n <= passing and not tally.missed), default=0),
        high=_hopeless(tallies),
        confidence=confidence(tallies[passing].met, tallies[passing].missed) if passing else 0.0,
        server_cap=cap,
    )


def confidence(met: int, missed: int) -> float:
    """How probable it is, after these tries, that a batch meets the objective more often than not.

    P(p > 1/2) for p of the Beta distribution with parameters met + 1 and missed + 1, which is Bayes' answer
    where all p were equally probable before: as likely as at most `met` heads in met + missed + 1 throws of a
    coin.
    """
    throws = met + missed + 1
    return sum(math.comb(throws, heads) for heads in range(met + 1)) / 2.0**throws


def server_cap(tries: Sequence[Try]) -> int | None:
    """How many sessions the server holds at once: the most that it held while every worker was full.

    None where no two such tries agree on it: sessions may not all have been there at once.
    """
    held = Counter(each.held for each in tries if each.held is not None)
    most = max(held, default=0)
    return most if most and held[most] >= 2 else None


def _holds(cap: int, tallies: dict[int, _Tally]) -> bool:
    """Whether the tries leave room for a batch as large as the server's cap.

    Where clients land on workers by chance, a batch of that size is at the edge: some workers are full before
    others, so it may meet the objective barely more often than it misses it. It is therefore ruled out only
    where a smaller batch is hopeless, or where it misses the objective by far.
    """
    hopeless = _hopeless(tallies)
    tally = tallies.get(cap)
    by_far = tally is not None and 2 * tally.far > tally.tries
    return not by_far and (hopeless is None or hopeless >= cap)


def _hopeless(tallies: dict[int, _Tally]) -> int | None:
    """The smallest batch, above all that met the objective in any try, that was tried."""
    largest_met = max((size for size, tally in tallies.items() if tally.met), default=0)
    return min((size for size in tallies if size > largest_met), default=None)


def _tallies(tries: Sequence[Try]) -> dict[int, _Tally]:
    """The tries of each size, smallest first."""
    sizes = sorted({each.load for each in tries})
    by_size = {size: [each for each in tries if each.load == size] for size in sizes}
    return {
        size: _Tally(
            met=sum(each.met for each in same),
            missed=sum(not each.met for each in same),
            clear=any(each.clear for each in same),
            hopeless=any(each.hopeless for each in same),
            far=sum(each.far for each in same),
        )
        for size, same in by_size.items()
    }


def _decided(tally: _Tally, plan: SearchPlan) -> bool:
    majority = plan.tries // 2 + 1
    if (tally.clear and not tally.missed) or (tally.hopeless and not tally.met):
        return True
    return max(tally.met, tally.missed) >= majority or tally.tries >= plan.tries


def _bracket(tallies: dict[int, _Tally]) -> tuple[int, int | None]:
    """The largest batch that meets the objective more often than not, 0 for none, and the next one tried.

    Pool adjacent violators: neighbours whose rates rise with size are taken together until none do.
    """
    blocks: list[tuple[list[int], int, int]] = []
    for size, tally in tallies.items():
        block = ([size], tally.met, tally.tries)
        while blocks and blocks[-1][1] * block[2] <= block[1] * blocks[-1][2]:
            sizes, met, tries = blocks.pop()
            block = (sizes + block[0], met + block[1], tries + block[2])
        blocks.append(block)
    passing = [size for sizes, met, tries in blocks if 2 * met > tries for size in sizes]
    failing = [size for sizes, met, tries in blocks if 2 * met <= tries for size in sizes]
    return max(passing, default=0), min(failing, default=None)


def _cap_probe(tries: Sequence[Try], tallies: dict[int, _Tally], plan: SearchPlan) -> int | None:
    """A batch that fills every worker, where a server turned sessions away and its cap is not known."""
    refusing = [each for each in tries if not each.met and each.turned_away]
    if not refusing:
        return None
    size = min(max(each.load for each in refusing), plan.most)
    succeeded = max(each.succeeded for each in refusing)
    if size < _OVERLOAD * succeeded:
        size = min(2 * succeeded, plan.most)
    tried = tallies.get(size)
    return size if tried is None or tried.tries < _MOST_PROBES else None


def _close_enough(passing: int, cap: int | None, tallies: dict[int, _Tally], plan: SearchPlan) -> int:
    """How many sessions may lie between the ends of the bracket.

    Where the server's cap is the answer, as many as may fail of a batch of it, and one more: there chance
    decides how many sessions full workers turn away.
    """
    if cap is not None and _holds(cap, tallies):
        return cap - math.floor(cap * plan.success_rate) + 1
    return max(1, math.floor(plan.precision * passing))


def _between(passing: int, failing: int, cap: int | None, plan: SearchPlan) -> int:
    """A batch between the ends of the bracket: where the server's cap is known, one near that first.

    In a batch so large that the cap is too small a share of it too few succeed in any case; and one smaller
    than the cap by the same share is likely to meet the objective.
    """
    if cap is not None:
        hopeless = math.floor(cap / plan.success_rate) + 1 if plan.success_rate else failing
        for telling in (cap, hopeless, math.floor(cap * plan.success_rate)):
            if passing < telling < failing:
                return telling
    return (passing + failing) // 2


def _confirming(
    tallies: dict[int, _Tally], passing: int, failing: int | None, cap: int | None, plan: SearchPlan
) -> int | None:
    """A batch that needs more tries before the answer is given; None where everything is sure enough."""
    if failing is not None:
        missing = tallies[failing]
        sure = confidence(missing.missed, missing.met) >= _NEARLY_SURE
        if missing.tries < plan.tries or (not sure and missing.tries < plan.tries + 2):
            return failing
    if passing:
        meeting = tallies[passing]
        settled = cap is not None and _holds(cap, tallies)
        sure = confidence(meeting.met, meeting.missed) >= (_NEARLY_SURE if settled else _SURE)
        if not sure and meeting.tries < 2 * plan.tries + 1:
            return passing
    if cap is not None and cap <= plan.most:
        tried = tallies.get(cap)
        if tried is None or (not tried.met and not tried.far and tried.tries < _CAP_TRIES):
            return cap
    return None
