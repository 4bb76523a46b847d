"""The report of a run as one self-contained HTML page. It shows result objects and computes nothing."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from reports.page import formatting, parts
from reports.page.drawing import HALF, WIDE
from reports.page.parts import ENDINGS, Answer, Drawing, drawn, limit_share, plural
from reports.page.words import TRANSPORTS
from reports.records import sent
from reports.records.schema import RunConfig, RunJson
from reports.run import figures
from reports.run.figures import Frame
from reports.run.report import RunReport
from reports.run.sections.distribution import Evenness, ReplicaShare, WorkerShare
from reports.run.sections.slo import Criterion

MOST_ROWS = 300
"""Rows of a table of workers or replicas; report.json holds the rest."""

_SECTIONS = {
    "verdict": "Verdict",
    "latency": "Latency",
    "throughput": "Throughput",
    "distribution": "Distribution",
    "isolation": "Isolation",
    "errors": "Errors",
    "resources": "CPU and memory",
    "configuration": "Configuration",
}
_DEPLOYMENTS = {
    "compose": "containers behind nginx",
    "local": "local processes behind nginx",
    "url": "a server given by its URL",
}
_SCENARIOS = {
    "sustained": "sustained: users step until the end",
    "batch": "batch: all at once, one step each",
}
_SOCKETS = {True: "one for each worker", False: "one for all workers of a replica", None: "unknown"}
_NOT_OF_A_BATCH = {"users started a second", "duration", "think time", "steps between resets"}
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
    templates = parts.environment()
    templates.filters.update(criterion_value=_criterion_value, criterion_limit=_criterion_limit, cores=_cores)
    return templates.get_template("run.html").render(
        folder="run",
        titles=list(_SECTIONS.items()),
        report=report,
        headline=_headline(report.run),
        facts=_facts(report),
        answers=[_passed(report), _fast(report), _even(report), _trusted(report)],
        drawings=_drawings(report),
        config=_config(report),
        versions=sorted(report.run["versions"].items()),
        machine=parts.machine_facts(report.run["machine"]),
        most_rows=MOST_ROWS,
        most_bars=figures.MOST_BARS,
        **parts.page_parts(),
    )


def _headline(run: RunJson) -> str:
    config, topology = run["config"], run["topology"]
    who = plural(config["users"], f"{TRANSPORTS[config['transport']]} user")
    if _is_batch(run):
        who = f"Batch of {who}"
    if topology["replicas"] is None:
        return f"{who} on {config['url']}"
    where = plural(topology["replicas"], "replica")
    return f"{who} on {where}" + (
        f" × {plural(topology['workers'], 'worker')}" if topology["workers"] else ""
    )


def _facts(report: RunReport) -> list[str]:
    config = report.run["config"]
    where = _DEPLOYMENTS[config["deployment"]]
    return [
        formatting.moment(report.run["started_at"]),
        f"ran {formatting.duration(report.totals.duration_s)}",
        f"{where}, {config['balancing']}" if config["balancing"] else where,
        *(["all at once, one step each"] if _is_batch(report.run) else []),
        sent.sent(config),
        *(["certificate not checked"] if config.get("tls_verified") is False else []),
    ]


def _is_batch(run: RunJson) -> bool:
    return run["config"].get("scenario") == "batch"


def _passed(report: RunReport) -> Answer:
    facts = [
        (_criterion_name(each), f"{_criterion_value(each)}, {_criterion_bound(each)}")
        for each in report.slo.criteria
    ]
    operations = plural(report.totals.operations, "operation")
    facts.append(("failed", f"{formatting.count(report.totals.failures)} of {operations}"))
    if shut_out := report.totals.users_shut_out:
        users = plural(report.totals.users, "user")
        facts.append(("without any step", f"{formatting.count(shut_out)} of {users}"))
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
    if report.totals.steps and "overhead" not in report.latency.summaries:
        facts.insert(1, ("overhead", "unknown, not reported"))
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
    over_workers = spread.worker_fairness is not None
    parts: Sequence[WorkerShare | ReplicaShare] = spread.workers if over_workers else spread.replicas
    fairness = spread.worker_fairness or spread.replica_fairness
    if fairness is None:
        return Answer(question, "Unknown", "unknown", _unknown_spread(report), section, more)
    noun = "worker" if over_workers else "replica"
    most = max(parts, key=lambda part: part.share)
    idle = sum(1 for part in parts if not part.steps and not part.sessions)
    expected = spread.expected_workers if over_workers else spread.expected_replicas
    none_idle = f"no {noun}" if expected is not None else f"unknown, only {noun}s that answer show"
    facts = [
        ("Jain’s index", f"{formatting.significant(fairness.jain)}, {plural(len(parts), noun)}"),
        (
            "largest share of steps",
            f"{formatting.percent(most.share)}, fair {formatting.percent(1 / len(parts))}"
            if most.steps
            else "no step succeeded",
        ),
        ("idle", plural(idle, noun) if idle else none_idle),
    ]
    if not over_workers:
        facts.append(("workers", "unknown, replies name no process"))
    verdict, state = _EVENNESS[spread.evenness] if spread.evenness else ("Unknown", "unknown")
    return Answer(question, verdict, state, facts, section, more)


def _unknown_spread(report: RunReport) -> list[tuple[str, str]]:
    if not report.totals.steps:
        return [("spread", "nothing, no step succeeded")]
    return [
        ("answered by", "unknown, no reply names its host"),
        ("to find out", "let the balancer name its upstream"),
    ]


def _trusted(report: RunReport) -> Answer:
    isolation, spread = report.isolation, report.distribution
    facts = [("run", ENDINGS[report.run["status"]])]
    checked = plural(isolation.sessions_checked, "session")
    found = f"{plural(isolation.violations, 'violation')} in {checked}"
    over_ws = report.run["config"]["transport"] == "ws"
    facts.append(
        (
            "isolation",
            found
            if isolation.sessions_checked
            else "unknown, replies name no session"
            if over_ws and report.totals.steps
            else "not checked",
        )
    )
    in_part = bool(spread.replicas and spread.unattributed_steps)
    if in_part:
        facts.append(("unattributed", plural(spread.unattributed_steps, "step")))
    facts.append(("notices", formatting.count(len(report.notices)) if report.notices else "none"))
    if not report.validity.valid:
        facts.append(("in comparisons", "leave it out"))
    reservations = len(report.notices) or in_part or report.run["status"] != "completed"
    if not report.totals.operations:
        verdict, state = "No data", "unknown"
    elif isolation.violations:
        verdict, state = "Not isolated", "bad"
    elif reservations:
        verdict, state = "With care", "caution"
    elif over_ws and not isolation.sessions_checked:
        verdict, state = "In part", "unknown"
    else:
        verdict, state = "No objection", "good"
    return Answer("Can I trust it?", verdict, state, facts, "isolation", "What was checked")


def _drawings(report: RunReport) -> dict[str, Drawing]:
    frame = Frame(report.totals.duration_s, report.totals.window_s)
    latency, spread = report.latency, report.distribution
    limit = next((each.limit for each in report.slo.criteria if each.name == "total_p99_s"), None)
    drawings: dict[str, Drawing] = {}

    def add(name: str, paint: Callable[[float], str], wide: float = WIDE) -> None:
        drawings[name] = drawn(paint, wide)

    if latency.curves:
        add("percentile_curve", lambda width: figures.percentile_curve(latency, limit, width))
    if over_time := latency.over_time:
        add("percentiles_over_time", lambda width: figures.percentiles_over_time(over_time, frame, width))
    if heat := latency.heat_map:
        add("heat_map", lambda width: figures.heat_map(heat, frame, width))
    if len(report.timeline.at_s):
        add("throughput", lambda width: figures.throughput_and_users(report.timeline, frame, width))
    was_spread = spread.replica_fairness is not None
    if was_spread and len(spread.replicas) > 1:
        add("replicas", lambda width: figures.replica_shares(spread, width))
    if was_spread and spread.workers:
        add("workers", lambda width: figures.worker_shares(spread, width))
    if report.errors.categories:
        add("errors", lambda width: figures.errors_over_time(report.errors, frame, width))
    if report.resources.parts:
        add("cpu", lambda width: figures.cpu_usage(report.resources, frame, width), HALF)
        add("memory", lambda width: figures.memory_usage(report.resources, frame, width), HALF)
    return drawings


def _config(report: RunReport) -> list[tuple[str, str]]:
    run = report.run
    config, topology = run["config"], run["topology"]
    known = [
        ("deployment", _DEPLOYMENTS[config["deployment"]]),
        ("URL", config["url"]),
        ("replicas", formatting.text(topology["replicas"])),
        ("workers of each replica", formatting.text(topology["workers"])),
        ("balancing", formatting.text(config["balancing"])),
        ("listening sockets", _SOCKETS[config.get("reuse_port")]),
        ("scenario", _SCENARIOS[config.get("scenario", "sustained")]),
        ("transport", TRANSPORTS[config["transport"]]),
        ("users", formatting.count(config["users"])),
        ("users started a second", formatting.text(config["spawn_rate"])),
        ("duration", formatting.duration(config["duration_s"]) if config["duration_s"] else "until stopped"),
        *([] if sent.has_actions(config) else [("wait of each step", formatting.wait(config["wait"]))]),
        ("think time", formatting.wait(config["think_time"])),
        ("steps between resets", formatting.text(config["steps_per_episode"] or "all, one reset only")),
        ("connect timeout", formatting.seconds(config["connect_timeout_s"])),
        ("step timeout", formatting.seconds(config["step_timeout_s"])),
        *sent.rows(config),
        *_certificate(config),
        ("generator processes", formatting.text(config["processes"])),
        ("success rate wanted", limit_share(config["slo"]["success_rate"])),
        ("p99 of total wanted", _limit_wanted(report)),
    ]
    if _is_batch(run):
        known = [(name, value) for name, value in known if name not in _NOT_OF_A_BATCH]
    further = sorted(set(config) - set(RunConfig.__annotations__))
    return known + [
        (key.replace("_", " "), formatting.text(cast(dict[str, Any], config)[key])) for key in further
    ]


def _certificate(config: RunConfig) -> list[tuple[str, str]]:
    checked = config.get("tls_verified")
    return [] if checked is None else [("certificate", "checked" if checked else "not checked")]


def _limit_wanted(report: RunReport) -> str:
    config = report.run["config"]
    limit = next(each.limit for each in report.slo.criteria if each.name == "total_p99_s")
    if config["slo"]["total_p99_s"] is not None:
        return formatting.seconds(limit)
    return f"{formatting.seconds(limit)}, by default 2 × (wait + 0.5 s)"


def _criterion_name(criterion: Criterion) -> str:
    return {"success_rate": "success", "total_p99_s": "p99 of total"}.get(criterion.name, criterion.name)


def _criterion_value(criterion: Criterion) -> str:
    return formatting.seconds(criterion.value) if criterion.name.endswith("_s") else formatting.percent(criterion.value)


def _criterion_limit(criterion: Criterion) -> str:
    return (
        formatting.seconds(criterion.limit) if criterion.name.endswith("_s") else limit_share(criterion.limit)
    )


def _criterion_bound(criterion: Criterion) -> str:
    return f"{'below' if criterion.name.endswith('_s') else 'at least'} {_criterion_limit(criterion)}"


def _cores(cores: float) -> str:
    return formatting.significant(cores, 2)
