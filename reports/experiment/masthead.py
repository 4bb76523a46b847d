"""The first screen of an experiment's page: what ran, and the answers to four questions."""

import math

from reports.experiment.certainty import how_sure
from reports.experiment.report import ExperimentReport
from reports.experiment.searched import Searched, p99_of, searched
from reports.experiment.sections.loads import Loads
from reports.experiment.sections.max_batch import MaxBatch
from reports.experiment.sections.speedup import Family, Gain, SpeedupRow
from reports.page import formatting
from reports.page.parts import ENDINGS, Answer, Question
from reports.page.words import TRANSPORTS, count, listing, size
from reports.records.schema import CapacityJson

MISSED = {
    "success_rate": "success rate",
    "total_p99_s": "p99 of total",
    "both": "success rate and p99 of total",
}
"""What is said of a criterion that was missed."""
_SESSIONS = Question("How many sessions?", "sessions", "Largest batch of each")
_WORKERS = Question("What do more workers buy?", "speedup", "Speed-up")
_STOPS = Question("Where does it stop?", "growth", "Throughput and latency")
_TRUSTED = Question("Can I trust it?", "cells", "All cells")
_HELD = Question("How many sessions?", "capacity", "The search")
_SURE = Question("How sure is that?", "capacity", "All tries")
_CARRIED = Question("How high a rate?", "capacity", "The search")
_LIMITED = Question("What was hit first?", "capacity", "More")
_RATE = Question("What does it carry?", "loads", "Every load")
_GOOD = Question("Where is goodput best?", "loads", "Goodput")
_TURNS = Question("Where does it stop?", "loads", "Throughput and latency")
_LIMITS = {
    "errors": "Errors",
    "latency": "Latency",
    "throughput": "Throughput",
    "open_files": "Open files",
    "generator": "Load generator",
    "cap": "Not reached",
    "time": "Time ran out",
}


def headline(report: ExperimentReport) -> str:
    """What was measured, in a line."""
    users = sorted({cell["users"] for cell in report.experiment["cells"]})
    if report.experiment["purpose"] == "capacity":
        return f"Capacity of {_deployments(report)}"
    if report.loads is not None:
        loads, unit = report.loads.tried, report.loads.unit
        least = f"{loads[0]:,g} to " if len(loads) > 1 else ""
        return f"{_deployments(report)} under {least}{loads[-1]:,g} {unit}"
    if not users:
        return f"Scaling of {_deployments(report)}"
    least = f"{formatting.count(users[0])} to " if len(users) > 1 else ""
    return f"{_deployments(report)} under {least}{count(users[-1], 'user')}"


def _deployments(report: ExperimentReport) -> str:
    if len(report.groups) == 1:
        group = report.groups[0]
        if group.replicas is None:
            return group.deployment
        return size(group.replicas, group.workers)
    deployments = {(g.deployment, g.replicas, g.workers, g.balancing, g.reuse_port) for g in report.groups}
    return count(len(deployments), "deployment")


def facts(report: ExperimentReport) -> list[str]:
    """When it ran, how far it came, and what was varied."""
    experiment, config, progress = report.experiment, report.experiment["config"], report.progress
    ended_at = experiment["ended_at"]
    scenario = {"batch": "batches", "rollouts": "rollouts"}.get(config["scenario"], "sustained load")
    if report.capacity and searched(report.capacity).is_rate and config["duration_s"]:
        scenario = f"{_process(report)} arrivals, at least {formatting.duration(config['duration_s'])} a try"
    elif config["scenario"] != "batch" and config["duration_s"]:
        scenario += f" of {formatting.duration(config['duration_s'])} a cell"
    facts = [
        f"started {formatting.moment(experiment['started_at'])}",
        "no end recorded" if ended_at is None else f"ended {formatting.moment(ended_at)}",
        f"{progress.completed:,} of {count(progress.cells, 'cell')} done",
        scenario,
        *_swept(report),
    ]
    if experiment["purpose"] == "capacity":
        return facts
    if config["repetitions"] > 1:
        facts.append(count(config["repetitions"], "repetition"))
    return [*facts, f"order from seed {config['seed']}"]


