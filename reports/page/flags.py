"""Moments of a run on its time lines: thin vertical lines, with their names in lanes above the axes."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from matplotlib.axes import Axes

from reports.page import drawing, formatting
from reports.page.palette import stand_in

LANE = 14
"""Height of a lane in pixels."""
_MOST_LANES = 3
_LETTER = 7.0
"""Width of a letter in pixels, rather more than less."""
_GAP = 5.0
_LONGEST = 18
_COLOUR = "ochre"

Align = Literal["left", "right"]
"""Which end of a name is at the line."""
_ALIGNS: tuple[Align, Align] = ("left", "right")


@dataclass(frozen=True)
class Flag:
    """A moment, or a time, in seconds since the run's start."""

    number: int
    """By which it is called where its name finds no room."""
    name: str
    """Foreign text."""
    at_s: float
    until_s: float | None = None


class Label(NamedTuple):
    """Where the name of a flag stands."""

    flag: Flag
    words: str
    align: Align
    lane: int
    """0 is next to the axes."""


class _Taken(NamedTuple):
    x: float
    """Of the line, which reaches up to the lane."""
    low: float
    high: float
    lane: int

    def conflicts(self, other: "_Taken") -> bool:
        """Whether one's words touch the other's, or hide its line."""
        return (
            (self.lane == other.lane and self.low < other.high + _GAP and other.low < self.high + _GAP)
            or (self.low < other.x < self.high and other.lane > self.lane)
            or (other.low < self.x < other.high and self.lane > other.lane)
        )


@dataclass(frozen=True)
class Strip:
    """The names of flags above axes of one width: of those that find no room only the line is drawn."""

    flags: Sequence[Flag]
    labels: list[Label]

    @property
    def height(self) -> float:
        """In pixels; 0 where there are no names."""
        return LANE * max((label.lane + 1 for label in self.labels), default=0)

    def lines(self, axes: Axes) -> None:
        """Draws the lines within axes, and shades what lasts."""
        low, high = axes.get_xlim()
        for flag in self.flags:
            at = min(max(flag.at_s, low), high)
            axes.axvline(at, color=stand_in(_COLOUR), linewidth=1, zorder=4)
            if flag.until_s is not None and flag.until_s > at:
                until = min(flag.until_s, high)
                axes.axvspan(at, until, color=stand_in(_COLOUR), alpha=0.14, linewidth=0, zorder=0)

    def names(self, axes: Axes, above: float = 0) -> None:
        """Writes the names, `above` pixels above the axes, and leads the lines up to them."""
        low, high = axes.get_xlim()
        depth = axes.bbox.height
        for flag, words, align, lane in self.labels:
            at = min(max(flag.at_s, low), high)
            begin, end = 1 + above / depth, 1 + (above + lane * LANE + 12) / depth
            axes.axvline(at, begin, end, color=stand_in(_COLOUR), linewidth=1, clip_on=False)
            drawing.note(
                axes,
                words,
                (at, 1),
                ("data", "axes fraction"),
                (3 if align == "left" else -3, above + lane * LANE + 3),
                _COLOUR,
                ha=align,
                weight=drawing.BOLD,
            )


def strip(flags: Sequence[Flag], span_s: float, left: float, right: float, width: float) -> Strip:
    """Finds room for names above axes of `span_s` seconds with margins `left` and `right` in a figure.

    Where not all names find it in three lanes, the flags have their numbers instead, as many as do.
    """
    known = [flag for flag in flags if math.isfinite(flag.at_s)]
    pixels = [left + (width - left - right) * min(max(flag.at_s / span_s, 0), 1) for flag in known]
    names = [formatting.shortened(flag.name, _LONGEST) for flag in known]
    numbers = [f"{flag.number}" for flag in known]
    for words, align in itertools.product((names, numbers), _ALIGNS):
        labels = _labels(list(zip(known, pixels, words, strict=True)), align, width)
        if len(labels) == len(known):
            break
    return Strip(known, labels)


def _labels(flags: list[tuple[Flag, float, str]], align: Align, width: float) -> list[Label]:
    """The labels that find room, all as low as they can, beginning where words that are aligned so end."""
    taken: list[_Taken] = []
    labels: list[Label] = []
    aligns = sorted(_ALIGNS, key=lambda each: each != align)
    for flag, x, words in reversed(flags) if align == "left" else flags:
        long = 3 + _LETTER * len(words)
        for each, lane in itertools.product(aligns, range(_MOST_LANES)):
            low = x if each == "left" else x - long
            place = _Taken(x, low, low + long, lane)
            if low >= 0 and place.high <= width and not any(map(place.conflicts, taken)):
                taken.append(place)
                labels.append(Label(flag, words, each, lane))
                break
    return labels
