"""The report of a run as one self-contained HTML page. It shows result objects and computes nothing."""

from functools import partial

from reports.page import formatting, parts
from reports.page.drawing import HALF
from reports.page.flags import Flag
from reports.page.parts import Drawing, drawn
from reports.page.words import TRANSPORTS, printable
from reports.records import sent
from reports.records.schema import RunConfig, RunJson, is_batch
from reports.run import figures, masthead, share_figures
from reports.run.figures import Frame
from reports.run.report import RunReport
from reports.run.sections.faults import Fault, faults_in_words
from reports.run.verdict import outcome

_SECTIONS = {
    "verdict": "Verdict",
    "arrivals": "Arrivals",
    "latency": "Latency",
    "throughput": "Throughput",
    "rollouts": "Rollouts",
    "episodes": "Episodes",
    "distribution": "Distribution",
    "isolation": "Isolation",
    "faults": "Faults",
    "errors": "Errors",
    "resources": "CPU and memory",
    "configuration": "Configuration",
}
_SCENARIOS = {
    "sustained": "sustained: users step until the end",
    "batch": "batch: all at once, one step each",
    "rollouts": "rollouts: groups start together and are done with their slowest",
}
_SOCKETS = {True: "one for each worker", False: "one for all workers of a replica", None: "unknown"}
_ENVIRONMENT = {
    "name": "environment",
    "version": "version of the environment",
    "directory": "directory of the environment",
    "content": "hash of its files",
    "digest": "digest of the image",
}
_NOT_OF_A_BATCH = {"users started per second", "duration", "think time", "steps between resets"}

_FLAGGED = " Vertical lines are faults, by their names or their numbers in the section on faults."


def render(report: RunReport) -> str:
    """The page of a run. The same report always gives the same bytes."""
    return parts.render(
        "run",
        {each: title for each, title in _SECTIONS.items() if getattr(report, each, True) is not None},
        {
            "criterion_value": masthead.criterion_value,
            "criterion_limit": masthead.criterion_limit,
            "cores": partial(formatting.significant, digits=2),
        },
        report=report,
        outcome=outcome(report),
        broken=faults_in_words(report.run),
        flagged=_FLAGGED if _done(report) else "",
        headline=masthead.headline(report.run),
        facts=masthead.facts(report),
        answers=masthead.answers(report),
        drawings=_drawings(report),
        config=_config(report),
        versions=sorted(report.run["versions"].items()),
        machine=parts.machine_facts(report.run["machine"]),
        most_bars=share_figures.MOST_BARS,
    )


def _drawings(report: RunReport) -> dict[str, Drawing]:
    flags = tuple(Flag(each.number, each.name, each.at_s, each.ended_s) for each in _done(report))
    frame = Frame(report.totals.duration_s, report.totals.window_s, flags)
    latency, spread = report.latency, report.distribution
    was_spread = spread.replica_fairness is not None
    drawings: dict[str, Drawing] = {}
    if latency.curves:
        limit = next((each.limit for each in report.slo.criteria if each.name == "total_p99_s"), None)
        drawings["percentile_curve"] = drawn(figures.percentile_curve, latency, limit)
    if latency.over_time:
        drawings["percentiles_over_time"] = drawn(figures.percentiles_over_time, latency.over_time, frame)
    if latency.heat_map:
        drawings["heat_map"] = drawn(figures.heat_map, latency.heat_map, frame)
    if report.arrivals is not None:
        drawings["arrivals"] = drawn(figures.arrivals_over_time, report.arrivals, frame)
    if report.rollouts is not None:
        drawings["rollouts"] = drawn(figures.rollout_times, report.rollouts)
    if len(report.timeline.at_s):
        drawings["throughput"] = drawn(figures.throughput_and_users, report.timeline, frame)
    if report.lag:
        drawings["lag"] = drawn(figures.lag_over_time, report.lag, frame)
    if was_spread and len(spread.replicas) > 1:
        drawings["replicas"] = drawn(share_figures.replica_shares, spread)
    if was_spread and spread.workers:
        drawings["workers"] = drawn(share_figures.worker_shares, spread)
    if report.errors.categories:
        drawings["errors"] = drawn(figures.errors_over_time, report.errors, frame)
    if report.resources.parts:
        drawings["cpu"] = drawn(figures.cpu_usage, report.resources, frame, wide=HALF)
        drawings["memory"] = drawn(figures.memory_usage, report.resources, frame, wide=HALF)
    return drawings


