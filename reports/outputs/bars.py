"""Bars made of text, for where no picture can be shown; they fit the width of a phone."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.formatting import shortened

_WIDTH = 16
_LONGEST_LABEL = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


@dataclass(frozen=True)
class Bar:
    """One bar: what it is of, its length, and that as text."""

    label: str
    value: float
    text: str


def bars(rows: Sequence[Bar]) -> str:
    """The bars, one a line, to one scale from zero to the largest: label, value, bar."""
    most = max((row.value for row in rows), default=0.0)
    labels = [shortened(row.label, _LONGEST_LABEL) for row in rows]
    label_width = max(map(len, labels), default=0)
    text_width = max((len(row.text) for row in rows), default=0)
    return "\n".join(
        f"{label:<{label_width}}  {row.text:>{text_width}}  {_bar(row.value, most)}".rstrip()
        for label, row in zip(labels, rows, strict=True)
    )


def _bar(value: float, most: float) -> str:
    """A bar of up to 16 characters, in eighths of one; what is above zero shows."""
    if value <= 0 or most <= 0:
        return ""
    eighths = max(round(value / most * _WIDTH * 8), 1)
    return _FULL * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
