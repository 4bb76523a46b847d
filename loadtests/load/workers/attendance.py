"""Who made the load of a test, as run.json has it: their clocks, and what is known of the lost ones."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from loadtests.load.workers.accounting import Accounting
from loadtests.load.workers.clocks import ClockSample
from loadtests.load.workers.generators import Generator, Generators
from reports.records.schema import ClockJson, GeneratorJson, LostJson
from reports.records.tables import StreamReader


@dataclass
class Recorded:
    """The rows of one generator."""

    rows: Counter[str] = field(default_factory=Counter)
    """By op."""
    last_at: float | None = None
    """When the last of them started; None where there is none."""


def recorded_of(stream: Path, generators: Collection[str]) -> dict[str, Recorded]:
    """What the stream of a steps table has of each of these generators."""
    found = {name: Recorded() for name in generators}
    for batch in StreamReader(stream).read():
        rows = pa.Table.from_batches([batch.select(["generator", "op", "started_at"])])
        groups = rows.group_by(["generator", "op"], use_threads=False)
        for group in groups.aggregate([([], "count_all"), ("started_at", "max")]).to_pylist():
            recorded = found.get(group["generator"])
            if recorded is not None:
                recorded.rows[group["op"]] += group["count_all"]
                recorded.last_at = max(group["started_at_max"], recorded.last_at or 0.0)
    return found


def attendance(
    generators: Generators,
    accounting: Accounting,
    workers: Collection[str],
    lost: Collection[str],
    steps: Path,
) -> list[GeneratorJson]:
    """The workers that took part, by Locust's names for them; `steps` is the stream of the steps table."""
    found = []
    recorded = recorded_of(steps, [generators.name_of(worker) for worker in lost]) if lost else {}
    for worker in sorted(workers, key=generators.name_of):
        known = generators.known.get(worker)
        entry = GeneratorJson(name=generators.name_of(worker))
        if known is not None:
            if known.clock_at_start is not None:
                entry["clock"] = _clock(known.clock_at_start)
            if worker not in lost and (clock := known.clock.best) is not None:
                entry["clock_at_end"] = _clock(clock)
        if worker in lost:
            entry["lost"] = _lost(known, accounting.counted_of(worker), recorded[entry["name"]])
        found.append(entry)
    return found


def _clock(sample: ClockSample) -> ClockJson:
    return ClockJson(offset_s=sample.offset_s, round_trip_s=sample.round_trip_s)


def _lost(known: Generator | None, counted: dict[str, int], recorded: Recorded) -> LostJson:
    return LostJson(
        heard_at=known.heard_at if known is not None else None,
        users=known.users if known is not None else 0,
        counted=counted,
        recorded=dict(recorded.rows),
        last_row_at=recorded.last_at,
    )
