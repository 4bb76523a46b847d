"""The report of an experiment as one self-contained HTML page. It shows result objects, computes nothing."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from urllib.parse import quote

import numpy as np

from reports.experiment import figures
from reports.experiment.certainty import how_sure
from reports.experiment.groups import transport_name
from reports.experiment.limits import sentence
from reports.experiment.report import ExperimentReport
from reports.experiment.sections.heat import Floats, Heat
from reports.experiment.sections.max_batch import MaxBatch
from reports.experiment.sections.speedup import Family, Gain, SpeedupRow
from reports.page import formatting, parts
from reports.page.drawing import WIDE
from reports.page.parts import ENDINGS, Answer, Drawing, drawn, limit_share, plural
from reports.page.words import TRANSPORTS, listing, power_of_ten
from reports.records.schema import CapacityJson, ExperimentConfig

_SECTIONS = {
    "capacity": "Capacity",
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
_OF_A_SCALING_EXPERIMENT = tuple(each for each in _SECTIONS if each != "capacity")
_OF_A_CAPACITY_SEARCH = (
    "capacity", "growth", "law", "success", "breakdown", "sessions", "plan", "cells", "configuration",
)  # fmt: skip
_MISSED = {
    "success_rate": "success rate",
    "total_p99_s": "p99 of total",
    "both": "success rate and p99 of total",
}
_LIMITS = {
    "errors": "Errors",
    "latency": "Latency",
    "open_files": "Open files",
    "generator": "Load generator",
    "cap": "Not reached",
    "time": "Time ran out",
}
_STRONGEST_SHADE = 0.42
"""Of a heat map's cell: its words must still read well, 4.5 : 1, on both themes."""
_FAR = 10.0
"""A plan that reaches this many times beyond the largest load measured is a guess."""


def render(report: ExperimentReport) -> str:
    """The page of an experiment. The same report always gives the same bytes."""
    templates = parts.environment()
    templates.filters.update(
        sentence=sentence,
        wait=formatting.wait,
        gain=_gain,
        times=_times,
        reach=_reach,
        run_path=_run_path,
        transport=transport_name,
        coefficient=_coefficient,
        rounded_percent=_rounded_percent,
        plural=plural,
    )
    return templates.get_template("experiment.html").render(
        report=report,
        folder="experiment",
        titles=_titles(report),
        headline=_headline(report),
        facts=_facts(report),
        answers=_answers(report),
        drawings=_drawings(report),
        config=_config(report),
        machine=parts.machine_facts(report.experiment["machine"]),
        shades=_shades(report.heat),
        far=_FAR,
        reported={cell.run_id for cell in report.cells if cell.has_report},
        missed=_MISSED,
        most_lines=figures.MOST_LINES,
        limits=_LIMITS,
        **parts.page_parts(),
    )


def _titles(report: ExperimentReport) -> list[tuple[str, str]]:
    chosen = _OF_A_CAPACITY_SEARCH if report.capacity else _OF_A_SCALING_EXPERIMENT
    return [(each, _SECTIONS[each]) for each in chosen]


def _headline(report: ExperimentReport) -> str:
    users = sorted({cell["users"] for cell in report.experiment["cells"]})
    if report.experiment["purpose"] == "capacity":
        return f"Capacity of {_deployments(report)}"
    if not users:
        return f"Scaling of {_deployments(report)}"
    loads = f"{formatting.count(users[0])} to {plural(users[-1], 'user')}"
    return f"{_deployments(report)} under {loads if len(users) > 1 else plural(users[0], 'user')}"


def _deployments(report: ExperimentReport) -> str:
    if len(report.groups) == 1:
        group = report.groups[0]
        if group.replicas is None:
            return group.deployment
        workers = f" × {plural(group.workers, 'worker')}" if group.workers else ""
        return f"{plural(group.replicas, 'replica')}{workers}"
    deployments = {(g.deployment, g.replicas, g.workers, g.balancing, g.reuse_port) for g in report.groups}
    return plural(len(deployments), "deployment")


def _facts(report: ExperimentReport) -> list[str]:
    experiment, config, progress = report.experiment, report.experiment["config"], report.progress
    ended_at = experiment["ended_at"]
    ended = "no end recorded" if ended_at is None else f"ended {formatting.moment(ended_at)}"
    of_all = f"{formatting.count(progress.completed)} of {plural(progress.cells, 'cell')} done"
    scenario = "batches" if config["scenario"] == "batch" else "sustained load"
    if config["scenario"] == "sustained" and config["duration_s"]:
        scenario += f" of {formatting.duration(config['duration_s'])} a cell"
    facts = [f"begun {formatting.moment(experiment['started_at'])}", ended, of_all, scenario, *_swept(report)]
    if experiment["purpose"] == "capacity":
        return facts
    if config["repetitions"] > 1:
        facts.append(plural(config["repetitions"], "repetition"))
    return [*facts, f"order from seed {config['seed']}"]


