"""An experiment in Markdown, for the summary of a CI job: how far it came, the answers, the largest loads."""

from collections.abc import Iterator
from pathlib import Path

from reports.experiment.masthead import answers, facts, headline
from reports.experiment.report import ExperimentReport
from reports.experiment.verdict import what_was_done
from reports.outputs.bars import Bar, bars
from reports.outputs.markdown import answers_table, bullets, code_block, document, escaped, paragraph
from reports.page.words import count

_MOST_BARS = 24


def summary(report: ExperimentReport, page: Path) -> str:
    """The summary; `page` is where the report is."""
    return document(
        [
            f"## {escaped(headline(report))}",
            f"**{escaped(what_was_done(report).capitalize())}**",
            paragraph(" · ".join(facts(report))),
            answers_table(answers(report)),
            *_largest(report),
            *(["**To know**", bullets(report.notices)] if report.notices else []),
            f"Report: {escaped(str(page))}",
        ]
    )


def _largest(report: ExperimentReport) -> Iterator[str]:
    rows = [row for row in report.max_batch.rows if row.largest_tried is not None]
    if report.capacity or report.loads is not None or not rows:
        return
    yield "**Sessions held within the objective**"
    shown = [
        Bar(row.label, row.max_batch or 0, f"{'≥ ' if row.lower_bound else ''}{row.max_batch or 0:,}")
        for row in rows[:_MOST_BARS]
    ]
    yield code_block(bars(shown))
    if len(rows) > _MOST_BARS:
        yield f"{count(len(rows) - _MOST_BARS, 'further deployment')} in the report."
