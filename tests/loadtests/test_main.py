"""What speaks against the generators of a run: lost ones, clocks that differ, rows that are missing."""

from collections import Counter
from collections.abc import Iterator, Mapping

from reports.page.words import count, listing, printable, seconds
from reports.records.schema import ClockJson, GeneratorJson, LostJson, RunJson

CLOCK_LIMIT_S = 0.1
"""How far a clock may be off, beyond what its measurement leaves open.

A tenth of the time lines' bins of a second: one operation in ten is then in the wrong one. Ramp-up and
warm-up, which are cut off by the clock, are in whole seconds too.
"""


def lost(run: RunJson) -> Iterator[str]:
    """A sentence for each generator that did not stay to the end."""
    for each in run.get("generators", []):
        if (loss := each.get("lost")) is not None:
            yield _lost(each, loss, run["started_at"])


def clocks(run: RunJson) -> Iterator[str]:
    """A sentence for each generator whose clock is further from the master's than the report can bear."""
    for each in run.get("generators", []):
        measured = [each[key] for key in ("clock", "clock_at_end") if key in each]
        worst = max(measured, key=_surely_off, default=None)
        if worst is not None and _surely_off(worst) > CLOCK_LIMIT_S:
            offset_s = worst["offset_s"]
            way = ("ahead of", "late") if offset_s > 0 else ("behind", "early")
            yield (
                f"The clock of the generator {printable(each['name'])} is {seconds(abs(offset_s))} {way[0]} "
                f"the master's (known within {seconds(worst['round_trip_s'] / 2)}): in time lines and in the "
                f"measured window its operations are by as much too {way[1]}. Latencies do not depend on it. "
                "Let a time service keep the machines' clocks together."
            )


def counts(run: RunJson, rows: Mapping[str, int]) -> str | None:
    """Where there are not as many rows as operations that Locust counted, by op; None: nowhere."""
    if "counted" not in run:
        return None
    counted = Counter(run["counted"])
    for each in run.get("generators", []):
        if "lost" in each:  # what is missing of it is said there
            counted.update(each["lost"]["recorded"])
    differing = [op for op in sorted({*counted, *rows}) if counted[op] != rows.get(op, 0)]
    if not differing:
        return None
    numbers = listing(
        [f"{count(counted[op], op)}, of which {rows.get(op, 0):,} are recorded" for op in differing]
    )
    return f"Locust counted {numbers}: either the records or its statistics are not complete."


def _surely_off(clock: ClockJson) -> float:
    return abs(clock["offset_s"]) - clock["round_trip_s"] / 2


def _lost(generator: GeneratorJson, loss: LostJson, started_at: float) -> str:
    heard = "it was never heard"
    if loss["heard_at"] is not None:
        since = seconds(max(0.0, loss["heard_at"] - started_at))
        users = count(loss["users"], "user")
        heard = f"it was last heard {since} into the run with {users}, whose load was missing from then on"
    rows = "Nothing that it did is recorded"
    if loss["last_row_at"] is not None:
        ahead_s = generator["clock"]["offset_s"] if "clock" in generator else 0.0
        rows = f"Its records end {seconds(max(0.0, loss['last_row_at'] - ahead_s - started_at))} into the run"
    gaps = {op: number - loss["recorded"].get(op, 0) for op, number in loss["counted"].items()}
    if missing := [count(gap, op) for op, gap in gaps.items() if gap > 0]:
        rows += f", without {listing(missing)} that Locust had counted"
    return f"The generator {printable(generator['name'])} was lost: {heard}. {rows}."
