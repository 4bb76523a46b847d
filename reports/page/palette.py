"""The colours of a report, in light and dark, and how figures and pages refer to them.

A figure is drawn once, in stand-in colours, one for each name below. `as_variables` turns these into the
page's CSS variables, so that a figure follows the page from light to dark without a second copy.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Colour:
    """One colour by its meaning, as #rrggbb in each theme."""

    name: str
    light: str
    dark: str


COLOURS = (
    Colour("page", "#f7f7f5", "#121518"),
    Colour("surface", "#ffffff", "#1a1e23"),
    Colour("sunken", "#f0f0ed", "#22272d"),
    Colour("rule", "#dfe0dc", "#333a42"),
    Colour("ink", "#1d2329", "#e7eaed"),
    Colour("muted", "#57616b", "#a3adb7"),
    Colour("faint", "#a9b0b6", "#5c6670"),
    Colour("blue", "#0067a8", "#64b2f2"),
    Colour("vermilion", "#bd4b00", "#ff9561"),
    Colour("green", "#00785c", "#45c9a0"),
    Colour("purple", "#642a6e", "#e6b8e8"),
    Colour("ochre", "#7d5b00", "#dcb04a"),
)
"""Okabe and Ito's hues, each darkened or lightened until it reads as text on its theme's surface (4.5 : 1),
and set apart in lightness so that blue, purple, green and vermilion differ for colour-blind readers too."""

HEAT = "#2f86cf"
"""Works in both themes: a heat map's cells are more or less of this colour over the page's background."""

_STRONGEST_SHADE = 0.42
"""Of a table cell's colour: its text must keep a contrast of 4.5 : 1 in both themes."""
_BY_NAME = {colour.name: colour for colour in COLOURS}
_STAND_IN = re.compile(r"#fe00([0-9a-f]{2})")


def stand_in(name: str) -> str:
    """The colour that matplotlib draws with in place of the named one."""
    return f"#fe00{COLOURS.index(_BY_NAME[name]):02x}"


def as_variables(style: str) -> str:
    """A CSS style with every stand-in replaced by the CSS variable of its colour."""
    return _STAND_IN.sub(lambda match: f"var(--{COLOURS[int(match[1], 16)].name})", style)


def style_sheet() -> str:
    """The CSS variables of all colours; the page's `color-scheme` decides which theme applies."""
    lines = (f"  --{colour.name}: light-dark({colour.light}, {colour.dark});" for colour in COLOURS)
    return ":root {\n" + "\n".join(lines) + "\n}\n"


def shades(values: NDArray[np.float64]) -> list[list[str]]:
    """How strongly each cell of a table is coloured, as CSS percentages on a log scale of its values."""
    known = values[np.isfinite(values) & (values > 0)]
    low, high = (float(known.min()), float(known.max())) if known.size else (1.0, 1.0)
    span = max(math.log(high / low), math.log(2))

    def shade(value: float) -> str:
        if not (math.isfinite(value) and value > 0):
            return "0%"
        return f"{100 * _STRONGEST_SHADE * (0.08 + 0.92 * math.log(value / low) / span):.0f}%"

    return [[shade(value) for value in row] for row in values.tolist()]