def _process(report: ExperimentReport) -> str:
    """How steps or sessions arrive: `poisson`."""
    text = next((each["arrivals"] for each in report.experiment["cells"] if "arrivals" in each), "")
    return formatting.showable(text.partition(":")[0])


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
    elif 0 < len(waits) <= 4:
        facts.append(f"wait {listing([formatting.wait(wait) for wait in waits])} a step")
    transports = sorted({TRANSPORTS[group.transport] for group in groups})
    balancing = sorted({group.balancing for group in groups if group.balancing})
    return facts + [listing(names) for names in (transports, balancing) if names]


def _sizes(sizes: list[int], noun: str) -> str:
    smaller = ", ".join(f"{each:,}" for each in sizes[:-1])
    return f"{smaller}{' or ' if smaller else ''}{count(sizes[-1], noun)}"


def _as_number(wait: str) -> tuple[float, str]:
    try:
        return float(wait), wait
    except ValueError:
        return math.inf, wait


def answers(report: ExperimentReport) -> list[Answer]:
    """Of a capacity search how much it found, how surely and what limits it; else how it scales."""
    if report.capacity:
        capacity = report.capacity
        return [_held(capacity), _sure(capacity), _limited(capacity), _trusted(report)]
    if report.loads is not None:
        return [_carries(report, report.loads), _good(report.loads), _turns(report.loads), _trusted(report)]
    return [_sessions(report), _workers_buy(report), _stops(report), _trusted(report)]


def _carries(report: ExperimentReport, loads: Loads) -> Answer:
    best = loads.most_met
    if best is None:
        return _RATE.answer("None", "bad", [("within the objective", "no load that was tried")])
    curve, point = best
    facts = [
        ("within the objective by", _named(curve.label, report)),
        ("carried", f"{formatting.significant(point.throughput.median)} {loads.goodput_unit}"),
        ("p99 of total there", formatting.seconds(point.total_p99.median)),
    ]
    return _RATE.answer(f"{point.load:,g} {loads.unit}", "", facts)


def _good(loads: Loads) -> Answer:
    best = loads.most_good
    if best is None:
        return _GOOD.answer("Unknown", "unknown", [("measured", "nothing to judge by")])
    curve, point = best
    facts = [("at", f"{point.load:,g} {loads.unit}"), *([("by", curve.label)] if curve.label else [])]
    if point.group_p99.known:
        facts.append(("p99 of a group", formatting.seconds(point.group_p99.median)))
        facts.append(("waiting for the slowest", formatting.percent(point.straggler_share.median)))
    return _GOOD.answer(f"{formatting.significant(point.goodput.median)} {loads.goodput_unit}", "", facts)


def _turns(loads: Loads) -> Answer:
    missed = [(curve, point) for curve in loads.curves if (point := curve.first_missed) is not None]
    if not missed:
        return _TURNS.answer("Not reached", "unknown", [("to find out", "higher loads")])
    curve, point = min(missed, key=lambda each: each[1].load)
    facts = [
        ("p99 of total there", formatting.seconds(point.total_p99.median)),
        ("carried there", f"{formatting.significant(point.throughput.median)} {loads.goodput_unit}"),
        *([("by", curve.label)] if curve.label else []),
        *([] if point.reached else [("but", "users did not suffice for the rate")]),
    ]
    return _TURNS.answer(f"From {point.load:,g} {loads.unit}", "", facts)


