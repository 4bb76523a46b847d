"""A comparison in Markdown, for the summary of a CI job: the verdict, what is worse, the figures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from reports.comparison.masthead import answers, bounds, facts, headline
from reports.comparison.regressions import Regression
from reports.comparison.report import Comparison
from reports.comparison.rows import Row
from reports.comparison.sections.changes import Change
from reports.outputs.bars import Bar, bars
from reports.outputs.markdown import answers_table, bullets, code_block, document, escaped, table
from reports.page import formatting
from reports.page.words import count, seconds

_MOST_ROWS = 50
_ORDER = ("slower", "faster", "no difference shown")


def summary(comparison: Comparison, regressions: Sequence[Regression] | None, page: Path) -> str:
    """The summary; `page` is where the report is. No `regressions`: nobody asked for them."""
    found = answers(comparison)
    verdict = found[0].verdict
    if regressions is not None:
        verdict = count(len(regressions), "regression") if regressions else "No regression"
    return document(
        [
            f"## {escaped(verdict)}. {escaped(headline(comparison))}",
            bullets(facts(comparison)),
            *(["**Worse in B**", bullets(each.sentence for each in regressions)] if regressions else []),
            answers_table(found),
            *(_figures(comparison.rows[0]) if comparison.of == "runs" else _rows(comparison)),
            *(["**To know**", bullets(comparison.notices)] if comparison.notices else []),
            f"Report: {escaped(str(page))}",
        ]
    )


def _figures(row: Row) -> Iterator[str]:
    """The figures of two runs, and their latencies as bars."""
    success = row.success
    rows = [
        [change.metric, _value(change, change.a), _value(change, change.b), bounds(change)]
        for change in row.changes
    ]
    rows.append(["success", formatting.percent(success.a), formatting.percent(success.b), success.verdict])
    yield table(["figure", "A", "B", "change"], ([escaped(cell) for cell in line] for line in rows))
    latencies = [
        Bar(f"{change.metric} {side}", value, seconds(value))
        for change in row.changes
        if change.metric != "throughput"
        for side, value in (("A", change.a), ("B", change.b))
        if value is not None
    ]
    if latencies:
        yield "**Latency**"
        yield code_block(bars(latencies))


def _value(change: Change, value: float | None) -> str:
    return formatting.rate(value) if change.metric == "throughput" else formatting.seconds(value)


def _rows(comparison: Comparison) -> Iterator[str]:
    """The cells of two experiments, the slower ones first."""
    rows = sorted(comparison.rows, key=lambda row: _ORDER.index(row.verdict))
    metrics = [change.metric for change in rows[0].changes] if rows else []
    yield table(
        ["cell", "verdict", *metrics],
        (
            [
                escaped(cell)
                for cell in (row.name, row.verdict, *(formatting.signed(each.change) for each in row.changes))
            ]
            for row in rows[:_MOST_ROWS]
        ),
    )
    if len(rows) > _MOST_ROWS:
        yield f"{count(len(rows) - _MOST_ROWS, 'further cell')} in the report."
