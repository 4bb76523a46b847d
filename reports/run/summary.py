"""A run in Markdown, for the summary of a CI job: the verdict, why, the figures, two pictures as text."""

from collections.abc import Iterator
from pathlib import Path

from reports.outputs.bars import Bar, bars
from reports.outputs.markdown import answers_table, bullets, code_block, document, escaped, paragraph
from reports.page import formatting
from reports.page.words import count, seconds
from reports.run.masthead import answers, facts, headline
from reports.run.report import RunReport
from reports.run.sections.distribution import ReplicaShare, WorkerShare
from reports.run.sections.latency import Summary
from reports.run.verdict import main_error, outcome

_MOST_BARS = 16
_PERCENTILES = ("p50", "p90", "p95", "p99", "p999")


def summary(report: RunReport, page: Path) -> str:
    """The summary; `page` is where the report is."""
    return document(
        [
            f"## Load test {outcome(report)}: {escaped(headline(report.run))}",
            paragraph(" · ".join(facts(report))),
            bullets(_why(report)),
            answers_table(answers(report)),
            *_faults(report),
            *_latency(report),
            *_distribution(report),
            *_notes(report),
            f"Report: {escaped(str(page))}",
        ]
    )


def _why(report: RunReport) -> list[str]:
    """What speaks against the run."""
    reasons = [criterion.sentence for criterion in report.slo.criteria if not criterion.passed]
    reasons += [line.strip() for line in main_error(report)]
    return list(dict.fromkeys([*reasons, *(reason.message for reason in report.validity.reasons)]))


def _faults(report: RunReport) -> Iterator[str]:
    if report.faults is not None:
        yield "**Faults**"
        yield bullets(report.faults.takeaways)


def _latency(report: RunReport) -> Iterator[str]:
    name = "step" if report.totals.batch_users is None else "total"
    found: Summary | None = report.latency.summaries.get(name)
    if found is None:
        return
    what = f"**Latency** of {count(found.count, 'step')}"
    yield what if name == "step" else f"{what}, connect and reset included"
    rows = [(_percentile(each), getattr(found, each)) for each in _PERCENTILES]
    yield code_block(
        bars([Bar(label, value, seconds(value)) for label, value in [*rows, ("max", found.max)]])
    )


def _percentile(name: str) -> str:
    return "p99.9" if name == "p999" else name


def _distribution(report: RunReport) -> Iterator[str]:
    spread = report.distribution
    parts = spread.workers or spread.replicas
    if not parts:
        yield "**Distribution**"
        yield bullets(spread.takeaways[:1])
        return
    noun = "worker" if spread.workers else "replica"
    loads = [getattr(part, spread.unit) for part in parts]
    fair = formatting.significant(sum(loads) / len(loads))
    named = " (name, pid)" if spread.workers else ""
    yield f"**{spread.unit.capitalize()} per {noun}**{named}, a fair share is {fair}"
    shown, left_out = list(zip(parts, loads, strict=True)), 0
    if len(shown) > _MOST_BARS:
        shown.sort(key=lambda both: -both[1])
        left_out = len(shown) - _MOST_BARS
        shown[_MOST_BARS // 2 : -_MOST_BARS // 2] = []
    yield code_block(bars([Bar(_who(part), load, f"{load:,}") for part, load in shown]))
    if left_out:
        half = _MOST_BARS // 2
        yield f"The {half} with the most and the {half} with the least; {left_out:,} lie between them."


def _who(part: ReplicaShare) -> str:
    if not isinstance(part, WorkerShare):
        return part.name
    return f"{part.name} {'idle' if part.idle else 'no pid' if part.pid is None else part.pid}"


def _notes(report: RunReport) -> Iterator[str]:
    said = report.validity.reasons
    if notes := [warning.message for warning in report.validity.warnings if warning not in said]:
        yield "**To know**"
        yield bullets(notes)
