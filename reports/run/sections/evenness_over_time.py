"""How even the load was in each moment of a run, and when it was even again after something broke."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports.records.steps import STEP, Answers, Bools, Codes, Floats, Steps
from reports.run.sections.evenness import ENOUGH_EACH, NEARLY_EVEN_JAIN
from reports.statistics.jain import jain_index

Part = Literal["worker", "replica"]
Ending = Literal["even", "not even", "unknown"]
"""How a time ended: with an even load, with an uneven one, or with nothing to judge by."""

_ENOUGH_STEPS = 200
"""Of each part in a window: with fewer chance alone often takes Jain's index below 0.99."""
_SHORTEST_S, _LONGEST_S = 1.0, 3.0
_MOST_WINDOWS = 2000
_SLIDES = 4
"""A window moves on by this part of its length."""


@dataclass(frozen=True)
class EvennessOverTime:
    """Jain's index of the successful steps of each worker alive, in a window that slides over the run.

    A worker is alive from the end of its first step to that of its last: one that gets nothing from some
    time on counts as gone.
    """

    over: Part | None
    """Workers, or replicas where replies name no process; None where no step says who answered."""
    window_s: float
    begin_s: Floats
    """When each window begins, seconds since the run's start."""
    jain: Floats
    """NaN in a window with fewer than 5 steps for each worker alive."""

    def lowest(self, begin_s: float, end_s: float) -> float:
        """The lowest index of the windows within a time; 1 where none has steps enough."""
        jain = self.jain[self._inside(begin_s, end_s)]
        return 1.0 if np.isnan(jain).all() else float(np.nanmin(jain))

    def even_again(self, begin_s: float, end_s: float, usual: float) -> tuple[Ending, float | None]:
        """Whether the load was even at the end of a time, and after how many seconds it was so for good.

        Even is an index that is at most 0.01 (1 less NEARLY_EVEN_JAIN) below `usual`; a window without
        steps enough is not. 0 where the load was even all the time, else until the begin of the first
        window of those that are even to the end.
        """
        inside = self._inside(begin_s, end_s)
        if not inside.any() or np.isnan(self.jain).all():
            return "unknown", None
        even = self.jain[inside] >= usual - (1 - NEARLY_EVEN_JAIN)
        if not even[-1]:
            return "not even", None
        if even.all():
            return "even", 0.0
        first = int(np.flatnonzero(~even)[-1]) + 1
        return "even", float(self.begin_s[inside][first]) - begin_s

    def _inside(self, begin_s: float, end_s: float) -> Bools:
        inside: Bools = (self.begin_s >= begin_s) & (self.begin_s + self.window_s <= end_s)
        return inside


def evenness_over_time(steps: Steps, answers: Answers) -> EvennessOverTime:
    """Follows how even the load was. The window has 200 steps a worker, but 1 s at least and 3 s at most.

    In runs of hours it is longer, so that there are 2,000 windows beside each other at most.
    """
    over, part, parts = _parts(answers)
    chosen = steps.successes(STEP) & (part >= 0)
    attributed = int(np.count_nonzero(chosen))
    if not attributed or steps.duration_s <= 0:
        return EvennessOverTime(None, 0.0, np.empty(0), np.empty(0))
    enough_s = _ENOUGH_STEPS * parts * steps.duration_s / attributed
    window_s = max(float(np.clip(enough_s, _SHORTEST_S, _LONGEST_S)), steps.duration_s / _MOST_WINDOWS)
    slide_s = window_s / _SLIDES
    ended_s, who = steps.ended_s[chosen], part[chosen]
    windows = max(int(steps.duration_s / slide_s + 1e-9) - _SLIDES + 1, 0)
    begin_s: Floats = np.arange(windows, dtype=np.float64) * slide_s
    loads = _loads(ended_s, who, parts, windows, slide_s)
    alive = _alive(ended_s, who, parts, begin_s, window_s)
    enough = loads.sum(axis=1) >= np.maximum(ENOUGH_EACH * alive.sum(axis=1), 1)
    jain = [
        jain_index(load[here]) if well else np.nan
        for load, here, well in zip(loads, alive, enough, strict=True)
    ]
    return EvennessOverTime(over, window_s, begin_s, np.array(jain, dtype=np.float64))


def _parts(answers: Answers) -> tuple[Part, Codes, int]:
    """What the load is spread over, which of these answered each operation, and how many there are."""
    if answers.workers:
        return "worker", answers.worker, len(answers.workers)
    return "replica", answers.host, len(answers.hosts)


def _loads(ended_s: Floats, who: Codes, parts: int, windows: int, slide_s: float) -> Floats:
    """The steps of each part in each window: a row a window, a column a part."""
    slides = windows + _SLIDES - 1
    slide = np.minimum((ended_s / slide_s).astype(np.int64), slides)
    counts = np.bincount(slide * parts + who, minlength=(slides + 1) * parts).reshape(-1, parts)
    until = np.concatenate([np.zeros((1, parts)), counts[:slides].cumsum(axis=0)])
    loads: Floats = until[_SLIDES:] - until[:-_SLIDES]
    return loads


def _alive(ended_s: Floats, who: Codes, parts: int, begin_s: Floats, window_s: float) -> Bools:
    """Whether each part is alive in each window, in the form of the loads."""
    first_s, last_s = np.full(parts, np.inf), np.full(parts, -np.inf)
    np.minimum.at(first_s, who, ended_s)
    np.maximum.at(last_s, who, ended_s)
    alive: Bools = (first_s < begin_s[:, None] + window_s) & (last_s >= begin_s[:, None])
    return alive
