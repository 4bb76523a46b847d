"""The report of a run as one self-contained HTML page. It shows result objects and computes nothing."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import figures, formatting, palette
from reports.drawing import HALF, NARROW, WIDE
from reports.figures import Frame
from reports.run_report import RunReport
from reports.schema import RunConfig, RunJson
from reports.sections.distribution import Evenness, ReplicaShare, WorkerShare
from reports.sections.slo import Criterion

MOST_ROWS = 300
"""Rows of a table of workers or replicas; report.json holds the rest."""

_TEMPLATES = Path(__file__).parent / "templates"
_DEPLOYMENTS = {
    "compose": "containers behind nginx",
    "local": "local processes behind nginx",
    "url": "a server given by its URL",
}
_TRANSPORTS = {"ws": "WebSocket", "http": "HTTP"}
_ENDINGS = {
    "completed": "ran to its end",
    "interrupted": "interrupted",
    "failed": "failed",
    "running": "cut short, no end recorded",
}


@dataclass(frozen=True)
class Answer:
    """One of the four answers on the first screen. `state`: good, bad, caution or unknown."""

    question: str
    verdict: str
    state: str
    facts: list[tuple[str, str]]
    section: str
    more: str


@dataclass(frozen=True)
class Drawing:
    """A figure as drawn for a desktop and for a phone."""

    wide: Markup
    narrow: Markup


_EVENNESS: dict[Evenness, tuple[str, str]] = {
    "single": ("One known", "unknown"),
    "too few": ("Too few", "unknown"),
    "even": ("Evenly", "good"),
    "by chance": ("By chance", "unknown"),
    "nearly even": ("Nearly", "good"),
    "uneven": ("Unevenly", "caution"),
    "very uneven": ("Very unevenly", "caution"),
}


def render(report: RunReport) -> str:
    """The page of a run. The same report always gives the same bytes."""
    environment = _environment()
    template = environment.get_template("run.html")
    return template.render(
        report=report,
        headline=_headline(report.run),
        facts=_facts(report),
        answers=[_passed(report), _fast(report), _even(report), _trusted(report)],
        drawings=_drawings(report),
        config=_config(report.run),
        versions=sorted(report.run["versions"].items()),
        machine=_machine(report.run),
        most_rows=MOST_ROWS,
        most_bars=figures.MOST_BARS,
        **_page_parts(),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_showable,
    )
    environment.filters.update(
        count=formatting.count,
        significant=formatting.significant,
        seconds=formatting.seconds,
        duration=formatting.duration,
        percent=formatting.percent,
        memory=formatting.memory,
        moment=formatting.moment,
        probability=formatting.probability,
        criterion_value=_criterion_value,
        criterion_limit=_criterion_limit,
    )
    return environment


def _page_parts() -> dict[str, Any]:
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    style = palette.style_sheet() + (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"style": Markup(style), "script": Markup(script), "script_hash": digest}  # noqa: S704 - our own files


def _showable(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return formatting.unbroken(formatting.showable(value))


def _headline(run: RunJson) -> str:
    config, topology = run["config"], run["topology"]
    who = _plural(config["users"], f"{_TRANSPORTS[config['transport']]} user")
    if topology["replicas"] is None:
        return f"{who} on {config['url']}"
    where = _plural(topology["replicas"], "replica")
    return f"{who} on {where}" + (
        f" × {_plural(topology['workers'], 'worker')}" if topology["workers"] else ""
    )


def _facts(report: RunReport) -> list[str]:
    config = report.run["config"]
    where = _DEPLOYMENTS[config["deployment"]]
    return [
        formatting.moment(report.run["started_at"]),
        f"ran {formatting.duration(report.totals.duration_s)}",
        f"{where}, {config['balancing']}" if config["balancing"] else where,
        f"wait {_wait(config['wait'])} a step",
    ]


def _passed(report: RunReport) -> Answer:
    facts = [
        (_criterion_name(each), f"{_criterion_value(each, each.value)}, {_criterion_bound(each)}")
        for each in report.slo.criteria
    ]
    operations = _plural(report.totals.operations, "operation")
    facts.append(("failed", f"{formatting.count(report.totals.failures)} of {operations}"))
    verdict, state = ("Passed", "good") if report.slo.passed else ("Failed", "bad")
    if report.slo.passed and report.run["status"] != "completed":
        verdict, state = "Cut short", "caution"
    return Answer("Did it pass?", verdict, state, facts, "verdict", "Criteria")


def _fast(report: RunReport) -> Answer:
    facts = []
    for name in ("step", "overhead", "total"):
        summary = report.latency.summaries.get(name)
        if summary:
            facts.append(
                (
                    f"{name} p50 / p99",
                    f"{formatting.seconds(summary.p50)} / {formatting.seconds(summary.p99)}",
                )
            )
    if not report.totals.steps:
        return Answer(
            "How fast was it?",
            "No steps",
            "unknown",
            facts or [("step", "none succeeded")],
            "latency",
            "Latency",
        )
    rate = f"{formatting.significant(report.totals.throughput_steps_per_s)}{formatting.SPACE}steps/s"
    return Answer("How fast was it?", rate, "", facts, "latency", "Latency")


def _even(report: RunReport) -> Answer:
    spread = report.distribution
    question, section, more = "Was it evenly spread?", "distribution", "Distribution"
    parts: Sequence[WorkerShare | ReplicaShare] = spread.workers or spread.replicas
    fairness = spread.worker_fairness if spread.workers else spread.replica_fairness
    if fairness is None:
        return Answer(question, "Unknown", "unknown", [("answered by", "unknown")], section, more)
    noun = "worker" if spread.workers else "replica"
    most = max(parts, key=lambda part: part.share)
    idle = sum(1 for part in parts if not part.steps and not part.sessions)
    facts = [
        ("Jain’s index", f"{formatting.significant(fairness.jain)}, {_plural(len(parts), noun)}"),
        (
            "largest share of steps",
            f"{formatting.percent(most.share)}, fair {formatting.percent(1 / len(parts))}",
        ),
        ("idle", _plural(idle, noun) if idle else f"no {noun}"),
    ]
    verdict, state = _EVENNESS[spread.evenness] if spread.evenness else ("Unknown", "unknown")
    return Answer(question, verdict, state, facts, section, more)


def _trusted(report: RunReport) -> Answer:
    isolation, spread = report.isolation, report.distribution
    facts = [("run", _ENDINGS[report.run["status"]])]
    checked = _plural(isolation.sessions_checked, "session")
    found = f"{_plural(isolation.violations, 'violation')} in {checked}"
    facts.append(("isolation", found if isolation.sessions_checked else "not checked"))
    if spread.unattributed_steps:
        facts.append(("unattributed", _plural(spread.unattributed_steps, "step")))
    facts.append(("notices", formatting.count(len(report.notices)) if report.notices else "none"))
    reservations = (
        len(report.notices) or bool(spread.unattributed_steps) or report.run["status"] != "completed"
    )
    if not report.totals.operations:
        verdict, state = "No data", "unknown"
    elif isolation.violations:
        verdict, state = "Not isolated", "bad"
    elif reservations:
        verdict, state = "With care", "caution"
    else:
        verdict, state = "No objection", "good"
    return Answer("Can I trust it?", verdict, state, facts, "isolation", "What was checked")


def _drawings(report: RunReport) -> dict[str, Drawing]:
    frame = Frame(report.totals.duration_s, report.totals.window_s)
    latency, spread = report.latency, report.distribution
    limit = next((each.limit for each in report.slo.criteria if each.name == "total_p99_s"), None)
    drawn: dict[str, Drawing] = {}

    def add(name: str, paint: Callable[[float], str], wide: float = WIDE) -> None:
        drawn[name] = Drawing(_markup(paint(wide)), _markup(paint(NARROW)))

    if latency.curves:
        add("percentile_curve", lambda width: figures.percentile_curve(latency, limit, width))
    if over_time := latency.over_time:
        add("percentiles_over_time", lambda width: figures.percentiles_over_time(over_time, frame, width))
    if heat := latency.heat_map:
        add("heat_map", lambda width: figures.heat_map(heat, frame, width))
    if len(report.timeline.at_s):
        add("throughput", lambda width: figures.throughput_and_users(report.timeline, frame, width))
    if len(spread.replicas) > 1:
        add("replicas", lambda width: figures.replica_shares(spread, width))
    if spread.workers:
        add("workers", lambda width: figures.worker_shares(spread, width))
    if report.errors.categories:
        add("errors", lambda width: figures.errors_over_time(report.errors, frame, width))
    if report.resources.parts:
        add("cpu", lambda width: figures.cpu_usage(report.resources, frame, width), HALF)
        add("memory", lambda width: figures.memory_usage(report.resources, frame, width), HALF)
    return drawn


def _markup(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - written by an XML writer, which escapes


def _config(run: RunJson) -> list[tuple[str, str]]:
    config, topology = run["config"], run["topology"]
    limit = config["slo"]["total_p99_s"]
    known = [
        ("deployment", _DEPLOYMENTS[config["deployment"]]),
        ("URL", config["url"]),
        ("replicas", _text(topology["replicas"])),
        ("workers of each replica", _text(topology["workers"])),
        ("balancing", _text(config["balancing"])),
        ("transport", _TRANSPORTS[config["transport"]]),
        ("users", formatting.count(config["users"])),
        ("users started a second", _text(config["spawn_rate"])),
        ("duration", formatting.duration(config["duration_s"]) if config["duration_s"] else "until stopped"),
        ("wait of each step", _wait(config["wait"])),
        ("think time", _wait(config["think_time"])),
        ("steps between resets", _text(config["steps_per_episode"] or "all, one reset only")),
        ("connect timeout", formatting.seconds(config["connect_timeout_s"])),
        ("step timeout", formatting.seconds(config["step_timeout_s"])),
        ("action", _text(config["action"] or "wait")),
        ("generator processes", _text(config["processes"])),
        ("success rate wanted", _share(config["slo"]["success_rate"])),
        ("p99 of total wanted", formatting.seconds(limit) if limit else "2 × (wait + 0.5 s)"),
    ]
    further = sorted(set(config) - set(RunConfig.__annotations__))
    return known + [(key.replace("_", " "), _text(cast(dict[str, Any], config)[key])) for key in further]


def _machine(run: RunJson) -> list[tuple[str, str]]:
    return [
        ("memory", formatting.memory(value))
        if key == "memory_bytes" and isinstance(value, int)
        else (key.replace("_", " "), _text(value))
        for key, value in run["machine"].items()
    ]


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _wait(spec: str) -> str:
    try:
        return formatting.seconds(float(spec))
    except ValueError:
        return spec


def _criterion_name(criterion: Criterion) -> str:
    return {"success_rate": "success", "total_p99_s": "p99 of total"}.get(criterion.name, criterion.name)


def _criterion_value(criterion: Criterion, value: float | None) -> str:
    return formatting.seconds(value) if criterion.name.endswith("_s") else formatting.percent(value)


def _criterion_limit(criterion: Criterion) -> str:
    return formatting.seconds(criterion.limit) if criterion.name.endswith("_s") else _share(criterion.limit)


def _criterion_bound(criterion: Criterion) -> str:
    return f"{'below' if criterion.name.endswith('_s') else 'at least'} {_criterion_limit(criterion)}"


def _share(limit: float) -> str:
    return f"{limit * 100:.6g}{formatting.SPACE}%"


def _plural(number: int, noun: str) -> str:
    return f"{formatting.count(number)} {noun}{'' if number == 1 else 's'}"
