"""What a capacity search hit first, and how to lift it, in plain words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from loadtests.capacity.batch_outcome import BatchOutcome
from loadtests.capacity.ceiling import Ceiling
from loadtests.capacity.outcome import Outcome
from loadtests.capacity.search import Answer
from reports.experiment import limits
from reports.experiment.limits import Evidence, FullWorkers, Limit
from reports.experiment.searched import Searched
from reports.page.words import seconds, share
from reports.statistics.saturation import Cpu

Stop = Literal["found", "budget", "interrupted", "ended", "broken", "failed"]
"""Why the search ended: it was over, its time was up, Ctrl-C, the deployment died, the generator failed, or
something else did, for example a full disk."""

_BATCHES = Searched("sessions")
_UNFINISHED = ("budget", "interrupted", "broken", "failed")


@dataclass(frozen=True, kw_only=True)
class Setup(limits.Setup):
    """What the search ran with, as far as remedies depend on it."""

    ceiling: Ceiling
    budget_s: float
    success_rate: float
    searched: Searched = _BATCHES


def find_limit(outcomes: Sequence[Outcome], answer: Answer, stop: Stop, setup: Setup) -> Limit:
    """What the search hit first: what the nearest batches beyond the answer failed of, else what ended it."""
    ended = next((outcome for outcome in outcomes if outcome.ended), None)
    if ended is not None:
        return Limit(
            "errors",
            f"the deployment failed {_where(ended, setup)}: {' '.join(ended.ended)}",
            f"read the report of that {_run(setup)} and the log, which stays in .deployments: did memory run "
            "out?",
        )
    missed = [each for each in outcomes if not each.met and not each.broken and each.load > answer.max_batch]
    if answer.server_cap is not None and answer.sessions == answer.server_cap:
        return limits.turned_away(_full_workers([o for o in outcomes if o.turned_away], answer, setup), setup)
    if missed:
        nearest = min(each.load for each in missed)
        limit = _of_failures([each for each in missed if each.load == nearest], answer, setup)
        return replace(limit, lower_bound=limit.lower_bound or stop in _UNFINISHED)
    if stop in _UNFINISHED:
        return _time(stop, answer, setup)
    return Limit(setup.ceiling.kind, setup.ceiling.explanation, setup.ceiling.remedy, lower_bound=True)


def _where(ended: Outcome, setup: Setup) -> str:
    if setup.searched.is_rate:
        return setup.searched.under(ended.load)
    return f"in the batch of {setup.searched.amount(ended.load)}"


def _run(setup: Setup) -> str:
    return "run" if setup.searched.is_rate else "batch"


def _of_failures(missed: Sequence[Outcome], answer: Answer, setup: Setup) -> Limit:
    """The limit that tries of one load show, which all missed the objective."""
    load = setup.searched.under(missed[0].load)
    too_few = [each for each in missed if each.success_rate < setup.success_rate]
    errors: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for each in missed:
        errors.update(each.errors)
        examples |= {category: said for category, said in each.example.items() if said}
    worst = max(missed, key=lambda each: each.total_p99_s or 0.0)
    failed = 2 * len(too_few) > len(missed) and bool(errors)
    if worst.total_p99_s is None and not failed:
        remedy = f"read the report of the smallest {setup.searched.noun} that failed"
        return Limit("errors", "no step succeeded", remedy)
    slow = (worst.total_p99_s or 0.0) >= worst.total_limit_s
    behind = min((each for each in missed if each.behind), key=lambda each: each.carried, default=None)
    too_slow = []
    if slow or not setup.searched.is_rate:
        too_slow.append(
            f"total time{setup.searched.since}: {load} 99 % took up to {seconds(worst.total_p99_s or 0.0)}, "
            f"and must take less than {seconds(worst.total_limit_s)}"
        )
    if behind is not None:
        too_slow.append(f"{load} only {share(behind.carried)} of what arrived was carried")
    seen = Evidence(
        load=load,
        outcome="fell" if behind is not None and not slow else "missed",
        cpu=Cpu.median_of(each.cpu for each in missed),
        errors=errors if failed else {},
        examples=examples,
        full=_full_workers(missed, answer, setup),
        too_slow="; ".join(too_slow),
        slowest=worst.slowest if too_slow else {},
    )
    return limits.find_limit(seen, setup)


def _full_workers(tries: Sequence[Outcome], answer: Answer, setup: Setup) -> FullWorkers:
    """What the workers held that turned sessions away."""
    refusing = [each for each in tries if isinstance(each, BatchOutcome)]
    if not refusing:
        said = next((said for each in tries if (said := each.example.get("capacity"))), "")
        return FullWorkers(setup.total_workers, limits.most_sessions(said))
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
    noun = setup.searched.noun
    bound = f"no larger {noun} was tried" if answer.max_batch else f"no {noun} had met the objective"
    remedy = f"give it more time, BUDGET={2 * setup.budget_s:.0f}" if stop == "budget" else "search again"
    return Limit("time", f"{ended}, and {bound}", remedy, lower_bound=True)


def success_words(outcome: Outcome, searched: Searched) -> str:
    """A try in a few words: how many succeeded, how slow they were, and whether that met the objective."""
    p99 = f", {searched.p99} {seconds(outcome.total_p99_s)}" if outcome.total_p99_s is not None else ""
    why = f": {outcome.missed}" if outcome.missed else ""
    return f"{share(outcome.success_rate)} succeeded{p99} — {'met' if outcome.met else 'missed'}{why}"
