"""Who answered: sessions and steps of every replica and worker against their fair share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reports.page.words import count, factor, listing, printable, share
from reports.records.schema import RunConfig, Topology, expected_workers
from reports.records.steps import STEP, Answers, Bools, Codes, Ints, Sessions, Steps, sessions_of
from reports.run.sections.evenness import (
    Evenness,
    Fairness,
    evenness_in_words,
    fairness_of,
    judge_evenness,
)
from reports.statistics.groups import counts_of, first_of_each, pieces

_NOTABLE_RATIO = 1.1
_UNKNOWN = "No reply said which host or process it came from, so how the load was spread is unknown."
_NO_STEP = "No step succeeded, so none was spread."
_HOW_TO_KNOW = (
    "To know it, let the balancer name the replica that it chose in a response header (nginx: add_header "
    "X-Upstream $upstream_addr always;), or observations their host_url, pid and session_hash."
)
_IP_HASH = (
    "Balancing is ip_hash, which sends everything from one address to one replica: "
    "a single generator machine cannot load more than one."
)


@dataclass(frozen=True)
class ReplicaShare:
    """What one replica carried."""

    host: str
    name: str
    """The name to show: the deployment's for it, else the host."""
    sessions: int
    steps: int
    share: float
    """Its steps over all attributed steps, 0…1."""

    @property
    def idle(self) -> bool:
        return not self.sessions and not self.steps


@dataclass(frozen=True)
class WorkerShare(ReplicaShare):
    """What one worker process carried. An expected worker that got nothing has no pid."""

    pid: int | None


@dataclass(frozen=True)
class Distribution:
    """How a run was spread. Both lists are empty where no reply named who answered."""

    replicas: list[ReplicaShare]
    workers: list[WorkerShare]
    replica_fairness: Fairness | None
    worker_fairness: Fairness | None
    expected_workers: int | None
    """Replicas × workers as deployed; None where unknown."""
    unit: str
    """What fairness counts: sessions or steps."""
    unattributed_steps: int
    """Successful steps whose reply named no host, neither in its observation nor in a header."""
    takeaways: list[str]
    evenness: Evenness | None = None
    """Of the spread over workers, or over replicas where workers are unknown; None where both are."""
    expected_replicas: int | None = None
    """As deployed; None where unknown."""

    @property
    def judged_parts(self) -> Sequence[ReplicaShare]:
        """What `judged_fairness` is over: workers where the spread over them is known, else replicas."""
        return self.replicas if self.worker_fairness is None else self.workers

    @property
    def judged_fairness(self) -> Fairness | None:
        return self.worker_fairness or self.replica_fairness


def summarize(steps: Steps, answers: Answers, topology: Topology, config: RunConfig) -> Distribution:
    """Counts what every replica and worker carried.

    Over WebSocket a session belongs to the worker that answered it first; over HTTP the sessions of a worker
    are the users that it answered. A replica or worker that was deployed and never answered counts with zero.
    Where steps of a host name no process, how even the spread over workers was is unknown.
    """
    step = steps.successes(STEP)
    sessions = sessions_of(steps, answers)
    by_sessions = config["transport"] == "ws" and sessions.count > 0
    unit = "sessions" if by_sessions else "steps"
    by_host = _carried(steps, sessions, answers.host, len(answers.hosts))
    by_worker = _carried(steps, sessions, answers.worker, len(answers.workers))
    attributed = sum(carried for _, carried in by_host)
    replicas = _replicas(answers, topology, by_host, attributed) if any(map(any, by_host)) else []
    workers = [
        worker
        for replica in (replicas if answers.workers else [])
        for worker in _workers_of(replica, answers, topology["workers"], by_worker, attributed)
    ]
    # Users keep their HTTP connections, so their steps are not placed independently, as the test assumes.
    independent = by_sessions or config["transport"] == "ws"
    replica_loads, worker_loads = ([getattr(part, unit) for part in parts] for parts in (replicas, workers))
    replica_fairness = fairness_of(replica_loads, independent=independent)
    all_named = all(worker.pid is not None or worker.idle for worker in workers)
    worker_fairness = fairness_of(worker_loads, independent=independent) if all_named else None
    spread = Distribution(
        replicas=replicas,
        workers=workers,
        replica_fairness=replica_fairness,
        worker_fairness=worker_fairness,
        expected_workers=expected_workers(topology),
        unit=unit,
        unattributed_steps=int(np.count_nonzero(step & (answers.host < 0))),
        takeaways=[],
        evenness=judge_evenness(worker_fairness, worker_loads)
        or judge_evenness(replica_fairness, replica_loads),
        expected_replicas=topology["replicas"],
    )
    return replace(spread, takeaways=list(_takeaways(spread, config["balancing"])))


