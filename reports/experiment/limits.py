"""What a deployment hit first, and how to lift it: decided here for experiments and capacity searches alike.

What failed says it first, then what was slow, then what was busy.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from reports.page.words import count, listing, printable, seconds
from reports.statistics.saturation import BUSY_WORKERS, SATURATED_SHARE, SHARED_SHARE, Cpu

LimitKind = Literal["errors", "latency", "throughput", "open_files", "generator", "cap", "time", "none"]
"""`throughput`: it stopped growing although the objective was met. `cap` and `time` end a search only."""
Outcome = Literal["missed", "fell", "met"]
"""The objective was missed; it was met, but more users had no more throughput; it was met by all."""
Busy = Literal["generator", "machine", "others", "workers", "unknown"]

_TOO_SLOW = ("connect_timeout", "timeout")
_NO_FILES = ("Too many open files", "Errno 24")
_NO_PORTS = ("Cannot assign requested address", "Errno 99")
_WORTH_A_WORD = 0.1
"""Of all failures: from here on a further category is named too."""
_HELD_OF_MOST = re.compile(r"\d{1,9}/(\d{1,9}) sessions")
"""OpenEnv's words for how many sessions a full process holds, and may hold."""

_BUSY_NAMES: dict[Busy, str] = {
    "generator": "the load generator",
    "machine": "the whole machine",
    "others": "the machine, with other programs",
    "workers": "the workers",
    "unknown": "nothing that was measured",
}
_OPS = {
    "connect": "connecting",
    "reset": "the reset",
    "overhead": "the step beyond its wait",
    "step": "the step",
}
_LOG = "read the server's log"
_ERRORS = {
    "capacity": ("sessions were turned away (CAPACITY_REACHED)", _LOG),
    "refused": ("connections were refused", "BACKLOG"),
    "connect_timeout": ("connections were not open in time", "add workers or replicas; BACKLOG"),
    "handshake": (
        "connections ended before they were open",
        "raise the limits of open files and connections of balancer and servers; add workers",
    ),
    "timeout": ("resets or steps had no reply in time", "add workers or replicas"),
    "connection_lost": (
        "connections broke while in use",
        f"{_LOG}: a worker may have been killed or restarted",
    ),
    "http_5xx": ("requests failed with an HTTP status of 500 or more", f"{_LOG} and the balancer's"),
    "http_4xx": ("requests were refused with an HTTP status of 400 to 499", _LOG),
    "validation": ("actions were refused", "check ACTION against the environment's schema"),
    "protocol": (
        "replies were not OpenEnv's",
        "check that the URL is of an OpenEnv server of this version",
    ),
}
"""By category what happened, in words that follow a number, and what to do."""


@dataclass(frozen=True)
class Limit:
    """What keeps a deployment from carrying more."""

    kind: LimitKind
    explanation: str
    remedy: str
    lower_bound: bool = False
    """Whether the deployment may carry more than was found: the limit is not its own."""
    busy: Busy = "unknown"
    """What was busy, whatever the limit."""
    failed: str | None = None
    """What failed, in a few words; None where the limit is no failure."""

    @property
    def name(self) -> str:
        """What failed, or what was busy, in a few words."""
        return self.failed or _BUSY_NAMES[self.busy]

    @property
    def sentence(self) -> str:
        """What it is and how to lift it."""
        return " ".join(sentence(text) for text in (self.explanation, self.remedy) if text)


@dataclass(frozen=True)
class FullWorkers:
    """Workers, or hosts where workers cannot be told apart, of a server that turned sessions away."""

    workers: int | None = None
    each: int | None = None
    """Sessions that a full one held."""
    total: int | None = None
    """Sessions that the server holds altogether; None where unknown."""
    uneven: bool = False
    """Whether some were full while others had room."""
    noun: Literal["worker", "host"] = "worker"


@dataclass(frozen=True)
class Evidence:
    """What was seen under one load."""

    load: str
    """`in batches of 64 sessions`, `with 64 users`."""
    outcome: Outcome
    cpu: Cpu | None
    errors: Mapping[str, int] = field(default_factory=dict)
    """Failed operations by category; empty where no more failed than the objective allows."""
    examples: Mapping[str, str] = field(default_factory=dict)
    """What was said about one failure of each category."""
    full: FullWorkers | None = None
    """Where sessions were turned away."""
    too_slow: str = ""
    """How total time missed its bound, in words; empty where it did not, or where that is said elsewhere."""
    slowest: Mapping[str, float] = field(default_factory=dict)
    """p99 of connect, reset, overhead and step in seconds; empty where total time met its bound."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What was under load and what made the load, as far as limits and remedies depend on it."""

    cores: int | None
    """Of the machine that the deployment runs on; None where unknown, as behind a URL."""
    generator_cores: int | None = None
    """Of the machine that made the load."""
    processes: int
    processes_setting: str = "PROCESSES"
    """What gives the generator more of them."""
    workers: int | None
    """Of each replica."""
    total_workers: int | None = None
    reuse_port: bool | None
    """None where unknown, behind a URL."""
    is_url: bool = False
    """Whether the server is not ours, so that our settings do not reach it."""
    connect_timeout_s: float | None
    step_timeout_s: float | None
    brief: bool = True
    """Whether the load was over too soon for averages to mean much."""