def _swept(report: ExperimentReport) -> list[str]:
    groups = report.groups
    facts = []
    replicas = sorted({group.replicas for group in groups if group.replicas is not None})
    workers = sorted({group.workers for group in groups if group.workers is not None})
    if len(groups) > 1 and replicas and workers:
        facts.append(f"{_sizes(replicas, 'replica')} × {_sizes(workers, 'worker')}")
    waits = sorted({group.wait for group in groups}, key=_as_number)
    if report.sent:
        facts += report.sent
    elif len(waits) <= 4:
        facts += [f"wait {listing([formatting.wait(wait) for wait in waits])} a step"] if waits else []
    for values in (
        {TRANSPORTS[group.transport] for group in groups},
        {group.balancing for group in groups if group.balancing},
    ):
        if values:
            facts.append(listing(sorted(values)))
    return facts


def _sizes(sizes: list[int], noun: str) -> str:
    if len(sizes) == 1:
        return plural(sizes[0], noun)
    words = [formatting.count(size) for size in sizes]
    return f"{', '.join(words[:-1])} or {words[-1]} {noun}s"


def _answers(report: ExperimentReport) -> list[Answer]:
    if report.capacity:
        capacity = report.capacity
        return [_held(capacity), _sure(capacity), _limited(capacity), _trusted(report)]
    return [_sessions(report), _workers_buy(report), _stops(report), _trusted(report)]


def _sessions(report: ExperimentReport) -> Answer:
    question, section, more = "How many sessions?", "sessions", "Largest batch of each"
    best = report.max_batch.best
    if best is None or best.max_batch is None:
        tried = [row.largest_tried for row in report.max_batch.rows if row.largest_tried is not None]
        if not tried:
            return Answer(
                question, "Unknown", "unknown", [("measured", "nothing to judge by")], section, more
            )
        facts = [
            ("within the objective", "no load that was tried"),
            ("largest load tried", plural(max(tried), "user")),
        ]
        return Answer(question, "None", "bad", facts, section, more)
    facts = [("within the objective by", _named(best.label, report))]
    facts.append(
        ("per core", f"{formatting.significant(best.per_core)}, on {plural(best.cores, 'core')}")
        if best.per_core is not None and best.cores
        else ("per core", "unknown")
    )
    facts.append(("p99 of total there", formatting.seconds(best.total_p99_s)))
    facts.append(("limit", _limit_of(best)))
    verdict = f"{'at least ' if best.lower_bound else ''}{formatting.count(best.max_batch)}"
    return Answer(question, verdict, "", facts, section, more)


def _limit_of(row: MaxBatch) -> str:
    if row.lower_bound:
        return "beyond what was tried"
    return f"missed at {formatting.count(row.first_missed)}" if row.first_missed else "not tried beyond"


def _workers_buy(report: ExperimentReport) -> Answer:
    question, section, more = "What do more workers buy?", "speedup", "Speed-up"
    family = report.speedup.main
    if family is None:
        facts = [("measured", "nothing to compare")]
        if all(group.total_workers is None for group in report.groups):
            facts = [("replicas and workers", "unknown, behind a URL")]
        return Answer(question, "Unknown", "unknown", facts, section, more)
    if len(family.rows) < 2:
        only = [("sizes with figures", family.base_label), ("to find out", "try more workers or replicas")]
        return Answer(question, "Not tried", "unknown", only, section, more)
    top = family.largest
    name = f"{top.label} against {family.base_label}"
    if not family.saturated:
        facts = [
            (name, f"{_times(top.speedup)} throughput"),
            ("why", "no size had more users than it could serve"),
            ("to find out", "more users or a shorter wait"),
        ]
        return Answer(question, "Not shown", "caution", facts, section, more)
    facts = [
        (name, _between(top)),
        ("efficiency", _rounded_percent(top.efficiency)),
        ("stops paying", _stops_paying(family)),
    ]
    if family.fastest.label != top.label:
        facts.append(("fastest", f"{family.fastest.label}, {_times(family.fastest.speedup)}"))
    return Answer(question, f"{_times(top.speedup)} throughput", "", facts, section, more)


def _between(row: SpeedupRow) -> str:
    if row.speedup_high > row.speedup_low:
        return f"{_times(row.speedup_low)} to {_times(row.speedup_high)}"
    return _times(row.speedup)


