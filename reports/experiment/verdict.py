"""The outcome of an experiment in a few lines of plain text, for a terminal."""

from reports.experiment.certainty import how_sure
from reports.experiment.limits import sentence
from reports.experiment.report import ExperimentReport
from reports.page.words import count, factor

_MOST_LOADS = 8


def verdict_lines(report: ExperimentReport) -> list[str]:
    """What was done, how many sessions, what more workers buy, where it stops, and what to know besides."""
    answers = [how_many_sessions(report), what_more_workers_buy(report), where_it_stops(report)]
    if report.loads is not None:
        answers = [f"{each[:1].upper()}{each[1:]}" for each in report.loads.takeaways[:_MOST_LOADS]]
    if report.faults is not None:
        answers += report.faults.takeaways
    return [
        what_was_done(report),
        *(f"  {answer}" for answer in answers if answer),
        *(f"  note: {notice}" for notice in report.notices),
    ]


def what_was_done(report: ExperimentReport) -> str:
    """`COMPLETED: 32 of 32 cells done, 1 of them not valid` or `CUT SHORT: …`."""
    progress = report.progress
    outcome = "COMPLETED" if report.complete else "CUT SHORT"
    parts = [f"{progress.completed:,} of {count(progress.cells, 'cell')} done"]
    if progress.invalid:
        parts.append(f"{progress.invalid:,} of them not valid")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.pending:
        parts.append(f"{progress.pending:,} still to run")
    return f"{outcome}: {', '.join(parts)}"


def how_many_sessions(report: ExperimentReport) -> str:
    """The largest number of sessions within the objective, in a sentence."""
    if report.capacity:
        found = report.capacity
        if not found["sessions"]:
            return f"Sessions: no batch met the objective. {sentence(found['explanation'])}"
        cores = found["cores"]
        each = f", {factor(found['sessions'] / cores)} per core" if cores else ""
        at_least = "at least " if found["lower_bound"] else ""
        return (
            f"Sessions: {at_least}{found['sessions']:,}{each}; {', '.join(how_sure(found))}. "
            f"{sentence(found['explanation'])}"
        )
    best = report.max_batch.best
    if best is None or best.max_batch is None:
        return "Sessions: no load that was tried met the objective."
    each = f", {factor(best.per_core)} per core" if best.per_core is not None else ""
    others = sum(row.max_batch == best.max_batch for row in report.max_batch.rows) - 1
    too = f", as did {count(others, 'other')}" if others else ""
    if best.lower_bound:
        beyond = "that was the largest load tried, so it may hold more"
    elif best.first_missed:
        beyond = f"{best.first_missed:,} missed it"
    else:
        beyond = "nothing larger was tried"
    return f"Sessions: {best.label} held {best.max_batch:,} within the objective{each}{too}; {beyond}."


def what_more_workers_buy(report: ExperimentReport) -> str:
    """What more workers and replicas bring, in a sentence or two; empty where only one size was tried."""
    main = report.speedup.main
    sizes = {(group.replicas, group.workers) for group in report.groups}
    if len(sizes) < 2:
        return ""
    if main is None:
        return f"More workers: {report.speedup.takeaways[0]}"
    return f"More workers: {' '.join(main.takeaways[:3])}"


def where_it_stops(report: ExperimentReport) -> str:
    """Where the fastest group stops and what was busy there, in a sentence or two."""
    if report.capacity:
        return f"What to do: {sentence(report.capacity['remedy'])}" if report.capacity["remedy"] else ""
    return f"Limit: {report.bottleneck.takeaways[0]}"