def _sessions(report: ExperimentReport) -> Answer:
    best = report.max_batch.best
    tried = [row.largest_tried for row in report.max_batch.rows if row.largest_tried is not None]
    if best is None or best.max_batch is None:
        if not tried:
            return _SESSIONS.answer("Unknown", "unknown", [("measured", "nothing to judge by")])
        largest = ("largest load tried", count(max(tried), "user"))
        return _SESSIONS.answer("None", "bad", [("within the objective", "no load that was tried"), largest])
    facts = [
        ("within the objective by", _named(best.label, report)),
        ("per core", _per_core(best.per_core, best.cores) or "unknown"),
        ("p99 of total there", formatting.seconds(best.total_p99_s)),
        ("limit", _limit_of(best)),
    ]
    return _SESSIONS.answer(_at_least(best.max_batch, lower_bound=best.lower_bound), "", facts)


def _per_core(sessions: float | None, cores: int | None) -> str | None:
    if sessions is None or not cores:
        return None
    return f"{formatting.significant(sessions)}, on {count(cores, 'core')}"


def _at_least(sessions: int, *, lower_bound: bool) -> str:
    return f"{'at least ' if lower_bound else ''}{formatting.count(sessions)}"


def _limit_of(row: MaxBatch) -> str:
    if row.lower_bound:
        return "beyond what was tried"
    return f"missed at {formatting.count(row.first_missed)}" if row.first_missed else "not tried beyond"


def _workers_buy(report: ExperimentReport) -> Answer:
    family = report.speedup.main
    if family is None:
        facts = [("measured", "nothing to compare")]
        if all(group.total_workers is None for group in report.groups):
            facts = [("replicas and workers", "unknown, behind a URL")]
        return _WORKERS.answer("Unknown", "unknown", facts)
    if len(family.rows) < 2:
        only = [("sizes with figures", family.base.label), ("to find out", "try more workers or replicas")]
        return _WORKERS.answer("Not tried", "unknown", only)
    top = family.largest
    name = f"{top.label} against {family.base.label}"
    if not family.saturated:
        facts = [
            (name, f"{formatting.times(top.speedup)} throughput"),
            ("why", "no size had more users than it could serve"),
            ("to find out", "more users or a shorter wait"),
        ]
        return _WORKERS.answer("Not shown", "caution", facts)
    facts = [
        (name, _between(top)),
        ("efficiency", formatting.rounded_percent(top.efficiency)),
        ("stops paying", _stops_paying(family)),
    ]
    if family.fastest.label != top.label:
        facts.append(("fastest", f"{family.fastest.label}, {formatting.times(family.fastest.speedup)}"))
    return _WORKERS.answer(f"{formatting.times(top.speedup)} throughput", "", facts)


def _between(row: SpeedupRow) -> str:
    if row.speedup_high > row.speedup_low:
        return f"{formatting.times(row.speedup_low)} to {formatting.times(row.speedup_high)}"
    return formatting.times(row.speedup)


def _stops_paying(family: Family) -> str:
    first = next((gain for gain in family.gains if not gain.pays), None)
    if first is None:
        return "not within what was tried"
    noun = first.axis.removesuffix("s")
    spread = ", within the spread" if first.within_spread else ""
    return f"{noun} {first.smaller} → {first.larger}: {percent_gained(first)}{spread}"


def percent_gained(gain: Gain) -> str:
    """A gain in whole per cent, with its sign: `+48 %`."""
    return f"{gain.gain * 100:+.0f}{formatting.SPACE}%".replace("-", "−")


def _stops(report: ExperimentReport) -> Answer:
    main = report.bottleneck.main
    if main is None:
        return _STOPS.answer("Unknown", "unknown", [("measured", "nothing to judge by")])
    if main.first_miss_users is None:
        missed = _missed_by_others(report)
    else:
        why = MISSED[main.first_miss_criterion] if main.first_miss_criterion else "objective"
        missed = f"from {count(main.first_miss_users, 'user')}, by {why}"
    facts = [
        ("best throughput", f"{_named(main.label, report)}, {count(main.peak_users or 0, 'user')}"),
        ("objective missed", missed),
        ("failed there" if main.limit.failed else "busy there", main.limit.name),
    ]
    return _STOPS.answer(formatting.rate(main.peak_throughput), "", facts)


