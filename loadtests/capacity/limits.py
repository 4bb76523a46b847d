"""What a capacity search hit first, and how to lift it, in plain words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from loadtests.capacity.batch_outcome import BatchOutcome
from loadtests.capacity.search import Answer
from reports.page.words import count, seconds, share
from reports.statistics.saturation import SATURATED_CORES, SATURATED_SHARE, SHARED_SHARE

LimitKind = Literal["errors", "latency", "open_files", "generator", "cap", "time"]
Stop = Literal["found", "budget", "interrupted", "ended", "broken", "failed"]
"""Why the search ended: it was over, its time was up, Ctrl-C, the deployment died, the generator failed, or
something else did: the disk was full, for instance."""

_UNFINISHED = ("budget", "interrupted", "broken", "failed")

_TOO_SLOW = ("connect_timeout", "timeout")
_NO_FILES = ("Too many open files", "Errno 24")
_NO_PORTS = ("Cannot assign requested address", "Errno 99")


@dataclass(frozen=True)
class Limit:
    """What keeps the deployment from holding more sessions."""

    kind: LimitKind
    explanation: str
    remedy: str
    lower_bound: bool = False
    """Whether the deployment may hold more than was found: the limit is not its own."""


@dataclass(frozen=True)
class Ceiling:
    """The largest batch that may be tried, and what sets it."""

    users: int
    kind: Literal["cap", "open_files"]
    explanation: str
    remedy: str


@dataclass(frozen=True)
class Setup:
    """What the search ran with, as far as remedies depend on it."""

    ceiling: Ceiling
    budget_s: float
    step_timeout_s: float
    connect_timeout_s: float
    processes: int
    cores: int | None
    success_rate: float
    workers: int | None
    reuse_port: bool | None
    """None where unknown, behind a URL."""
    is_url: bool = False
    """Whether the server is not ours, so that our settings do not reach it."""


def find_limit(outcomes: Sequence[BatchOutcome], answer: Answer, stop: Stop, setup: Setup) -> Limit:
    """What the search hit first: what the nearest batches beyond the answer failed of, else what ended it."""
    ended = next((outcome for outcome in outcomes if outcome.ended), None)
    if ended is not None:
        return Limit(
            "errors",
            f"in the batch of {count(ended.users, 'session')} a part of the deployment died: "
            + " ".join(ended.ended),
            "read its log, which stays in .deployments, and look for too little memory",
        )
    missed = [each for each in outcomes if not each.met and not each.broken and each.users > answer.max_batch]
    if answer.server_cap is not None and answer.sessions == answer.server_cap:
        return _capacity([each for each in outcomes if each.turned_away], answer, setup)
    if missed:
        nearest = min(each.users for each in missed)
        limit = _of_failures([each for each in missed if each.users == nearest], answer, setup)
        return replace(limit, lower_bound=limit.lower_bound or stop in _UNFINISHED)
    if stop in _UNFINISHED:
        return _time(stop, answer, setup)
    return Limit(setup.ceiling.kind, setup.ceiling.explanation, setup.ceiling.remedy, lower_bound=True)


def _main_error(outcomes: Sequence[BatchOutcome]) -> str | None:
    errors: Counter[str] = Counter()
    for outcome in outcomes:
        errors.update(outcome.errors)
    return errors.most_common(1)[0][0] if errors else None


def _of_failures(missed: Sequence[BatchOutcome], answer: Answer, setup: Setup) -> Limit:
    """The limit that batches of one size show, which all missed the objective."""
    too_few = [each for each in missed if each.success_rate < setup.success_rate]
    category = _main_error(missed)
    if 2 * len(too_few) <= len(missed) or category is None:
        return _beside_others(_latency(missed, setup), missed, setup)
    if category == "capacity":
        return _capacity(missed, answer, setup)
    limit = _errors(category, missed, setup)
    return _beside_others(limit, missed, setup) if category in _TOO_SLOW else limit


def _capacity(refusing: Sequence[BatchOutcome], answer: Answer, setup: Setup) -> Limit:
    full = [held for each in refusing for held in each.full_workers.values()]
    each_holds = max(full, default=0)
    workers = refusing[0].expected_workers or max(len(each.workers) for each in refusing)
    cap = answer.server_cap
    says = "the server turns sessions away (CAPACITY_REACHED)"
    more = f"{_larger_cap(setup)}, or add workers or replicas"
    known = all(pid is not None for each in refusing for _, pid in each.full_workers)
    noun = "worker" if known else "host"
    if cap is not None:
        holds = f"it holds {each_holds:,} in each of {workers:,} workers"
        if not known or workers == 1:
            holds = f"it holds {cap:,}"
        elif each_holds * workers != cap:
            holds = f"it holds {cap:,} in {count(workers, 'worker')}"
        if answer.sessions >= cap:
            return Limit("errors", f"{says}: {holds}", more)
        return Limit(
            "errors",
            f"{says}: {holds}, but sessions do not come to its {noun}s evenly: some are full and turn "
            "sessions away while others have room",
            f"{_spread_better(setup)}, or {_larger_cap(setup)}",
        )
    if each_holds and any(len(each.full_workers) < workers for each in refusing):
        return Limit(
            "errors",
            f"{says}: sessions do not come to its {count(workers, noun)} evenly, and those that hold "
            f"{each_holds:,} are full while others have room",
            f"{_spread_better(setup)}, or {_larger_cap(setup)}",
        )
    return Limit("errors", says, more)


def _larger_cap(setup: Setup) -> str:
    if setup.is_url:
        return "raise the server's limit (max_concurrent_envs, where its app is created)"
    return "raise MAX_CONCURRENT_ENVS"


def _spread_better(setup: Setup) -> str:
    if setup.is_url:
        return "have its balancer spread sessions by least connections"
    if setup.reuse_port is False:
        return "spread sessions better with REUSE_PORT=1"
    if (setup.workers or 0) > 1:
        return "spread sessions better with more replicas of one worker each and BALANCING=least_conn"
    return "spread sessions better with BALANCING=least_conn"


def _errors(category: str, missed: Sequence[BatchOutcome], setup: Setup) -> Limit:
    failures = sum(each.errors.get(category, 0) for each in missed)
    example = next((each.example[category] for each in missed if each.example.get(category)), "")
    said = f" ({example})" if example else ""
    largest = count(missed[0].users, "session")
    if any(words in example for words in _NO_FILES):
        return Limit(
            "open_files",
            f"in batches of {largest} {failures:,} operations failed for want of open files{said}",
            "raise the limit of open files (ulimit -n) for the generator and the servers",
        )
    if any(words in example for words in _NO_PORTS):
        return Limit(
            "generator",
            f"in batches of {largest} the generator ran out of ports to connect from{said}",
            "widen net.ipv4.ip_local_port_range, or make load from more machines",
            lower_bound=True,
        )
    if category in _TOO_SLOW and (saturated := _saturated_generator(missed, setup)):
        return saturated
    what, remedy = _error_words(category, setup)
    return Limit("errors", f"in batches of {largest} {failures:,} {what}{said}", remedy)


def _error_words(category: str, setup: Setup) -> tuple[str, str]:
    log = "read the server's log"
    match category:
        case "refused":
            return "connections were refused", "raise the accept backlog (BACKLOG, net.core.somaxconn)"
        case "connect_timeout":
            return (
                f"connections were not open within {setup.connect_timeout_s:g} s",
                "add workers or replicas; raise the accept backlog (BACKLOG, net.core.somaxconn)",
            )
        case "handshake":
            return (
                "connections were ended before they were open",
                "raise the limits of open files and connections of balancer and servers; add workers",
            )
        case "timeout":
            return (
                f"resets or steps had no reply within {setup.step_timeout_s:g} s",
                "add workers or replicas",
            )
        case "connection_lost":
            return "connections broke while in use", f"{log}: a worker may have been killed or restarted"
        case "http_5xx":
            return "requests failed with an HTTP status of 500 or more", f"{log} and the balancer's"
        case "http_4xx":
            return "requests were refused with an HTTP status of 400 or more", log
        case "validation":
            return "actions were refused", "check ACTION against the environment's schema"
        case "protocol":
            return "replies were not OpenEnv's", "check that the URL is of an OpenEnv server of this version"
        case _:
            return f"operations failed ({category})", log


def _latency(missed: Sequence[BatchOutcome], setup: Setup) -> Limit:
    worst = max(missed, key=lambda each: each.total_p99_s or 0.0)
    if worst.total_p99_s is None:
        return Limit("errors", "no step succeeded", "look into the report of the smallest batch that failed")
    slowest = max(worst.slowest, key=lambda op: worst.slowest[op], default=None)
    explanation = (
        f"total time: in batches of {count(worst.users, 'session')} 99 % took up to "
        f"{seconds(worst.total_p99_s)}, and must take less than {seconds(worst.total_limit_s)}"
    )
    if slowest is not None:
        names = {
            "connect": "connecting",
            "reset": "the reset",
            "overhead": "the step beyond its wait",
            "step": "the step",
        }
        explanation += f"; most of it went to {names[slowest]} (p99 {seconds(worst.slowest[slowest])})"
    if saturated := _saturated_generator(missed, setup):
        return replace(saturated, explanation=f"{explanation}; {saturated.explanation}")
    busy, cores = worst.busy_cores, setup.cores
    if busy is not None and cores and busy + (worst.other_cores or 0.0) >= SATURATED_SHARE * cores:
        return Limit(
            "latency",
            f"{explanation}; load generator and servers kept {busy:.1f} of {count(cores, 'core')} busy",
            "take a machine with more cores, or make the load from another one",
        )
    return Limit("latency", explanation, "add workers or replicas")


def _beside_others(limit: Limit, missed: Sequence[BatchOutcome], setup: Setup) -> Limit:
    """The limit with what other programs of the machine kept busy, where that was much."""
    most = max((each.other_cores for each in missed if each.other_cores is not None), default=0.0)
    if not setup.cores or most < SHARED_SHARE * setup.cores:
        return limit
    busy = f"other programs kept up to {most:.1f} of {count(setup.cores, 'core')} busy meanwhile"
    return replace(
        limit,
        explanation=f"{limit.explanation}; {busy}",
        remedy=f"search again when the machine is quiet; else {limit.remedy}",
    )


def _saturated_generator(missed: Sequence[BatchOutcome], setup: Setup) -> Limit | None:
    measured = [each.generator_cores for each in missed if each.generator_cores is not None]
    if not measured or max(measured) < SATURATED_CORES:
        return None
    remedy = f"make the load with more processes, PROCESSES={2 * setup.processes}, or from more machines"
    return Limit(
        "generator",
        f"a load generator process kept {max(measured):.2f} of a core busy, which is all that it can: "
        "the server may hold more",
        remedy,
        lower_bound=True,
    )


def _time(stop: Stop, answer: Answer, setup: Setup) -> Limit:
    ended = {
        "budget": f"the time was up, BUDGET of {setup.budget_s:,.0f} s",
        "interrupted": "the search was stopped by Ctrl-C",
        "broken": "the load generator failed",
        "failed": "the search could not go on",
    }[stop]
    bound = "no larger batch was tried" if answer.max_batch else "no batch had met the objective"
    remedy = f"give it more time, BUDGET={2 * setup.budget_s:.0f}" if stop == "budget" else "search again"
    return Limit("time", f"{ended}, and {bound}", remedy, lower_bound=True)


def success_words(outcome: BatchOutcome) -> str:
    """A batch in a few words: how many succeeded, how slow they were, and whether that met the objective."""
    p99 = f", p99 of total {seconds(outcome.total_p99_s)}" if outcome.total_p99_s is not None else ""
    return f"{share(outcome.success_rate)} succeeded{p99} — {'met' if outcome.met else 'missed'}"
