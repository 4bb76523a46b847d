"""The first screen of a run's page: what ran, and the answers to four questions."""

from reports.page import formatting
from reports.page.parts import ENDINGS, Answer, Question
from reports.page.words import TRANSPORTS, count, size
from reports.records import sent
from reports.records.schema import RunConfig, RunJson, is_batch
from reports.run.outcome import Outcome
from reports.run.report import RunReport
from reports.run.sections.evenness import Evenness
from reports.run.sections.faults import faults_in_words
from reports.run.sections.slo import Criterion
from reports.run.sections.validity import Code
from reports.run.verdict import outcome

DEPLOYMENTS = {
    "compose": "containers behind nginx",
    "stack": "a Docker Swarm stack behind nginx",
    "local": "local processes behind nginx",
    "url": "a server given by its URL",
}

_PASSED = Question("Did it pass?", "verdict", "Criteria")
_FAST = Question("How fast was it?", "latency", "Latency")
_EVEN = Question("Was it evenly spread?", "distribution", "Distribution")
_TRUSTED = Question("Can I trust it?", "isolation", "What was checked")
_NAMES = {"success_rate": "success", "total_p99_s": "p99 of total"}
_BOUNDS = {"success_rate": "at least", "total_p99_s": "below"}
_OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "passed": ("Passed", "good"),
    "failed": ("Failed", "bad"),
    "cut short": ("Cut short", "caution"),
    "invalid": ("Invalid", "caution"),
}
REASONS: dict[Code, str] = {
    "isolation_violated": "sessions were not isolated",
    "waits_wrong": "reported waits cannot be true",
    "incident": "a part of the deployment died",
    "generator_saturated": "the load generator was the limit",
}
"""Why a run that met its objective has not passed all the same."""
DOUBTS: dict[Code, str] = {
    "generator_late": "the generator was late itself",
    "littles_law": "users’ time is not accounted for",
}
"""Why a run is doubtful."""
_EVENNESS: dict[Evenness | None, tuple[str, str]] = {
    "single": ("One known", "unknown"),
    "too few": ("Too few", "unknown"),
    "even": ("Evenly", "good"),
    "by chance": ("By chance", "unknown"),
    "nearly even": ("Nearly", "good"),
    "uneven": ("Unevenly", "caution"),
    "very uneven": ("Very unevenly", "caution"),
    None: ("Unknown", "unknown"),
}