@dataclass(frozen=True)
class _Use:
    """What was busy under a load, in words, and what to do about it."""

    busy: Busy
    words: str
    remedy: str
    lower_bound: bool = False


def find_limit(seen: Evidence, setup: Setup) -> Limit:
    """The limit that one load shows."""
    use = _use(seen, setup)
    if not seen.errors:
        return _slow(seen, use)
    category = max(seen.errors, key=lambda name: seen.errors[name])
    limit = turned_away(seen.full, setup) if category == "capacity" else _failed(category, seen, setup, use)
    few = _WORTH_A_WORD * sum(seen.errors.values())
    others = [
        f"{number:,} {_error_words(name, setup)[0]}"
        for name, number in seen.errors.items()
        if name != category and number >= few
    ]
    besides = f"; besides, {listing(others)}" if others else ""
    return replace(limit, explanation=limit.explanation + besides, busy=use.busy)


def most_sessions(example: str) -> int | None:
    """How many sessions a full process says that it may hold; None where it does not say."""
    found = _HELD_OF_MOST.search(example)
    return int(found[1]) if found else None


def _slow(seen: Evidence, use: _Use) -> Limit:
    """The limit where what failed, if anything did, is within the objective."""
    parts = [seen.too_slow]
    if longest := max(seen.slowest, key=lambda op: seen.slowest[op], default=None):
        most = "most of it" if seen.too_slow else "most of total time"
        parts.append(f"{most} went to {_OPS[longest]} (p99 {seconds(seen.slowest[longest])})")
    parts.append(use.words)
    kinds: dict[Outcome, LimitKind] = {"missed": "latency", "fell": "throughput", "met": "none"}
    return Limit(
        "generator" if use.busy == "generator" else kinds[seen.outcome],
        "; ".join(filter(None, parts)) or "what was busy was not recorded",
        use.remedy,
        lower_bound=use.lower_bound,
        busy=use.busy,
    )


def turned_away(full: FullWorkers | None, setup: Setup) -> Limit:
    """The limit of a server that is full, or some of whose workers are."""
    full = full or FullWorkers()
    many = full.workers or 1
    if full.total is None:
        holds = f": a full {full.noun} holds {full.each:,}" if full.each else ""
    elif full.noun == "host" or many == 1:
        holds = f": it holds {full.total:,}"
    elif full.each is not None and full.each * many == full.total:
        holds = f": it holds {full.each:,} in each of {many:,} workers"
    else:
        holds = f": it holds {full.total:,} in {many:,} workers"
    if full.uneven:
        holds += (
            f", but sessions are not spread evenly over its {count(many, full.noun)}: some are full and turn "
            "sessions away while others have room"
        )
    larger = "raise MAX_CONCURRENT_ENVS"
    if setup.is_url:
        larger = "raise the server's limit (max_concurrent_envs, where its app is created)"
    remedy = (
        f"{_spread_better(setup)}, or {larger}" if full.uneven else f"{larger}, or add workers or replicas"
    )
    explanation = f"the server turns sessions away (CAPACITY_REACHED){holds}"
    return Limit("errors", explanation, remedy, failed=_ERRORS["capacity"][0])


def _spread_better(setup: Setup) -> str:
    if setup.is_url:
        return "have its balancer spread sessions by least connections"
    if setup.reuse_port is False:
        return "spread sessions better with REUSE_PORT=1"
    if (setup.workers or 0) > 1:
        return "spread sessions better with more replicas of one worker each and BALANCING=least_conn"
    return "spread sessions better with BALANCING=least_conn"


def _failed(category: str, seen: Evidence, setup: Setup, use: _Use) -> Limit:
    """The limit that failures of one category show."""
    example = printable(seen.examples.get(category, ""))
    said = f" ({example})" if example else ""
    number = seen.errors[category]
    if any(words in example for words in _NO_FILES):
        return Limit(
            "open_files",
            f"{seen.load}, {count(number, 'operation')} failed for lack of open files{said}",
            "raise the limit of open files (ulimit -n) for the generator and the servers",
            failed="no more files could be opened",
        )
    if any(words in example for words in _NO_PORTS):
        return Limit(
            "generator",
            f"{seen.load}, the generator ran out of ports to connect from{said}",
            "widen net.ipv4.ip_local_port_range, or generate the load on more machines",
            lower_bound=True,
            failed="no ports were left to connect from",
        )
    what, remedy = _error_words(category, setup)
    limit = Limit("errors", f"{seen.load}, {number:,} {what}{said}", remedy, failed=what)
    if category not in _TOO_SLOW or not use.words:
        return limit
    limit = replace(limit, explanation=f"{limit.explanation}; {use.words}")
    if use.busy == "generator":
        return replace(limit, kind="generator", remedy=use.remedy, lower_bound=True)
    if use.busy in ("machine", "others"):
        return replace(limit, remedy=use.remedy, lower_bound=use.lower_bound)
    return limit


