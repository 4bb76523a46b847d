"""Who answered: sessions and steps of every replica and worker against their fair share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.page.words import count, factor, listing, printable, share
from reports.records.schema import RunConfig, Topology
from reports.records.steps import STEP, Answers, Codes, Sessions, Steps, first_of_each, sessions_of
from reports.statistics.quantiles import equal_shares_p, jain_index

_UNEVEN_P = 0.001
_DOUBTFUL_P = 0.05
_ROUGHLY_EVEN_JAIN, _UNEVEN_JAIN = 0.9, 0.8
_NEARLY_EVEN_JAIN = 0.99
_NOTABLE_RATIO = 1.1
_ENOUGH_EACH = 5
"""What the chi-squared test needs each part to expect (Cochran 1954)."""
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

Ints = NDArray[np.int64]


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


@dataclass(frozen=True)
class WorkerShare:
    """What one worker process carried. An expected worker that got nothing has no pid."""

    host: str
    name: str
    pid: int | None
    sessions: int
    steps: int
    share: float


@dataclass(frozen=True)
class Fairness:
    """How evenly a load was spread over all expected parts, idle ones included.

    Over WebSocket the load is sessions, over stateless HTTP it is steps.
    """

    jain: float
    """Jain, Chiu, Hawe (1984): (Σx)² / (n Σx²); 1 is even, 1/n is all on one."""
    chi2_p: float | None
    """Pearson's chi-squared test of equal shares: how often chance alone spreads at least this unevenly."""
    max_over_min: float | None
    """None where the least loaded part got nothing."""


Evenness = Literal["single", "too few", "even", "by chance", "nearly even", "uneven", "very uneven"]
"""How even a spread is. `by chance`: uneven, but no more than sessions thrown at random would be."""


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


def summarize(steps: Steps, answers: Answers, topology: Topology, config: RunConfig) -> Distribution:
    """Counts what every replica and worker carried.

    Over WebSocket a session belongs to the worker that answered it first; over HTTP the sessions of a worker
    are the users that it answered. A replica or worker that was deployed and never answered counts with zero.
    Where steps of a host name no process, how even the spread over workers was is unknown.
    """
    step = steps.successes(STEP)
    unattributed = int(np.count_nonzero(step & (answers.host < 0)))
    sessions = sessions_of(steps, answers)
    by_sessions = config["transport"] == "ws" and sessions.count > 0
    unit = "sessions" if by_sessions else "steps"
    expected = _product(topology["replicas"], topology["workers"])
    host_steps = _count(answers.host[step], len(answers.hosts))
    host_sessions = _sessions(steps, sessions, answers.host, len(answers.hosts))
    if not host_steps.any() and not host_sessions.any():
        takeaways = [_UNKNOWN, _HOW_TO_KNOW] if unattributed else [_NO_STEP]
        return Distribution(
            [], [], None, None, expected, unit, unattributed, takeaways, None, topology["replicas"]
        )

    worker_steps = _count(answers.worker[step], len(answers.workers))
    worker_sessions = _sessions(steps, sessions, answers.worker, len(answers.workers))
    attributed = int(host_steps.sum())

    replicas = [
        ReplicaShare(host, name, int(sessions), int(carried), _part(carried, attributed))
        for host, name, sessions, carried in _of_every_replica(answers, topology, host_sessions, host_steps)
    ]
    workers = []
    if answers.workers:
        for replica in replicas:
            workers += _workers_of(
                replica, answers, topology["workers"], worker_sessions, worker_steps, attributed
            )
    # Users keep their HTTP connections, so their steps are not thrown independently, as the test supposes.
    independent = unit == "sessions" or config["transport"] == "ws"
    replica_fairness = _fairness([getattr(part, unit) for part in replicas], independent)
    nameless = sum(worker.steps for worker in workers if worker.pid is None)
    worker_fairness = None if nameless else _fairness([getattr(part, unit) for part in workers], independent)
    return Distribution(
        replicas=replicas,
        workers=workers,
        replica_fairness=replica_fairness,
        worker_fairness=worker_fairness,
        expected_workers=expected,
        unit=unit,
        unattributed_steps=unattributed,
        takeaways=[
            *([] if step.any() else [_NO_STEP]),
            *_evenness("worker", workers, worker_fairness, unit),
            *_evenness("replica", replicas, replica_fairness, unit, alone=not workers),
            *_heaviest(workers if worker_fairness else []),
            *_idle(replicas, workers),
            *_nameless(workers, nameless),
            *_unexpected(workers, expected),
            *([] if workers else _others_may_hide("replica", topology["replicas"], len(replicas))),
            *_unattributed(attributed, unattributed),
            *_balancing(config["balancing"], len(replicas)),
        ],
        evenness=judge_evenness(worker_fairness, workers, unit)
        or judge_evenness(replica_fairness, replicas, unit),
        expected_replicas=topology["replicas"],
    )


