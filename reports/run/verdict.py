"""The outcome of a run in a few lines of plain text, for a terminal."""

from reports.page.formatting import plain
from reports.page.words import count, seconds, share
from reports.run.outcome import FAULTS, Outcome, outcome_of
from reports.run.report import RunReport
from reports.run.sections.faults import faults_in_words
from reports.run.sections.validity import DOUBTS


def outcome(report: RunReport) -> Outcome:
    """Whether the run passed; invalid if its figures say nothing of the deployment."""
    codes = {reason.code for reason in report.validity.reasons}
    return outcome_of(report.run["status"], report.passed, report.slo.passed, codes)


def verdict_lines(report: RunReport) -> list[str]:
    """Whether the run passed, how fast it was, how it was spread, and whether the figures can be trusted.

    The first line says why, where the objective was met and the run has not passed all the same.
    """
    totals, distribution, isolation = report.totals, report.distribution, report.isolation
    word = outcome(report).upper()
    reasons = sorted(report.validity.reasons, key=lambda reason: reason.code not in FAULTS)
    if not report.slo.passed or (word == "CUT SHORT" and report.run["status"] != "failed"):
        reasons = []
    over_ws = report.run["config"]["transport"] == "ws"
    load = count(totals.sessions, "session") if over_ws else count(totals.users, "user")
    speed = f"{totals.throughput_steps_per_s:,.1f} steps/s with {load}"
    success = f"{share(totals.success_rate)} of {count(totals.operations, 'operation')} succeeded"
    name, latency = "step latency", report.latency.summaries.get("step")
    if totals.batch_users is not None:
        speed = f"batch of {count(totals.batch_users, 'session' if over_ws else 'user')} "
        speed += f"in {seconds(totals.duration_s)}"
        success = f"{totals.batch_succeeded:,} of them {'connected, ' if over_ws else ''}reset and stepped"
        name, latency = "total time", report.latency.summaries.get("total")
    if broken := faults_in_words(report.run):
        word = f"{word} with {broken}"
    lines = [f"{word}: {speed}, {success}"]
    if reasons:
        lines = [f"{word}: {reasons[0].message}", f"  {speed}, {success}"]
    if latency:
        times = f"median {seconds(latency.p50)}, p99 {seconds(latency.p99)}, max {seconds(latency.max)}"
        lines.append(f"  {name}: {times}")
    lines += [f"  {line}" for line in _episodes(report)]
    lines += [f"  {criterion.sentence}" for criterion in report.slo.criteria if not criterion.passed]
    lines += [f"  {line}" for line in main_error(report)]
    lines += [f"  {takeaway}" for takeaway in (report.faults.takeaways if report.faults else [])]
    lines += [f"  {takeaway}" for takeaway in distribution.takeaways[:1]]
    if isolation.violations:
        lines += [f"  {takeaway}" for takeaway in isolation.takeaways]
    said = {"isolation_violated", *(["users_shut_out"] if _too_many_failed(report) else [])}
    lines += [f"  doubtful: {doubt.message}" for doubt in report.validity.doubts]
    lines += [
        f"  note: {warning.message}"
        for warning in report.validity.warnings
        if warning.code not in {*said, *DOUBTS} and warning not in reasons[:1]
    ]
    return lines


def _episodes(report: RunReport) -> list[str]:
    played = report.episodes
    if played is None:
        return []
    median = f"median {plain(played.steps.p50)} steps in {seconds(played.duration_s.p50)}"
    reward = f", mean reward {plain(played.reward.mean)}" if played.reward else ""
    return [f"episodes: {played.finished:,} finished, {median}{reward}"]


def main_error(report: RunReport) -> list[str]:
    """The most frequent error and what to do about it, where too many operations failed."""
    if not _too_many_failed(report) or not report.errors.groups:
        return []
    example = report.errors.groups[0].example
    return [*report.errors.takeaways[1:2], *([f"for example: {example}"] if example else [])]


def _too_many_failed(report: RunReport) -> bool:
    return any(each.name == "success_rate" and not each.passed for each in report.slo.criteria)
