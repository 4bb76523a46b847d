"""A results folder in the terminal: a table that fits its width, the trends, and what could not be read."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.index.entries import Entry
from reports.index.masthead import STATES
from reports.index.report import Index
from reports.page import formatting, words
from reports.page.words import count

_STYLES = {"good": "green", "bad": "red", "caution": "yellow", "unknown": "dim"}
_MOST_UNREAD = 10


@dataclass(frozen=True)
class _Column:
    title: str
    from_width: int
    """Of the terminal, in characters, from which on there is room for it."""
    show: Callable[[Entry], str]
    is_number: bool = True


_COLUMNS = (
    _Column("date", 100, lambda entry: _date(entry.at), is_number=False),
    _Column("steps/s", 50, lambda entry: formatting.significant(entry.figures.throughput_steps_per_s)),
    _Column("p50", 76, lambda entry: formatting.seconds(entry.figures.p50)),
    _Column("p99", 60, lambda entry: formatting.seconds(entry.figures.p99)),
    _Column("success", 84, lambda entry: formatting.percent(entry.figures.success_rate)),
    _Column("sessions", 92, lambda entry: formatting.count(entry.figures.sessions)),
    _Column("tags", 112, lambda entry: ", ".join(entry.tags), is_number=False),
    _Column("configuration", 150, lambda entry: ", ".join([entry.headline, *entry.details]), is_number=False),
)


def print_index(index: Index, console: Console | None = None) -> None:
    """Prints the entries, then where figures shifted, then what could not be read."""
    console = console or Console(highlight=False)
    if index.entries:
        console.print(_table(index, console.width))
    else:
        console.print("no results", markup=False)
    for trend in index.trends:
        if trend.shifts:
            style = _STYLES[STATES[trend.verdict]]
            _say(console, trend.sentence, style)
            _say(console, trend.label, "dim", "  ")
    steady = sum(trend.verdict == "no shift shown" for trend in index.trends)
    if steady:
        _say(console, f"No shift shown in {count(steady, 'other configuration')}.")
    for each in index.unread[:_MOST_UNREAD]:
        _say(console, f"not read: {each.path}: {each.reason}", "yellow")
    if len(index.unread) > _MOST_UNREAD:
        _say(console, f"not read: {len(index.unread) - _MOST_UNREAD:,} more", "yellow")


def _table(index: Index, width: int) -> Table:
    columns = [column for column in _COLUMNS if width >= column.from_width]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("verdict", no_wrap=True)
    table.add_column("result", overflow="fold", min_width=12)
    for column in columns:
        side: Literal["right", "left"] = "right" if column.is_number else "left"
        table.add_column(column.title, justify=side, no_wrap=column.is_number)
    for entry in index.entries:
        verdict = entry.verdict.removesuffix(" shown")
        table.add_row(
            Text(verdict, style=_STYLES[STATES[entry.verdict]]),
            Text(words.printable(entry.path)),
            *(Text(words.printable(column.show(entry))) for column in columns),
        )
    return table


def _date(at: float | None) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)) if at is not None else formatting.MISSING
    except (OverflowError, ValueError, OSError):
        return formatting.MISSING


def _say(console: Console, line: str, style: str = "", indent: str = "") -> None:
    console.print(Text(indent + words.printable(line, 1000), style=style), soft_wrap=not console.is_terminal)