def _count(codes: Codes, parts: int) -> Ints:
    """How many rows each part has; rows of unknown parts (-1) are left out."""
    return counts_of(codes, parts, codes >= 0)


def _carried(steps: Steps, sessions: Sessions, part: Codes, parts: int) -> list[tuple[int, int]]:
    """The (sessions, steps) of each part."""
    step = steps.successes(STEP)
    counts = _sessions(steps, sessions, part, parts), counts_of(part, parts, step & (part >= 0))
    return list(zip(*(each.tolist() for each in counts), strict=True))


def _sessions(steps: Steps, sessions: Sessions, part: Codes, parts: int) -> Ints:
    answered = steps.succeeded & (part >= 0)
    over_ws = answered & (sessions.of_row >= 0)
    first = first_of_each(sessions.of_row, part, sessions.count, -1, over_ws)
    over_http = answered & ~steps.over_ws
    pairs = np.concatenate([np.empty(0, np.int64), *_pairs(part, steps, over_http)])
    return _count(first, parts) + np.bincount(pd.unique(pairs) // max(steps.users, 1), minlength=parts)


def _pairs(part: Codes, steps: Steps, chosen: Bools) -> Iterator[Ints]:
    """A number for each part and user that occur together, once in every piece of the rows."""
    for piece in pieces(chosen.size):
        rows = chosen[piece]
        yield pd.unique(part[piece][rows].astype(np.int64) * steps.users + steps.user[piece][rows])


def _replicas(
    answers: Answers, topology: Topology, by_host: list[tuple[int, int]], attributed: int
) -> list[ReplicaShare]:
    """The deployed replicas first, then others that answered."""
    carried = dict(zip(answers.hosts, by_host, strict=True))
    seen = [host for host, amounts in carried.items() if any(amounts)]
    hosts = list(dict.fromkeys([*topology["hosts"], *seen]))
    replicas = []
    for host in hosts:
        name, (sessions, steps) = topology["names"].get(host, host), carried.get(host, (0, 0))
        part = _part(steps, attributed)
        replicas.append(ReplicaShare(printable(host), printable(name), sessions, steps, part))
    silent = (topology["replicas"] or 0) - len(hosts)
    return replicas + [ReplicaShare("", f"unknown replica {n + 1}", 0, 0, 0.0) for n in range(silent)]


def _workers_of(
    replica: ReplicaShare,
    answers: Answers,
    expected: int | None,
    by_worker: list[tuple[int, int]],
    attributed: int,
) -> list[WorkerShare]:
    """The workers that answered on one replica by pid, then one without pid for each that did not."""
    workers = [
        WorkerShare(replica.host, replica.name, sessions, steps, _part(steps, attributed), pid)
        for (host, pid), (sessions, steps) in zip(answers.workers, by_worker, strict=True)
        if printable(answers.hosts[host]) == replica.host and (sessions or steps)
    ]
    workers.sort(key=lambda worker: (worker.pid or 0, worker.sessions, worker.steps))
    nameless = replica.steps - sum(worker.steps for worker in workers)
    if nameless:
        others = max(replica.sessions - sum(worker.sessions for worker in workers), 0)
        nameless_part = _part(nameless, attributed)
        workers.append(WorkerShare(replica.host, replica.name, others, nameless, nameless_part, None))
    silent = max((expected or 1) - len(workers), 0)
    return workers + [WorkerShare(replica.host, replica.name, 0, 0, 0.0, None)] * silent


def _part(steps: int, of_all: int) -> float:
    return steps / of_all if of_all else 0.0


def _takeaways(spread: Distribution, balancing: str | None) -> Iterator[str]:
    replicas, workers, unattributed = spread.replicas, spread.workers, spread.unattributed_steps
    if not replicas and unattributed:
        yield _UNKNOWN
        yield _HOW_TO_KNOW
        return
    attributed = sum(replica.steps for replica in replicas)
    if not attributed + unattributed:
        yield _NO_STEP
    if not replicas:
        return
    if spread.worker_fairness and len(workers) > 1:
        yield _in_words(spread.worker_fairness, workers, spread.unit, "worker")
    elif spread.worker_fairness and attributed:
        yield _only_one("worker")
    if spread.replica_fairness and len(replicas) > 1:
        yield _in_words(spread.replica_fairness, replicas, spread.unit, "replica")
    elif spread.replica_fairness and attributed and not workers:
        yield _only_one("replica")
    if spread.worker_fairness:
        yield from _heaviest(workers)
    yield from _idle(replicas, workers)
    yield from _unknown_workers(workers, spread.expected_workers)
    if not workers and spread.expected_replicas is None:
        yield _others_may_hide("replica", len(replicas))
    if unattributed:
        part = share(unattributed / (attributed + unattributed))
        yield f"{count(unattributed, 'successful step')} ({part}) named no host and are left out here."
    if balancing == "ip_hash" and len(replicas) > 1:
        yield _IP_HASH


def _in_words(fairness: Fairness, parts: Sequence[ReplicaShare], unit: str, noun: str) -> str:
    return evenness_in_words(fairness, [getattr(part, unit) for part in parts], unit, noun)


def _only_one(noun: str) -> str:
    return f"Only one {noun} is known, and it carried all steps that named a host."


def _heaviest(workers: list[WorkerShare]) -> Iterator[str]:
    heaviest = max(workers, key=lambda worker: worker.steps)
    ratio = heaviest.share * len(workers)
    if len(workers) > 1 and ratio >= _NOTABLE_RATIO:
        who = "An unknown worker" if heaviest.pid is None else f"Worker {heaviest.pid}"
        carried = f"{who} on {heaviest.name} carried {share(heaviest.share)} of the steps"
        yield f"{carried}, {factor(ratio)} times its fair share."


def _idle(replicas: list[ReplicaShare], workers: list[WorkerShare]) -> Iterator[str]:
    silent = [replica.name for replica in replicas if replica.idle]
    if silent:
        yield f"{len(silent)} of {count(len(replicas), 'replica')} got nothing: {listing(silent)}."
    idle = [worker.name for worker in workers if worker.idle]
    if idle:
        places = listing(list(dict.fromkeys(idle)))
        yield f"{len(idle)} of {count(len(workers), 'worker')} got nothing, on {places}."


def _unknown_workers(workers: list[WorkerShare], expected: int | None) -> Iterator[str]:
    if not workers:
        yield "Replies named hosts but no processes, so the spread over workers is unknown."
        return
    nameless = sum(worker.steps for worker in workers if worker.pid is None)
    if nameless:
        named = f"{count(nameless, 'step')} named a host but no process"
        yield f"{named}, so how even the spread over workers was is unknown."
    if expected is None:
        yield _others_may_hide("worker", sum(worker.pid is not None for worker in workers))
    elif len(workers) > expected:
        why = "some were replaced during the run, or other servers answered too"
        yield f"{len(workers)} workers show where {expected} were deployed: {why}."


def _others_may_hide(noun: str, seen: int) -> str:
    answered = f"{seen} answered, and one that got nothing would not show"
    return f"How many {noun}s were deployed is unknown; {answered}."
