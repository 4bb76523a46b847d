"""A run as a suite of tests: a case for each criterion of its objective, for isolation and for validity."""

from reports.outputs.junit import Case, Result, Suite
from reports.page import formatting
from reports.page.words import printable
from reports.run.masthead import headline
from reports.run.outcome import FAULTS
from reports.run.report import RunReport
from reports.run.sections.slo import Criterion

_NAMES = {"success_rate": "success rate", "total_p99_s": "p99 of total time"}
_MOST_ERRORS = 10


def suite(report: RunReport) -> Suite:
    """The suite of a run; it passes where the run has passed."""
    machine = report.run["machine"]
    return Suite(
        name=f"load test: {headline(report.run)}",
        of="run",
        cases=[
            *(_criterion(criterion, report) for criterion in report.slo.criteria),
            _isolation(report),
            _validity(report),
        ],
        started_at=report.run["started_at"],
        duration_s=report.totals.duration_s,
        hostname=str(machine.get("hostname", "")),
        properties=_figures(report),
    )


def _criterion(criterion: Criterion, report: RunReport) -> Case:
    name = _NAMES.get(criterion.name, criterion.name)
    if criterion.passed:
        return Case(name, sentences=[criterion.sentence])
    errors = report.errors.groups[:_MOST_ERRORS] if criterion.name == "success_rate" else []
    examples = [
        f"{group.count:,} × {group.op} {group.category}" + (f": {group.example}" if group.example else "")
        for group in errors
    ]
    return Case(name, "failure", [criterion.sentence, *map(printable, examples)], criterion.name)


def _isolation(report: RunReport) -> Case:
    isolation = report.isolation
    if isolation.violations:
        return Case("isolation", "failure", [*isolation.takeaways, *isolation.examples], "isolation_violated")
    if not isolation.sessions_checked:
        return Case("isolation", "skipped", isolation.takeaways, "not_checked")
    return Case("isolation", sentences=isolation.takeaways)


def _validity(report: RunReport) -> Case:
    """What else makes a run invalid: a failure where the deployment is to blame, else an error."""
    reasons = [reason for reason in report.validity.reasons if reason.code != "isolation_violated"]
    reasons.sort(key=lambda reason: reason.code not in FAULTS)
    notes = [
        f"note: {warning.message}"
        for warning in report.validity.warnings
        if warning not in report.validity.reasons
    ]
    if not reasons:
        return Case("validity", sentences=notes)
    result: Result = "failure" if reasons[0].code in FAULTS else "error"
    return Case("validity", result, [*(reason.message for reason in reasons), *notes], reasons[0].code)


def _figures(report: RunReport) -> dict[str, str]:
    totals, summaries = report.totals, report.latency.summaries
    figures = {
        "run_id": report.run["run_id"],
        "status": report.run["status"],
        "sessions": str(totals.sessions),
        "operations": str(totals.operations),
        "failures": str(totals.failures),
        "throughput_steps_per_s": formatting.text(totals.throughput_steps_per_s),
    }
    for name in ("step", "overhead", "total"):
        if found := summaries.get(name):
            figures |= {
                f"{name}_p50_s": formatting.text(found.p50),
                f"{name}_p99_s": formatting.text(found.p99),
            }
    return figures
