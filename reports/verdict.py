"""The outcome of a run in a few lines of plain text, for a terminal."""

from reports.run_report import RunReport
from reports.words import count, seconds, share


def passed(report: RunReport) -> bool:
    """Whether the run went to its end and met its objective."""
    return report.slo.passed and report.run["status"] == "completed"


def verdict_lines(report: RunReport) -> list[str]:
    """Whether the run passed, how fast it was, how it was spread, and whether the figures can be trusted."""
    totals, distribution, isolation = report.totals, report.distribution, report.isolation
    outcome = "PASSED" if passed(report) else "CUT SHORT" if report.slo.passed else "FAILED"
    speed = f"{totals.throughput_steps_per_s:,.1f} steps/s with {count(totals.sessions, 'session')}"
    success = f"{share(totals.success_rate)} of {count(totals.operations, 'operation')} succeeded"
    lines = [f"{outcome}: {speed}, {success}"]
    step = report.latency.summaries.get("step")
    if step:
        lines.append(
            f"  step latency: median {seconds(step.p50)}, p99 {seconds(step.p99)}, max {seconds(step.max)}"
        )
    lines += [f"  {criterion.sentence}" for criterion in report.slo.criteria if not criterion.passed]
    lines += [f"  {takeaway}" for takeaway in distribution.takeaways[:1]]
    if isolation.violations:
        lines += [f"  {takeaway}" for takeaway in isolation.takeaways]
    lines += [f"  note: {notice}" for notice in report.notices]
    return lines