def _done(report: RunReport) -> list[Fault]:
    return [] if report.faults is None else report.faults.done


def _config(report: RunReport) -> list[tuple[str, str]]:
    run = report.run
    config, topology = run["config"], run["topology"]
    known = [
        ("deployment", masthead.DEPLOYMENTS[config["deployment"]]),
        ("URL", config["url"]),
        *_environment(config),
        ("replicas", formatting.text(topology["replicas"])),
        ("workers of each replica", formatting.text(topology["workers"])),
        ("balancing", formatting.text(config["balancing"])),
        ("listening sockets", _SOCKETS[config.get("reuse_port")]),
        ("scenario", _SCENARIOS[config.get("scenario", "sustained")]),
        ("transport", TRANSPORTS[config["transport"]]),
        ("users", formatting.count(config["users"])),
        *_when(config),
        ("users started per second", formatting.text(config["spawn_rate"])),
        ("duration", formatting.duration(config["duration_s"]) if config["duration_s"] else "until stopped"),
        *_wait(config),
        ("think time", formatting.wait(config["think_time"])),
        ("steps between resets", formatting.text(config["steps_per_episode"] or "no limit")),
        ("connect timeout", formatting.seconds(config["connect_timeout_s"])),
        ("step timeout", formatting.seconds(config["step_timeout_s"])),
        *sent.rows(config),
        *_policy_time(run),
        *_certificate(config),
        ("generator processes", formatting.text(config["processes"])),
        ("success rate required", formatting.limit(config["slo"]["success_rate"])),
        ("p99 of total required", _limit_wanted(report)),
        *parts.tags(config),
    ]
    if is_batch(run):
        known = [(name, value) for name, value in known if name not in _NOT_OF_A_BATCH]
    return parts.settings(known, config, RunConfig)


def _wait(config: RunConfig) -> list[tuple[str, str]]:
    if sent.has_actions(config) or "trace" in config:
        return []
    return [("wait of each step", formatting.wait(config["wait"]))]


def _when(config: RunConfig) -> list[tuple[str, str]]:
    trace = config.get("trace")
    known = [
        ("arrivals a second" if trace is None else "arrivals", config.get("arrivals")),
        ("what arrives", config.get("arrivals_of")),
        ("shape of the load", config.get("shape")),
        ("trace’s SHA-256", printable(trace["sha256"], 16) if trace is not None else None),
        ("sessions of a group", config.get("group")),
        ("steps of a rollout", config.get("rollout_steps")),
        ("faults asked for", config.get("fault")),
    ]
    return [(name, str(value)) for name, value in known if value is not None]


def _policy_time(run: RunJson) -> list[tuple[str, str]]:
    took = run.get("policy_time")
    if took is None:
        return []
    times = f"p50 {formatting.seconds(took['p50_s'])}, p99 {formatting.seconds(took['p99_s'])}"
    return [("policy’s time for a step", f"{times}, max {formatting.seconds(took['max_s'])}")]


def _environment(config: RunConfig) -> list[tuple[str, str]]:
    environment = config.get("environment", {})
    return [(_ENVIRONMENT.get(key, key), str(value)) for key, value in environment.items()]


def _certificate(config: RunConfig) -> list[tuple[str, str]]:
    checked = config.get("tls_verified")
    return [] if checked is None else [("certificate", "checked" if checked else "not checked")]


def _limit_wanted(report: RunReport) -> str:
    config = report.run["config"]
    limit = next(each.limit for each in report.slo.criteria if each.name == "total_p99_s")
    if config["slo"]["total_p99_s"] is not None:
        return formatting.seconds(limit)
    return f"{formatting.seconds(limit)}, by default 2 × (wait + 0.5 s)"