def _stops_paying(family: Family) -> str:
    first = next((gain for gain in family.gains if not gain.pays), None)
    if first is None:
        return "not within what was tried"
    noun = first.axis.removesuffix("s")
    spread = ", within the spread" if first.within_spread else ""
    return f"{noun} {first.smaller} → {first.larger}: {_gain(first)}{spread}"


def _stops(report: ExperimentReport) -> Answer:
    question, section, more = "Where does it stop?", "growth", "Throughput and latency"
    main = report.bottleneck.main
    if main is None:
        return Answer(question, "Unknown", "unknown", [("measured", "nothing to judge by")], section, more)
    facts = [("best throughput", f"{_named(main.label, report)}, {plural(main.peak_users or 0, 'user')}")]
    if main.first_miss_users is not None:
        why = _MISSED[main.first_miss_criterion] if main.first_miss_criterion else "objective"
        facts.append(("objective missed", f"from {plural(main.first_miss_users, 'user')}, by {why}"))
    else:
        facts.append(("objective missed", _missed_by_others(report)))
    facts.append(("failed there" if main.limit.failed else "busy there", main.limit.name))
    rate = f"{formatting.significant(main.peak_throughput)}{formatting.SPACE}steps/s"
    return Answer(question, rate, "", facts, section, more)


def _missed_by_others(report: ExperimentReport) -> str:
    """Who missed the objective where the fastest did not."""
    missed = [row for row in report.bottleneck.rows if row.first_miss_users is not None]
    if not missed:
        return "at no load that was tried"
    first = min(missed, key=lambda row: row.first_miss_users or 0)
    others = f"{formatting.count(len(missed))} of {formatting.count(len(report.groups))}"
    users = plural(first.first_miss_users or 0, "user")
    return f"not by this one; by {others}, first {_named(first.label, report)} from {users}"


def _held(capacity: CapacityJson) -> Answer:
    facts = []
    if capacity["cores"]:
        each = formatting.significant(capacity["sessions"] / capacity["cores"])
        facts.append(("per core", f"{each}, on {plural(capacity['cores'], 'core')}"))
    facts.append(("largest batch that met it", formatting.count(capacity["max_batch"])))
    cap = capacity["server_cap"]
    facts.append(
        ("server turned away beyond", formatting.count(cap) if cap is not None else "none turned away")
    )
    state = "" if capacity["sessions"] else "bad"
    at_least = "at least " if capacity["lower_bound"] else ""
    verdict = f"{at_least}{formatting.count(capacity['sessions'])}" if capacity["sessions"] else "None"
    return Answer("How many sessions?", verdict, state, facts, "capacity", "The search")


def _sure(capacity: CapacityJson) -> Answer:
    high = capacity["high"]
    sure, why = how_sure(capacity)
    facts = [
        ("how", why),
        ("met it every time", f"up to {formatting.count(capacity['low'])}"),
        ("missed it every time", f"from {formatting.count(high)}" if high is not None else "no batch"),
        ("tries", formatting.count(len(capacity["tries"]))),
    ]
    return Answer("How sure is that?", f"{sure[:1].upper()}{sure[1:]}", "", facts, "capacity", "All tries")


def _limited(capacity: CapacityJson) -> Answer:
    limit = _LIMITS.get(capacity["limit"], capacity["limit"])
    facts = [("why", capacity["explanation"]), ("to lift it", capacity["remedy"])]
    return Answer("What was hit first?", limit, "", facts, "capacity", "More")


def _trusted(report: ExperimentReport) -> Answer:
    progress, spread, widest = report.progress, report.growth.spread, report.growth.widest_spread
    repeated = report.experiment["config"]["repetitions"] > 1
    facts = [
        ("experiment", ENDINGS[report.experiment["status"]]),
        ("cells done", f"{formatting.count(progress.completed)} of {formatting.count(progress.cells)}"),
        ("failed / invalid", f"{formatting.count(progress.failed)} / {formatting.count(progress.invalid)}"),
        (
            "repetitions apart by",
            f"{formatting.percent(spread)} of throughput, {_rounded_percent(widest)} at most"
            if spread is not None and widest is not None
            else "unknown"
            if repeated
            else "nothing was repeated",
        ),
    ]
    if not progress.completed:
        verdict, state = "No data", "unknown"
    elif not report.complete:
        verdict, state = "Cut short", "caution"
    elif progress.failed or progress.invalid or report.notices:
        verdict, state = "With care", "caution"
    elif spread is None and not report.capacity:
        verdict, state = "Tried once", "caution"
    else:
        verdict, state = "No objection", "good"
    return Answer("Can I trust it?", verdict, state, facts, "cells", "All cells")


