"""The answer of a capacity search in a few lines of plain text, for a terminal."""

from collections import Counter
from collections.abc import Sequence

from loadtests.capacity.batch_outcome import BatchOutcome
from loadtests.capacity.limits import Stop
from loadtests.capacity.outcome import Outcome
from reports.experiment.certainty import how_sure, sure
from reports.experiment.searched import searched, within
from reports.page.words import factor, seconds
from reports.records.schema import CapacityJson


def verdict_lines(capacity: CapacityJson, outcomes: Sequence[Outcome], stop: Stop) -> list[str]:
    """How many sessions or arrivals, how sure that is, what was hit first and how to lift it."""
    return [
        _headline(capacity),
        f"  limit: {capacity['limit']}: {capacity['explanation']}",
        f"  to lift it: {capacity['remedy']}",
        *(f"  {line}" for line in _basis(capacity, outcomes)),
        *(f"  note: {note}" for note in _notes(capacity, outcomes, stop)),
    ]


def _headline(capacity: CapacityJson) -> str:
    sessions, kind = capacity["sessions"], searched(capacity)
    if not sessions:
        return "capacity: unknown" if not capacity["tries"] else f"capacity: no {kind.noun} met the objective"
    at_least = "at least " if capacity["lower_bound"] else ""
    cores = capacity["cores"]
    a_core = f", {factor(sessions / cores)} per core" if cores else ""
    sure_of_it = how_sure(capacity)[0]
    if kind.is_rate:
        rests_on = "; ".join(filter(None, [within(capacity), sure_of_it]))
        return (
            f"capacity: carries {at_least}{kind.amount(sessions)} within the objective ({rests_on}){a_core}"
        )
    return f"capacity: {at_least}{kind.amount(sessions)} at once ({sure_of_it}){a_core}"


def _basis(capacity: CapacityJson, outcomes: Sequence[Outcome]) -> list[str]:
    if not capacity["tries"]:
        return []
    parts, kind = [], searched(capacity)
    if best := capacity["max_batch"]:
        often = f"{sure(capacity['confidence'])} that they do more often than not"
        parts.append(
            f"{kind.nouns} up to {best:,} meet the objective ({_of(outcomes, best, met=True)}; {often})"
        )
    if capacity["max_batch"] < (cap := capacity["sessions"]) != capacity["high"]:
        parts.append(f"one of {cap:,} met it in {_of(outcomes, cap, met=True)}")
    if (high := capacity["high"]) is not None:
        missed = [each.missed for each in outcomes if each.load == high and each.missed]
        why = f": {Counter(missed).most_common(1)[0][0]}" if missed else ""
        parts.append(f"{high:,} missed it in {_of(outcomes, high, met=False)}{why}")
    return ["; ".join(parts)] if parts else []


def _of(outcomes: Sequence[Outcome], load: int, *, met: bool) -> str:
    tries = [outcome.met for outcome in outcomes if outcome.load == load and not outcome.broken]
    return f"{tries.count(met)} of {len(tries)} {'try' if len(tries) == 1 else 'tries'}"


def _notes(capacity: CapacityJson, outcomes: Sequence[Outcome], stop: Stop) -> list[str]:
    notes = []
    if stop == "budget":
        notes.append("time ran out before the search was over: the answer is coarse, give it more BUDGET")
    if stop == "interrupted":
        notes.append("the search was stopped by Ctrl-C: this is what was known by then")
    if stop == "broken":
        notes.append(f"the load generator failed: {outcomes[-1].broken}")
    cap = capacity["server_cap"]
    batches = [each for each in outcomes if isinstance(each, BatchOutcome) and not each.broken]
    near = [each for each in batches if cap is None or each.users <= 2 * cap]
    apart = [each for each in near if not each.together]
    if apart:
        worst = max(apart, key=lambda each: each.connect_spread_s)
        notes.append(
            f"in {len(apart)} of {len(near)} batches the sessions may not all have been there at once: "
            f"in one of {worst.users:,} they started over {seconds(worst.connect_spread_s)}, and some had "
            f"finished after {seconds(worst.shortest_stay_s or 0.0)}. Longer steps keep "
            "them there: WAIT=…, where the environment waits"
        )
    return notes
