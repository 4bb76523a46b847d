"""The report of an experiment as one self-contained HTML page. It shows result objects, computes nothing."""

from urllib.parse import quote

from reports.experiment import figures, masthead
from reports.experiment.groups import transport_name
from reports.experiment.limits import sentence
from reports.experiment.report import ExperimentReport
from reports.page import formatting, palette, parts
from reports.page.parts import Drawing, drawn
from reports.page.words import listing
from reports.records.schema import ExperimentConfig

_SECTIONS = {
    "capacity": "Capacity",
    "loads": "Throughput, latency and goodput",
    "faults": "Faults",
    "growth": "Throughput and latency",
    "speedup": "Workers and replicas",
    "law": "Scalability law",
    "sessions": "Largest batch",
    "success": "Success rate",
    "breakdown": "Where the time goes",
    "heat": "Latency at each load",
    "fairness": "Fairness",
    "plan": "Capacity plan",
    "cells": "All cells",
    "configuration": "Configuration",
}
_OF_A_SCALING_EXPERIMENT = tuple(each for each in _SECTIONS if each not in ("capacity", "loads", "faults"))
_OF_A_SWEEP = ("loads", "fairness", "cells", "configuration")
"""Of rates or groups of rollouts in place of users."""
_OF_A_CAPACITY_SEARCH = (
    "capacity", "growth", "law", "success", "breakdown", "sessions", "plan", "cells", "configuration",
)  # fmt: skip
_FAR = 10.0
"""A plan that reaches this many times beyond the largest load measured is a guess."""


def render(report: ExperimentReport) -> str:
    """The page of an experiment. The same report always gives the same bytes."""
    shown = _OF_A_CAPACITY_SEARCH if report.capacity else _OF_A_SCALING_EXPERIMENT
    if report.loads is not None and not report.capacity:
        shown = _OF_A_SWEEP
    return parts.render(
        "experiment",
        {each: _SECTIONS[each] for each in _with_faults(shown, report)},
        {
            "sentence": sentence,
            "gain": masthead.percent_gained,
            "reach": _reach,
            "run_path": _run_path,
            "transport": transport_name,
            "shades": palette.shades,
        },
        report=report,
        headline=masthead.headline(report),
        facts=masthead.facts(report),
        answers=masthead.answers(report),
        drawings=_drawings(report),
        config=_config(report),
        machine=parts.machine_facts(report.experiment["machine"]),
        far=_FAR,
        reported={cell.run_id for cell in report.cells if cell.has_report},
        missed=masthead.MISSED,
        most_lines=figures.MOST_LINES,
    )


def _with_faults(shown: tuple[str, ...], report: ExperimentReport) -> tuple[str, ...]:
    """The sections with that on faults after the first, where there were any."""
    return shown if report.faults is None else (*shown[:1], "faults", *shown[1:])


def _drawings(report: ExperimentReport) -> dict[str, Drawing]:
    wanted = report.experiment["config"]["slo"]["success_rate"]
    growth, law = report.growth, report.usl
    points = [point for group in growth.groups for point in group.points]
    drawings: dict[str, Drawing] = {}
    if report.capacity and report.capacity["tries"]:
        drawings["tries"] = drawn(figures.capacity_tries, report.capacity, wanted)
    if report.loads is not None:
        drawings["hockey"] = drawn(figures.hockey_stick, report.loads)
        drawings["goodput"] = drawn(figures.goodput, report.loads)
    if any(point.throughput.known and point.throughput.median > 0 for point in points):
        drawings["throughput"] = drawn(figures.throughput, growth)
    if any(point.step_p50.known or point.total_p99.known for point in points):
        drawings["latency"] = drawn(figures.latency, growth)
    if any(point.success_rate.known for point in points):
        drawings["success"] = drawn(figures.success, growth, wanted)
    if any(len(family.rows) > 1 for family in report.speedup.families):
        drawings["speedup"] = drawn(figures.speedup, report.speedup)
    if any(each.fit for each in law.groups):
        drawings["law"] = drawn(figures.laws, "law", law.groups, "users")
    if any(each.fit for each in law.workers):
        drawings["workers_law"] = drawn(figures.laws, "workers-law", law.workers, "workers")
    if report.breakdown.rows:
        drawings["breakdown"] = drawn(figures.breakdown, report.breakdown)
    for comparison in report.fairness.comparisons:
        if comparison.choices:
            name = f"fairness-{comparison.kind}"
            drawings[f"fairness_{comparison.kind}"] = drawn(figures.fairness, name, comparison)
    return drawings


def _config(report: ExperimentReport) -> list[tuple[str, str]]:
    config = report.experiment["config"]
    limit, duration = config["slo"]["total_p99_s"], config["duration_s"]
    users = sorted({cell["users"] for cell in report.experiment["cells"]})
    known = [
        ("scenario", "batch: all at once" if config["scenario"] == "batch" else "sustained"),
        *((f"target {name}", what) for name, what in config["targets"].items()),
        ("users", listing([formatting.count(each) for each in users]) if users else "none"),
        ("repetitions", formatting.count(config["repetitions"])),
        ("seed of the order", str(config["seed"])),
        ("duration of a cell", formatting.duration(duration) if duration else "until done"),
        ("success rate required", formatting.limit(config["slo"]["success_rate"])),
        ("p99 of total required", formatting.seconds(limit) if limit else "2 × (wait + 0.5 s)"),
        *(("sent", each) for each in report.sent),
        *parts.tags(config),
    ]
    return parts.settings(known, config, ExperimentConfig)


def _run_path(run_id: str) -> str:
    return f"runs/{quote(run_id, safe='')}/report.html"


def _reach(reach: float) -> str:
    return "within the data" if reach <= 1 else f"{formatting.significant(reach, 2)}× the largest load"
