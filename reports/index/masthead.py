"""The first screen of a results folder's page: the answers to four questions."""

from collections import Counter
from dataclasses import replace

from reports.index.entries import Entry
from reports.index.report import Index
from reports.index.trends import LEAST_RUNS, Trend
from reports.page import formatting
from reports.page.parts import Answer, Question
from reports.page.words import count, signed_percent

_LAST = Question("How did the last one go?", "entries", "All results")
_SHIFTED = Question("Has anything shifted?", "trends", "Trends")
_WHAT = Question("What is here?", "entries", "All results")
_READ = Question("Could all be read?", "entries", "All results")
_UNREAD = replace(_READ, section="unread", more="Not read")

STATES = {
    "passed": "good",
    "failed": "bad",
    "cut short": "caution",
    "invalid": "caution",
    "no report": "unknown",
    "completed": "good",
    "faster": "good",
    "slower": "bad",
    "no difference shown": "unknown",
    "no shift shown": "unknown",
    "too few runs": "unknown",
}
"""The mark of each verdict."""


def headline(index: Index) -> str:
    return count(len(index.entries), "result")


def facts(index: Index) -> list[str]:
    """The folder, and from when to when its results are."""
    known = [entry.at for entry in index.entries if entry.at is not None]
    when = [f"{formatting.moment(min(known))} to {formatting.moment(max(known))}"] if known else []
    return [*when, *([f"tags: {', '.join(names)}"] if (names := tags(index)) else [])]


def tags(index: Index) -> list[str]:
    """All tags, in order."""
    return sorted({tag for entry in index.entries for tag in entry.tags})


def answers(index: Index) -> list[Answer]:
    """How the last one went, whether anything has shifted, what is here, and what could not be read."""
    return [_last(index.entries), _shifted(index.trends), _what(index.entries), _unread(index)]


def _last(entries: list[Entry]) -> Answer:
    last = next((entry for entry in entries if entry.kind in ("run", "experiment")), None)
    if last is None:
        return _LAST.answer("None yet", "unknown", [("to begin", "run a load test")])
    figures = last.figures
    facts = [
        (last.kind, last.path),
        ("when", formatting.moment(last.at)),
        ("steps/s", formatting.significant(figures.throughput_steps_per_s)),
        ("p50 / p99", f"{formatting.seconds(figures.p50)} / {formatting.seconds(figures.p99)}"),
    ]
    return _LAST.answer(last.verdict.capitalize(), STATES[last.verdict], facts)


def _shifted(trends: list[Trend]) -> Answer:
    shifted = [trend for trend in trends if trend.shifts]
    enough = [trend for trend in trends if len(trend.runs) >= LEAST_RUNS]
    facts = [("configurations", f"{len(enough):,} with at least {LEAST_RUNS} runs")]
    if shifted:
        newest = max(shifted, key=lambda trend: trend.last_shifts[0].entry.at or 0.0)
        shift = newest.last_shifts[0]
        facts += [
            ("of these", f"{len(shifted):,} shifted"),
            ("the newest", f"{shift.change.metric} {signed_percent(shift.change.change or 0.0)}"),
            ("since", shift.entry.path),
        ]
    slower = sum(trend.verdict == "slower" for trend in trends)
    faster = sum(trend.verdict == "faster" for trend in trends)
    return _SHIFTED.decide(
        facts,
        (slower, f"{slower:,} slower", "bad"),
        (faster, f"{faster:,} faster", "good"),
        (enough, "Not shown", "unknown"),
        (True, "Too few runs", "unknown"),
    )


def _what(entries: list[Entry]) -> Answer:
    kinds = Counter(entry.kind for entry in entries)
    verdicts = Counter(entry.verdict for entry in entries if entry.kind == "run")
    runs = ", ".join(f"{number:,} {verdict}" for verdict, number in verdicts.most_common())
    facts = [
        ("experiments", formatting.count(kinds["experiment"])),
        ("comparisons", formatting.count(kinds["comparison"])),
        *([("calibrations", formatting.count(found))] if (found := kinds["calibration"]) else []),
        *([("of the runs", runs)] if runs else []),
    ]
    return _WHAT.answer(count(kinds["run"], "run"), "", facts)


def _unread(index: Index) -> Answer:
    if not index.unread:
        return _READ.answer("Everything", "good", [("not read", "nothing")])
    first = index.unread[0]
    why = formatting.shortened(f"{first.path}: {first.reason}", 80)
    facts = [("not read", count(len(index.unread), "folder")), ("the first", why)]
    return _UNREAD.answer("Not all", "caution", facts)
