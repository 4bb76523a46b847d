"""Figures that benchmarks measure, each beside its target and, where there is one, its peer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure, measured several times."""

    name: str
    values: Sequence[float]
    form: str
    """How a value is written, as in format()."""
    target: float
    """What the median is to reach; of the ratio to the peer, if there is one."""
    at_most: bool = False
    """Whether the target is an upper bound."""
    peer: str = ""
    peer_values: Sequence[float] = ()
    """The same of the peer, each measured next to one of `values`."""

    @property
    def ratios(self) -> list[float]:
        """To the peer, of neighbouring runs."""
        return [mine / theirs for mine, theirs in zip(self.values, self.peer_values, strict=False)]

    @property
    def reached(self) -> bool | None:
        """Whether the target was reached; None where the peer was not there to compare with."""
        if self.peer and not self.peer_values:
            return None
        median = statistics.median(self.ratios if self.peer else self.values)
        return median <= self.target if self.at_most else median >= self.target


def spread(values: Sequence[float], form: str) -> str:
    """The median and, where there are several, the range."""
    if not values:
        return ""
    median = format(statistics.median(values), form)
    return median if len(values) == 1 else f"{median} ({min(values):{form}} to {max(values):{form}})"


def conclude(figures: Sequence[Figure]) -> int:
    """Prints all figures; returns 1 where a target was missed, else 0."""
    for each in figures:
        print(f"\n{each.name}\n  {spread(each.values, each.form)}", end="")
        if each.peer_values:
            print(f"; {each.peer} {spread(each.peer_values, each.form)}", end="")
            print(f"\n  {spread(each.ratios, '.2f')} × {each.peer}", end="")
        bound = "at most" if each.at_most else "at least"
        target = f"{each.target:g} × {each.peer}" if each.peer else format(each.target, each.form)
        print(f"; target {bound} {target}: {_WORDS[each.reached]}")
    return 1 if any(each.reached is False for each in figures) else 0


_WORDS = {True: "reached", False: "MISSED", None: "not compared, it is not there"}