def _missed_by_others(report: ExperimentReport) -> str:
    """Who missed the objective where the fastest did not."""
    rows = report.bottleneck.rows
    missed = [(row.first_miss_users, row.label) for row in rows if row.first_miss_users is not None]
    if not missed:
        return "at no load that was tried"
    users, label = min(missed, key=lambda row: row[0])
    others = f"{len(missed):,} of {len(report.groups):,}"
    return f"not by this one; by {others}, first {_named(label, report)} from {count(users, 'user')}"


def _held(capacity: CapacityJson) -> Answer:
    sessions, cores, cap = capacity["sessions"], capacity["cores"], capacity["server_cap"]
    if (kind := searched(capacity)).is_rate:
        return _carried(capacity, kind)
    facts = [
        ("largest batch that met it", formatting.count(capacity["max_batch"])),
        ("server turned away beyond", formatting.count(cap) if cap is not None else "none turned away"),
    ]
    if per_core := _per_core(sessions / cores if cores else None, cores):
        facts.insert(0, ("per core", per_core))
    if not sessions:
        return _HELD.answer("None", "bad", facts)
    return _HELD.answer(_at_least(sessions, lower_bound=capacity["lower_bound"]), "", facts)


def _carried(capacity: CapacityJson, kind: Searched) -> Answer:
    rate, cores, limit = capacity["sessions"], capacity["cores"], capacity.get("total_p99_limit_s")
    facts = [
        (kind.p99, formatting.seconds(p99_of(capacity))),
        ("must be less than", formatting.seconds(limit)),
    ]
    if per_core := _per_core(rate / cores if cores else None, cores):
        facts.insert(0, ("per core", per_core))
    if not rate:
        return _CARRIED.answer("None", "bad", facts)
    carried = f"{_at_least(rate, lower_bound=capacity['lower_bound'])} {kind.unit}"
    return _CARRIED.answer(carried, "", facts)


def _sure(capacity: CapacityJson) -> Answer:
    high = capacity["high"]
    sure, why = how_sure(capacity)
    facts = [
        ("how", why),
        ("met it every time", f"up to {formatting.count(capacity['low'])}"),
        (
            "missed it every time",
            f"from {formatting.count(high)}" if high is not None else f"no {searched(capacity).noun}",
        ),
        ("tries", formatting.count(len(capacity["tries"]))),
    ]
    return _SURE.answer(f"{sure[:1].upper()}{sure[1:]}", "", facts)


def _limited(capacity: CapacityJson) -> Answer:
    limit = _LIMITS.get(capacity["limit"], capacity["limit"])
    return _LIMITED.answer(limit, "", [("why", capacity["explanation"]), ("to lift it", capacity["remedy"])])


def _trusted(report: ExperimentReport) -> Answer:
    progress, spread, widest = report.progress, report.growth.spread, report.growth.widest_spread
    if spread is not None and widest is not None:
        apart = f"{formatting.percent(spread)} of throughput, {formatting.rounded_percent(widest)} at most"
    else:
        repeated = report.experiment["config"]["repetitions"] > 1
        apart = "unknown" if repeated else "nothing was repeated"
    facts = [
        ("experiment", ENDINGS[report.experiment["status"]]),
        ("cells done", f"{progress.completed:,} of {progress.cells:,}"),
        ("failed / invalid", f"{progress.failed:,} / {progress.invalid:,}"),
        ("repetitions apart by", apart),
    ]
    return _TRUSTED.decide(
        facts,
        (not progress.completed, "No data", "unknown"),
        (not report.complete, "Cut short", "caution"),
        (progress.failed or progress.invalid or report.notices, "With care", "caution"),
        (spread is None and not report.capacity, "Tried once", "caution"),
        (True, "No objection", "good"),
    )


def _named(label: str, report: ExperimentReport) -> str:
    return label if label and len(report.groups) > 1 else _deployments(report)
