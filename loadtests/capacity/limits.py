"""What a capacity search hit first, and how to lift it, in plain words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from loadtests.capacity.batch_outcome import BatchOutcome
from loadtests.capacity.ceiling import Ceiling
from loadtests.capacity.search import Answer
from reports.experiment import limits
from reports.experiment.limits import Evidence, FullWorkers, Limit
from reports.page.words import count, seconds, share
from reports.statistics.saturation import Cpu

Stop = Literal["found", "budget", "interrupted", "ended", "broken", "failed"]
"""Why the search ended: it was over, its time was up, Ctrl-C, the deployment died, the generator failed, or
something else did, for example a full disk."""

_UNFINISHED = ("budget", "interrupted", "broken", "failed")


@dataclass(frozen=True, kw_only=True)
class Setup(limits.Setup):
    """What the search ran with, as far as remedies depend on it."""

    ceiling: Ceiling
    budget_s: float
    success_rate: float


def find_limit(outcomes: Sequence[BatchOutcome], answer: Answer, stop: Stop, setup: Setup) -> Limit:
    """What the search hit first: what the nearest batches beyond the answer failed of, else what ended it."""
    ended = next((outcome for outcome in outcomes if outcome.ended), None)
    if ended is not None:
        return Limit(
            "errors",
            f"the deployment failed in the batch of {count(ended.users, 'session')}: {' '.join(ended.ended)}",
            "read the report of that batch and the log, which stays in .deployments: did memory run out?",
        )
    missed = [each for each in outcomes if not each.met and not each.broken and each.users > answer.max_batch]
    if answer.server_cap is not None and answer.sessions == answer.server_cap:
        return limits.turned_away(_full_workers([o for o in outcomes if o.turned_away], answer), setup)
    if missed:
        nearest = min(each.users for each in missed)
        limit = _of_failures([each for each in missed if each.users == nearest], answer, setup)
        return replace(limit, lower_bound=limit.lower_bound or stop in _UNFINISHED)
    if stop in _UNFINISHED:
        return _time(stop, answer, setup)
    return Limit(setup.ceiling.kind, setup.ceiling.explanation, setup.ceiling.remedy, lower_bound=True)


def _of_failures(missed: Sequence[BatchOutcome], answer: Answer, setup: Setup) -> Limit:
    """The limit that batches of one size show, which all missed the objective."""
    load = f"in batches of {count(missed[0].users, 'session')}"
    too_few = [each for each in missed if each.success_rate < setup.success_rate]
    errors: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for each in missed:
        errors.update(each.errors)
        examples |= {category: said for category, said in each.example.items() if said}
    worst = max(missed, key=lambda each: each.total_p99_s or 0.0)
    failed = 2 * len(too_few) > len(missed) and bool(errors)
    if worst.total_p99_s is None and not failed:
        return Limit("errors", "no step succeeded", "read the report of the smallest batch that failed")
    too_slow = (
        f"total time: {load} 99 % took up to {seconds(worst.total_p99_s or 0.0)}, and must take less than "
        f"{seconds(worst.total_limit_s)}"
    )
    seen = Evidence(
        load=load,
        outcome="missed",
        cpu=Cpu.median_of(each.cpu for each in missed),
        errors=errors if failed else {},
        examples=examples,
        full=_full_workers(missed, answer),
        too_slow=too_slow,
        slowest=worst.slowest,
    )
    return limits.find_limit(seen, setup)


def _full_workers(refusing: Sequence[BatchOutcome], answer: Answer) -> FullWorkers:
    """What the workers held that turned sessions away."""
    held = [held for each in refusing for held in each.full_workers.values()]
    workers = refusing[0].expected_workers or max(len(each.workers) for each in refusing)
    known = all(pid is not None for each in refusing for _, pid in each.full_workers)
    cap = answer.server_cap
    some_have_room = bool(held) and any(len(each.full_workers) < workers for each in refusing)
    return FullWorkers(
        workers=workers,
        each=max(held, default=None),
        total=cap,
        uneven=some_have_room if cap is None else answer.sessions < cap,
        noun="worker" if known else "host",
    )


def _time(stop: Stop, answer: Answer, setup: Setup) -> Limit:
    ended = {
        "budget": f"time ran out (BUDGET of {setup.budget_s:,.0f} s)",
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