def headline(run: RunJson) -> str:
    """The load and where it went, in a line."""
    config, topology = run["config"], run["topology"]
    who = count(config["users"], f"{TRANSPORTS[config['transport']]} user")
    if is_batch(run):
        who = f"Batch of {who}"
    if (group := config.get("group")) is not None:
        groups = count(config["users"] // group, "group")
        who = f"{groups} of {group} {TRANSPORTS[config['transport']]} rollouts"
    if (trace := config.get("trace")) is not None:
        sessions = count(trace["sessions"], f"{TRANSPORTS[config['transport']]} session")
        who = f"Replay of {count(trace['steps'], 'step')} in {sessions}"
    elif (arrivals := config.get("arrivals")) is not None:
        process, _, numbers = arrivals.partition(":")
        rate, of = numbers.partition(":")[0], config.get("arrivals_of", "sessions")
        who = f"{rate} {TRANSPORTS[config['transport']]} {of}/s, {process}"
    where = config["url"]
    if topology["replicas"] is not None:
        where = size(topology["replicas"], topology["workers"])
    broken = faults_in_words(run)
    return f"{who} on {where}{f', with {broken}' if broken else ''}"


def facts(report: RunReport) -> list[str]:
    """When, how long and how it ran."""
    config = report.run["config"]
    where = DEPLOYMENTS[config["deployment"]]
    return [
        formatting.moment(report.run["started_at"]),
        f"ran {formatting.duration(report.totals.duration_s)}",
        f"{where}, {config['balancing']}" if config["balancing"] else where,
        *environment(config),
        *(["all at once, one step each"] if is_batch(report.run) else []),
        *([f"load {config['shape']}"] if config.get("shape") else []),
        sent.sent(config),
        *(["certificate not checked"] if config.get("tls_verified") is False else []),
    ]


def environment(config: RunConfig) -> list[str]:
    """The name and version of another environment than the Benchmark one."""
    served = config.get("environment")
    if served is None or not ("directory" in served or "content" not in served):
        return []
    return [" ".join([served["name"], served.get("version", "")]).strip()]


def answers(report: RunReport) -> list[Answer]:
    """Whether it passed, how fast it was, whether it was evenly spread, and whether to trust it."""
    return [_passed(report), _fast(report), _even(report), _trusted(report)]


def _passed(report: RunReport) -> Answer:
    totals = report.totals
    facts = [
        (_NAMES[each.name], f"{criterion_value(each)}, {_BOUNDS[each.name]} {criterion_limit(each)}")
        for each in report.slo.criteria
    ]
    facts.append(
        ("failed", f"{formatting.count(totals.failures)} of {count(totals.operations, 'operation')}")
    )
    if totals.users_shut_out:
        shut_out = f"{formatting.count(totals.users_shut_out)} of {count(totals.users, 'user')}"
        facts.append(("without any step", shut_out))
    if broken := faults_in_words(report.run):
        facts.append(("broken on purpose", broken))
    if report.slo.passed:
        facts += [("but", why) for each in report.validity.reasons if (why := REASONS.get(each.code))]
    return _PASSED.answer(*_OUTCOMES[outcome(report)], facts)


def _fast(report: RunReport) -> Answer:
    summaries = report.latency.summaries
    facts = [
        (f"{name} p50 / p99", f"{formatting.seconds(found.p50)} / {formatting.seconds(found.p99)}")
        for name in ("step", "overhead", "total")
        if (found := summaries.get(name))
    ]
    if (good := report.goodput) is not None and (report.rollouts or report.arrivals or good.share < 1):
        facts.append(("goodput", f"{formatting.significant(good.per_s)} {good.unit}/s"))
    if not report.totals.steps:
        return _FAST.answer("No steps", "unknown", facts or [("step", "none succeeded")])
    if "overhead" not in summaries:
        facts.insert(1, ("overhead", "unknown, not reported"))
    return _FAST.answer(formatting.rate(report.totals.throughput_steps_per_s), "", facts)


def _even(report: RunReport) -> Answer:
    spread = report.distribution
    parts, fairness = spread.judged_parts, spread.judged_fairness
    if fairness is None:
        return _EVEN.answer("Unknown", "unknown", _unknown_spread(report))
    over_workers = spread.worker_fairness is not None
    noun = "worker" if over_workers else "replica"
    most = max(part.share for part in parts)
    idle = sum(part.idle for part in parts)
    expected = spread.expected_workers if over_workers else spread.expected_replicas
    none_idle = f"no {noun}" if expected is not None else f"unknown, only {noun}s that answer show"
    facts = [
        ("Jain’s index", f"{formatting.significant(fairness.jain)}, {count(len(parts), noun)}"),
        (
            "largest share of steps",
            f"{formatting.percent(most)}, fair {formatting.percent(1 / len(parts))}"
            if most
            else "no step succeeded",
        ),
        ("idle", count(idle, noun) if idle else none_idle),
    ]
    if not over_workers:
        facts.append(("workers", "unknown, replies name no process"))
    return _EVEN.answer(*_EVENNESS[spread.evenness], facts)


def _unknown_spread(report: RunReport) -> list[tuple[str, str]]:
    if not report.totals.steps:
        return [("spread", "nothing, no step succeeded")]
    return [
        ("answered by", "unknown, no reply names its host"),
        ("to find out", "let the balancer name its upstream"),
    ]


def _trusted(report: RunReport) -> Answer:
    isolation, spread = report.isolation, report.distribution
    unchecked = report.run["config"]["transport"] == "ws" and not isolation.sessions_checked
    in_part = bool(spread.replicas and spread.unattributed_steps)
    if isolation.sessions_checked:
        checked = count(isolation.sessions_checked, "session")
        isolated = f"{count(isolation.violations, 'violation')} in {checked}"
    elif isolation.violations:
        isolated = count(isolation.violations, "violation")
    else:
        named = unchecked and report.totals.steps
        isolated = "unknown, replies name no session" if named else "not checked"
    facts = [
        ("run", ENDINGS[report.run["status"]]),
        ("isolation", isolated),
        *([("unattributed", count(spread.unattributed_steps, "step"))] if in_part else []),
        ("notices", formatting.count(len(report.notices)) if report.notices else "none"),
        *(("doubt", DOUBTS[doubt.code]) for doubt in report.validity.doubts),
        *([] if report.validity.valid else [("in comparisons", "leave it out")]),
    ]
    return _TRUSTED.decide(
        facts,
        (not report.totals.operations, "No data", "unknown"),
        (isolation.violations, "Not isolated", "bad"),
        (report.waits and report.waits.wrong, "Wrong waits", "bad"),
        (report.validity.doubts, "Doubtful", "caution"),
        (report.notices or in_part or report.run["status"] != "completed", "With care", "caution"),
        (unchecked, "In part", "unknown"),
        (True, "No objection", "good"),
    )


def criterion_value(criterion: Criterion) -> str:
    """What was measured, in the criterion's unit."""
    form = formatting.seconds if criterion.name.endswith("_s") else formatting.percent
    return form(criterion.value)


def criterion_limit(criterion: Criterion) -> str:
    """The limit, in the criterion's unit."""
    form = formatting.seconds if criterion.name.endswith("_s") else formatting.limit
    return form(criterion.limit)
