"""What is compared with what: two runs, or the repetitions of one cell in two experiments."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.comparison.matching import Matching, SideName, Unmatched
from reports.comparison.measurement import Measurement, measure
from reports.page.words import TRANSPORTS, count, printable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import CellJson, RunJson, is_batch

Progress = Callable[[int, int], None]
"""Called with the number of runs read so far, and that of all."""

_SAME_LOAD = 0.05
"""Where the shares of users served differ by at most this much, the load counts as the same."""


@dataclass(frozen=True)
class Pair:
    """What is compared with what: one or more runs of each side."""

    name: str
    cell: dict[str, Any]
    """What the runs have in common, as CellJson names it; empty for two runs."""
    a: Sequence[Measurement]
    b: Sequence[Measurement]

    @property
    def sides(self) -> tuple[tuple[SideName, Sequence[Measurement]], ...]:
        return ("A", self.a), ("B", self.b)

    @property
    def not_valid(self) -> list[SideName]:
        """The sides with a run that is not valid, so that it says nothing of its deployment."""
        return [side for side, runs in self.sides if any(run.reservations for run in runs)]

    @property
    def less_load(self) -> SideName | None:
        """The side that shut out more of its users, so that its figures are those of a smaller load."""
        a, b = (float(np.mean([run.served_share for run in runs])) for _, runs in self.sides)
        return None if abs(a - b) <= _SAME_LOAD else "A" if a < b else "B"


def pair_of_runs(a: RunDirectory, b: RunDirectory) -> Pair:
    """Measures two runs. Raises RunDirectoryError where one cannot be read, or only one is a batch."""
    _check_scenarios(a.read(), run := b.read())
    one = measure(a)
    other = one if a.path.resolve() == b.path.resolve() else measure(b)
    return Pair(_name(run), {}, [one], [other])


def pairs_of_cells(
    a: ExperimentDirectory, b: ExperimentDirectory, matching: Matching, progress: Progress | None
) -> tuple[list[Pair], list[Unmatched]]:
    """Measures the runs of the cells that match, and names those that cannot be compared.

    Raises RunDirectoryError where only one of two cells is a batch.
    """
    measured = functools.cache(measure)
    read, total = itertools.count(1), sum(len(match.a) + len(match.b) for match in matching.matches)

    def runs_of(directory: ExperimentDirectory, cells: Sequence[CellJson]) -> tuple[list[Measurement], str]:
        """The runs that are valid, and what is wrong with the others."""
        runs, faults = [], []
        for cell in cells:
            which = f"repetition {cell['repetition']}"
            try:
                run = measured(directory.run(cell["run_id"] or ""))
            except RunDirectoryError as error:
                faults.append(f"{which} cannot be read: {printable(str(error))}")
            else:
                if run.reservations:
                    faults.append(f"{which} is not valid: {' '.join(run.reservations)}")
                else:
                    runs.append(run)
            if progress:
                progress(next(read), total)
        return runs, "; ".join(faults)

    pairs, unmatched = [], []
    for match in matching.matches:
        (runs_a, faults_a), (runs_b, faults_b) = runs_of(a, match.a), runs_of(b, match.b)
        if faults_a:
            unmatched.append(Unmatched("A", match.name, faults_a))
        if faults_b:
            lost = bool(runs_a and not runs_b)
            unmatched.append(Unmatched("B", match.name, faults_b, regression=lost))
        if runs_a and runs_b:
            _check_scenarios(runs_a[0].run, runs_b[0].run)
            pairs.append(Pair(match.name, match.cell, runs_a, runs_b))
    return pairs, unmatched


def _check_scenarios(a: RunJson, b: RunJson) -> None:
    """Raises RunDirectoryError where one run is a batch and the other is not."""
    if is_batch(a) != is_batch(b):
        batch, sustained = ("A", "B") if is_batch(a) else ("B", "A")
        raise RunDirectoryError(
            f"{batch} is a batch and {sustained} is not, so their figures mean different things: "
            "compare two batches, or two sustained runs"
        )


def _name(run: RunJson) -> str:
    config, topology = run["config"], run["topology"]
    users = count(config["users"], f"{TRANSPORTS[config['transport']]} user")
    if topology["replicas"] is None:
        return users
    where = count(topology["replicas"], "replica")
    return f"{users}, {where}" + (f" × {count(topology['workers'], 'worker')}" if topology["workers"] else "")
