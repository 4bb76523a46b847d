"""The answer of a capacity search in a few lines of plain text, for a terminal."""

from collections.abc import Sequence

from loadtests.capacity.batch_outcome import BatchOutcome
from loadtests.capacity.limits import Stop
from reports.experiment.certainty import how_sure, sure
from reports.page.words import count, factor, seconds
from reports.records.schema import CapacityJson


def verdict_lines(capacity: CapacityJson, outcomes: Sequence[BatchOutcome], stop: Stop) -> list[str]:
    """How many sessions, how sure that is, what was hit first and how to lift it."""
    return [
        _headline(capacity),
        f"  limit: {capacity['limit']}: {capacity['explanation']}",
        f"  to lift it: {capacity['remedy']}",
        *(f"  {line}" for line in _basis(capacity, outcomes)),
        *(f"  note: {note}" for note in _notes(capacity, outcomes, stop)),
    ]


def _headline(capacity: CapacityJson) -> str:
    sessions = capacity["sessions"]
    if not sessions:
        return "capacity: unknown" if not capacity["tries"] else "capacity: no batch met the objective"
    at_least = "at least " if capacity["lower_bound"] else ""
    cores = capacity["cores"]
    a_core = f", {factor(sessions / cores)} per core" if cores else ""
    return f"capacity: {at_least}{count(sessions, 'session')} at once ({how_sure(capacity)[0]}){a_core}"


def _basis(capacity: CapacityJson, outcomes: Sequence[BatchOutcome]) -> list[str]:
    if not capacity["tries"]:
        return []
    parts = []
    if best := capacity["max_batch"]:
        often = f"{sure(capacity['confidence'])} that they do more often than not"
        parts.append(f"batches up to {best:,} meet the objective ({_of(outcomes, best, met=True)}; {often})")
    if capacity["max_batch"] < (cap := capacity["sessions"]) != capacity["high"]:
        parts.append(f"one of {cap:,} met it in {_of(outcomes, cap, met=True)}")
    if (high := capacity["high"]) is not None:
        parts.append(f"{high:,} missed it in {_of(outcomes, high, met=False)}")
    return ["; ".join(parts)] if parts else []


def _of(outcomes: Sequence[BatchOutcome], users: int, *, met: bool) -> str:
    tries = [outcome.met for outcome in outcomes if outcome.users == users and not outcome.broken]
    return f"{tries.count(met)} of {len(tries)} {'try' if len(tries) == 1 else 'tries'}"


def _notes(capacity: CapacityJson, outcomes: Sequence[BatchOutcome], stop: Stop) -> list[str]:
    notes = []
    if stop == "budget":
        notes.append("time ran out before the search was over: the answer is coarse, give it more BUDGET")
    if stop == "interrupted":
        notes.append("the search was stopped by Ctrl-C: this is what was known by then")
    if stop == "broken":
        notes.append(f"the load generator failed: {outcomes[-1].broken}")
    cap = capacity["server_cap"]
    near = [each for each in outcomes if not each.broken and (cap is None or each.users <= 2 * cap)]
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
