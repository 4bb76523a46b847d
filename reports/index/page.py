"""The index of a results folder as one HTML page. It shows result objects and computes nothing."""

import os
import time
from typing import Any

from reports.index import charts, links, masthead
from reports.index.entries import Entry
from reports.index.report import Index
from reports.index.trends import LEAST_RUNS
from reports.page import formatting, parts

MARK = '<meta name="generator" content="openenv-loadtest results">'
"""By this an index is known to be ours, so that no other index.html is ever replaced."""
_SECTIONS = {"entries": "All results", "trends": "Trends", "unread": "Not read"}


def render(index: Index) -> str:
    """The page of a results folder. The same index always gives the same bytes."""
    number_of = {entry.path: number for number, trend in enumerate(index.trends) for entry in trend.runs}
    return parts.render(
        "index",
        {name: title for name, title in _SECTIONS.items() if name != "unread" or index.unread},
        {"day": _day, "minute": _minute, "page": links.page_of, "value": charts.shown_value},
        scripts=("script.js", "index.js"),
        index=index,
        headline=masthead.headline(index),
        facts=masthead.facts(index),
        answers=masthead.answers(index),
        folder=f"{os.path.basename(os.path.abspath(index.results))}/",  # noqa: PTH100, PTH119 - not of a link
        rows=[_row(entry, index, number_of.get(entry.path)) for entry in index.entries],
        drawings=[charts.charts_of(trend) for trend in index.trends],
        state_of=masthead.STATES,
        verdicts=_found(entry.verdict for entry in index.entries),
        kinds=_found(entry.kind for entry in index.entries),
        tags=masthead.tags(index),
        least_runs=LEAST_RUNS,
        chart_width=charts.WIDTH,
        chart_height=charts.HEIGHT,
    )


def _row(entry: Entry, index: Index, trend: int | None) -> dict[str, Any]:
    argument = links.argument_of(entry, index.results)
    return {
        "entry": entry,
        "trend": trend,
        "argument": argument,
        "by_make": argument is not None and links.by_make(argument),
    }


def _found(values: Any) -> list[str]:
    return sorted(set(values))


def _minute(unix_seconds: float | None) -> str:
    """A point in time, in UTC, in a form that sorts."""
    return _time(unix_seconds, "%Y-%m-%d %H:%M")


def _day(unix_seconds: float | None) -> str:
    return _time(unix_seconds, "%Y-%m-%d")


def _time(unix_seconds: float | None, form: str) -> str:
    if unix_seconds is None:
        return formatting.MISSING
    try:
        return time.strftime(form, time.gmtime(unix_seconds))
    except (OverflowError, ValueError, OSError):
        return formatting.MISSING