def _count(codes: Codes, parts: int) -> Ints:
    """How many rows each part has; rows of unknown parts (-1) are left out."""
    return np.bincount(codes + 1, minlength=parts + 1)[1:]


def _sessions(steps: Steps, sessions: Sessions, part: Codes, parts: int) -> Ints:
    answered = steps.succeeded & (part >= 0)
    over_ws = answered & (sessions.of_row >= 0)
    first = first_of_each(sessions.of_row[over_ws], part[over_ws], sessions.count, -1)
    over_http = answered & ~steps.over_ws
    pairs = pd.unique(part[over_http].astype(np.int64) * steps.users + steps.user[over_http])
    return _count(first, parts) + np.bincount(pairs // max(steps.users, 1), minlength=parts)


def _of_every_replica(
    answers: Answers, topology: Topology, sessions: Ints, steps: Ints
) -> list[tuple[str, str, int, int]]:
    """(host, name, sessions, steps): the deployed replicas first, then others that answered."""
    carried = {host: (int(sessions[code]), int(steps[code])) for code, host in enumerate(answers.hosts)}
    seen = [host for host, amounts in carried.items() if any(amounts)]
    hosts = list(dict.fromkeys([*topology["hosts"], *seen]))
    replicas = [
        (printable(host), printable(topology["names"].get(host, host)), *carried.get(host, (0, 0)))
        for host in hosts
    ]
    silent = (topology["replicas"] or 0) - len(hosts)
    replicas += [("", f"unknown replica {n + 1}", 0, 0) for n in range(silent)]
    return replicas


def _workers_of(
    replica: ReplicaShare,
    answers: Answers,
    expected: int | None,
    sessions: Ints,
    steps: Ints,
    attributed: int,
) -> list[WorkerShare]:
    """The workers that answered on one replica by pid, then one without pid for each that did not."""
    found = sorted(
        (pid, int(sessions[code]), int(steps[code]))
        for code, (host, pid) in enumerate(answers.workers)
        if printable(answers.hosts[host]) == replica.host and (sessions[code] or steps[code])
    )
    workers = [
        WorkerShare(replica.host, replica.name, pid, session_count, carried, _part(carried, attributed))
        for pid, session_count, carried in found
    ]
    nameless = replica.steps - sum(worker.steps for worker in workers)
    if nameless:
        others = max(replica.sessions - sum(worker.sessions for worker in workers), 0)
        nameless_part = _part(nameless, attributed)
        workers.append(WorkerShare(replica.host, replica.name, None, others, nameless, nameless_part))
    silent = max((expected or 1) - len(workers), 0)
    return workers + [WorkerShare(replica.host, replica.name, None, 0, 0, 0.0)] * silent


def _fairness(loads: list[int], independent: bool) -> Fairness | None:
    if not sum(loads):
        return None
    values = np.array(loads, dtype=np.float64)
    least = float(values.min())
    return Fairness(
        jain=jain_index(values),
        chi2_p=equal_shares_p(values) if independent else None,
        max_over_min=float(values.max()) / least if least else None,
    )


def _part(steps: int, of_all: int) -> float:
    return steps / of_all if of_all else 0.0


def _product(replicas: int | None, workers: int | None) -> int | None:
    return None if replicas is None or workers is None else replicas * workers


def judge_evenness(fairness: Fairness | None, parts: Sequence[Any], unit: str) -> Evenness | None:
    """How even a spread of `unit` over `parts` is; None where nothing was spread."""
    if fairness is None:
        return None
    if len(parts) == 1:
        return "single"
    if sum(getattr(part, unit) for part in parts) < _ENOUGH_EACH * len(parts):
        return "too few"
    jain, p = fairness.jain, fairness.chi2_p
    if p is not None and p >= _DOUBTFUL_P:
        return "even" if jain >= _ROUGHLY_EVEN_JAIN else "by chance"
    if jain >= _NEARLY_EVEN_JAIN or (p is not None and p >= _UNEVEN_P):
        return "nearly even"
    return "uneven" if jain >= _UNEVEN_JAIN else "very uneven"


def _evenness(
    noun: str, parts: Sequence[Any], fairness: Fairness | None, unit: str, *, alone: bool = True
) -> list[str]:
    """The spread over parts in words; `alone`: no finer parts are known."""
    judgement = judge_evenness(fairness, parts, unit)
    if fairness is None or judgement is None:
        return []
    over = f"{unit} over {count(len(parts), noun)}"
    index = f"Jain's index {fairness.jain:.3f}"
    p = fairness.chi2_p
    if judgement == "single":
        carried = alone and parts[0].steps
        return [f"Only one {noun} is known, and it carried all steps that named a host."] if carried else []
    if judgement == "too few":
        load = sum(getattr(part, unit) for part in parts)
        are = "is" if load == 1 else "are"
        return [f"{count(load, unit[:-1])} over {count(len(parts), noun)} {are} too few to judge the spread."]
    if p is None:
        return [f"The spread of {over} is {judgement} ({index})."]
    if p >= _DOUBTFUL_P:
        return [f"The spread of {over} is as even as chance would have it (p = {p:.2f}, {index})."]
    if p >= _UNEVEN_P:
        return [
            f"The spread of {over} is a little less even than chance would have it (p = {p:.3f}, {index})."
        ]
    if judgement == "nearly even":
        return [f"The spread of {over} is nearly even ({index}), though not by chance (p < 0.001)."]
    return [f"The spread of {over} is more uneven than chance explains (p < 0.001, {index})."]


def _heaviest(workers: list[WorkerShare]) -> list[str]:
    if len(workers) < 2:
        return []
    heaviest = max(workers, key=lambda worker: worker.steps)
    ratio = heaviest.share * len(workers)
    if ratio < _NOTABLE_RATIO:
        return []
    carried = f"{_title(heaviest)} carried {share(heaviest.share)} of the steps"
    return [f"{carried}, {factor(ratio)} times its fair share."]


def _title(worker: WorkerShare) -> str:
    who = "An unknown worker" if worker.pid is None else f"Worker {worker.pid}"
    return f"{who} on {worker.name}"


def _idle(replicas: list[ReplicaShare], workers: list[WorkerShare]) -> list[str]:
    takeaways = []
    silent = [replica.name for replica in replicas if not replica.sessions and not replica.steps]
    if silent:
        takeaways.append(
            f"{len(silent)} of {count(len(replicas), 'replica')} got nothing: {listing(silent)}."
        )
    idle = [worker for worker in workers if not worker.sessions and not worker.steps]
    if idle:
        places = listing(list(dict.fromkeys(worker.name for worker in idle)))
        takeaways.append(f"{len(idle)} of {count(len(workers), 'worker')} got nothing, on {places}.")
    return takeaways


def _nameless(workers: list[WorkerShare], steps: int) -> list[str]:
    if not workers:
        return ["Replies named hosts but no processes, so the spread over workers is unknown."]
    if not steps:
        return []
    named = f"{count(steps, 'step')} named a host but no process"
    return [f"{named}, so how even the spread over workers was is unknown."]


def _unexpected(workers: list[WorkerShare], expected: int | None) -> list[str]:
    if not workers:
        return []
    seen = sum(worker.pid is not None for worker in workers) if expected is None else len(workers)
    if expected is not None and seen > expected:
        why = "some were replaced during the run, or other servers answered too"
        return [f"{seen} workers show where {expected} were deployed: {why}."]
    return _others_may_hide("worker", expected, seen)


def _others_may_hide(noun: str, expected: int | None, seen: int) -> list[str]:
    if expected is not None:
        return []
    answered = f"{seen} answered, and one that got nothing would not show"
    return [f"How many {noun}s were deployed is unknown; {answered}."]


def _unattributed(attributed: int, unattributed: int) -> list[str]:
    if not unattributed:
        return []
    part = share(unattributed / (attributed + unattributed))
    return [f"{count(unattributed, 'successful step')} ({part}) named no host and are left out here."]


def _balancing(policy: str | None, replicas: int) -> list[str]:
    if policy != "ip_hash" or replicas < 2:
        return []
    return [_IP_HASH]