def _drawings(report: ExperimentReport) -> dict[str, Drawing]:
    wanted = report.experiment["config"]["slo"]["success_rate"]
    growth, law = report.growth, report.usl
    drawings: dict[str, Drawing] = {}

    def add(name: str, paint: Callable[[float], str], wide: float = WIDE) -> None:
        drawings[name] = drawn(paint, wide)

    if report.capacity and report.capacity["tries"]:
        capacity = report.capacity
        add("tries", lambda width: figures.capacity_tries(capacity, wanted, width))
    points = [point for group in growth.groups for point in group.points]
    if any(point.throughput.known and point.throughput.median > 0 for point in points):
        add("throughput", lambda width: figures.throughput(growth, width))
    if any(point.step_p50.known or point.total_p99.known for point in points):
        add("latency", lambda width: figures.latency(growth, width))
    if any(point.success_rate.known for point in points):
        add("success", lambda width: figures.success(growth, wanted, width))
    if any(len(family.rows) > 1 for family in report.speedup.families):
        add("speedup", lambda width: figures.speedup(report.speedup, width))
    if any(each.fit for each in law.groups):
        add("law", lambda width: figures.laws("law", law.groups, "users", width))
    if any(each.fit for each in law.workers):
        add("workers_law", lambda width: figures.laws("workers-law", law.workers, "workers", width))
    if report.breakdown.rows:
        add("breakdown", lambda width: figures.breakdown(report.breakdown, width))
    for comparison in report.fairness.comparisons:
        if comparison.choices:
            name = f"fairness-{comparison.kind}"
            add(f"fairness_{comparison.kind}", partial(figures.fairness, name, comparison))
    return drawings


def _shades(heat: Heat) -> dict[str, list[list[str]]]:
    """How strongly each cell of a heat map is coloured, as CSS percentages: on a log scale of its values."""
    return {name: _shades_of(values) for name, values in (("step", heat.step_p99), ("total", heat.total_p99))}


def _shades_of(values: Floats) -> list[list[str]]:
    known = values[np.isfinite(values) & (values > 0)]
    low, high = (float(known.min()), float(known.max())) if known.size else (1.0, 1.0)
    span = max(math.log(high / low), math.log(2))

    def shade(value: float) -> str:
        if not (math.isfinite(value) and value > 0):
            return "0%"
        return f"{100 * _STRONGEST_SHADE * (0.08 + 0.92 * math.log(value / low) / span):.0f}%"

    return [[shade(float(value)) for value in row] for row in values]


def _config(report: ExperimentReport) -> list[tuple[str, str]]:
    experiment = report.experiment
    config = experiment["config"]
    limit = config["slo"]["total_p99_s"]
    users = sorted({cell["users"] for cell in experiment["cells"]})
    known = [
        ("scenario", "batch: all at once" if config["scenario"] == "batch" else "sustained"),
        *((f"target {name}", what) for name, what in config["targets"].items()),
        ("users", listing([formatting.count(each) for each in users]) if users else "none"),
        ("repetitions", formatting.count(config["repetitions"])),
        ("seed of the order", str(config["seed"])),
        (
            "duration of a cell",
            formatting.duration(config["duration_s"]) if config["duration_s"] else "until done",
        ),
        ("success rate wanted", limit_share(config["slo"]["success_rate"])),
        ("p99 of total wanted", formatting.seconds(limit) if limit else "2 × (wait + 0.5 s)"),
        *(("sent", each) for each in report.sent),
    ]
    further = sorted(set(config) - set(ExperimentConfig.__annotations__))
    return known + [
        (key.replace("_", " "), formatting.text(cast(dict[str, Any], config)[key])) for key in further
    ]


def _named(label: str, report: ExperimentReport) -> str:
    return label if label and len(report.groups) > 1 else _deployments(report)


def _run_path(run_id: str) -> str:
    return f"runs/{quote(run_id, safe='')}/report.html"


def _gain(gain: Gain) -> str:
    return f"{gain.gain * 100:+.0f}{formatting.SPACE}%".replace("-", "−")


def _rounded_percent(share: float) -> str:
    return f"{share * 100:,.0f}{formatting.SPACE}%"


def _coefficient(value: float) -> str:
    """A fitted number, which may be tiny: `0.0459`, `3.44 × 10⁻⁵`."""
    if value == 0 or not math.isfinite(value) or abs(value) >= 0.001:
        return formatting.significant(value)
    return power_of_ten(value, 2).replace(" ", formatting.SPACE)


def _times(ratio: float | None) -> str:
    return f"{formatting.significant(ratio)}×" if ratio is not None and math.isfinite(ratio) else "–"


def _reach(reach: float) -> str:
    return "within the data" if reach <= 1 else f"{formatting.significant(reach, 2)}× the largest load"


def _as_number(wait: str) -> tuple[float, str]:
    try:
        return float(wait), wait
    except ValueError:
        return math.inf, wait