def _error_words(category: str, setup: Setup) -> tuple[str, str]:
    """What happened, in words that follow a number, and what to do."""
    what, remedy = _ERRORS.get(category, (f"operations failed ({printable(category, 60)})", _LOG))
    backlog = "raise the accept backlog (BACKLOG, net.core.somaxconn)"
    if setup.is_url:
        backlog = "raise the server's accept backlog (net.core.somaxconn)"
    within = {"connect_timeout": setup.connect_timeout_s, "timeout": setup.step_timeout_s}.get(category)
    in_time = "in time" if within is None else f"within {within:g} s"
    return what.replace("in time", in_time), remedy.replace("BACKLOG", backlog)


def _use(seen: Evidence, setup: Setup) -> _Use:
    """What was busy: the whole machine, the generator, the workers, or nobody knows."""
    cpu = seen.cpu
    met = seen.outcome == "met"
    remedy = "more users may find the limit (USERS=…)" if met else "add workers or replicas"
    if cpu is None or (cpu.generator_mean is None and cpu.replicas_mean is None):
        return _Use("unknown", "", remedy)
    named = {
        "load generator": cpu.generator_mean,
        "replicas": cpu.replicas_mean,
        "nginx": cpu.nginx_mean,
        "other programs": cpu.others_mean,
    }
    parts = [f"{name} {value:.2f}" for name, value in named.items() if value is not None]
    used = f"cores kept busy on average: {listing(parts)}"
    others, cores, here = cpu.others_mean or 0.0, setup.cores, setup.generator_cores
    whole = (cpu.total_mean or 0.0) + others
    saturated = cpu.saturated_generator(brief=setup.brief)
    if cores is None and here and whole >= SATURATED_SHARE * here:
        return _Use(
            "machine",
            f"this whole machine of {count(here, 'core')} was busy ({used}): where the server is among the "
            "other programs, it and the load generator competed for it",
            "generate the load on another machine",
            lower_bound=True,
        )
    shared = bool(cores) and others >= SHARED_SHARE * (cores or 0)
    quiet = "measure again when the machine is quiet"
    if cores and whole >= SATURATED_SHARE * cores:
        too = ", and a load generator process used all that it can" if saturated else ""
        full = f"the whole machine of {count(cores, 'core')} was busy ({used}{too})"
        bigger = "use a machine with more cores, or generate the load on another one"
        if not shared:
            return _Use("machine", full, bigger, lower_bound=bool(saturated))
        partly = "part of it with other programs, so the limit may lie higher when it is quiet"
        return _Use("others", f"{full}, {partly}", f"{quiet}; else {bigger}", lower_bound=bool(saturated))
    use = _use_of_parts(saturated, used, cpu, remedy, setup, met=met)
    if not shared:
        return use
    kept = f"other programs kept {others:.1f} of {count(cores or 0, 'core')} busy meanwhile"
    return replace(use, words=f"{use.words}; {kept}", remedy=f"{quiet}; else {use.remedy}")


def _use_of_parts(
    saturated: float | None, used: str, cpu: Cpu, remedy: str, setup: Setup, *, met: bool
) -> _Use:
    """Which part was at its limit on a machine that was not."""
    if saturated:
        return _Use(
            "generator",
            f"a load generator process kept {saturated:.2f} of a core busy, which is all that it can "
            f"({used}): the server may hold more",
            f"use more load generator processes ({setup.processes_setting}={2 * setup.processes}), or more "
            "machines",
            lower_bound=True,
        )
    workers = setup.total_workers
    if workers and cpu.replicas_mean is not None and cpu.replicas_mean >= BUSY_WORKERS * workers:
        each = "worker used nearly a core" if workers == 1 else f"{workers:,} workers used nearly a core each"
        return _Use("workers", f"the {each} ({used})", "add workers or replicas")
    of = f" of {setup.cores}" if setup.cores else ""
    unknown = "" if met else ": what it waited for is unknown, but may be a cap, a lock or a queue"
    return _Use("unknown", f"nothing that was recorded was at its limit ({used}{of}){unknown}", remedy)


def sentence(text: str) -> str:
    """Foreign words as a sentence: with a capital and a full stop, on one line."""
    line = printable(text, 1000)
    return f"{line[:1].upper()}{line[1:]}{'' if line.endswith(('.', '!', '…')) else '.'}"
