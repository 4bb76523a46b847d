"""The comparison of two runs or two experiments as data, and its form as report.json."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from reports.comparison.matching import CRITERIA, Unmatched, match_cells
from reports.comparison.measurement import Measurement
from reports.comparison.pairs import Progress, pair_of_runs, pairs_of_cells
from reports.comparison.rows import Row, rows_of
from reports.comparison.sections.changes import Change, Verdict
from reports.comparison.sections.configuration import Difference, difference_notices, differences
from reports.page.words import count, listing
from reports.records.directory import ReportDirectory
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.json_values import finite
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import SCHEMA_VERSION, ExperimentJson, RunJson, is_batch
from reports.run.sections.latency import Curve
from reports.statistics.significance import CONFIDENCE

ALL_CELLS = "all cells together"
ONE_RUN_EACH = (
    "Each side is one run. The intervals cover chance within the two runs, not how much two runs of the same "
    "deployment differ from each other; on a shared machine that is often several per cent. To be sure, "
    "repeat both, for example as experiments with repetitions, and compare those."
)
_SINGLE_RUNS = (
    "Cells were repeated too seldom to tell how much two runs of the same deployment differ from each other, "
    "so the intervals cover chance within the runs only. To be sure, run the experiments with more "
    "repetitions."
)
_ENDINGS = {
    "running": "was cut short or is still going on",
    "interrupted": "was interrupted",
    "failed": "failed",
}


@dataclass(frozen=True)
class Side:
    """A or B: a run or an experiment."""

    id: str
    path: str
    started_at: float
    runs: int
    machine: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class Comparison:
    """Everything that the report of a comparison shows. A is the baseline."""

    of: Literal["runs", "experiments"]
    a: Side
    b: Side
    batch: bool
    """Percentiles are of total time, and success is a session's."""
    rows: list[Row]
    notices: list[str]
    """What a reader must know before the figures."""
    differences: list[Difference]
    unmatched: list[Unmatched]
    together: list[Change] = field(default_factory=list)
    """The mean change of each figure over all cells; empty for two runs, and where cells are too few."""
    curves: tuple[Curve, Curve] | None = None
    """Latency of A and of B at each percentile, where two runs are compared."""

    @property
    def figures(self) -> int:
        """How many figures the verdicts allow for."""
        return sum(len(row.changes) + 1 for row in self.rows) + len(self.together)

    @property
    def run_to_run(self) -> bool:
        """Whether the intervals of all rows hold from run to run."""
        return all(row.run_to_run for row in self.rows)

    @property
    def largest_shown(self) -> tuple[Row, Change] | None:
        """The row and the change that is shown and largest, by its factor; None where none is shown."""
        shown = [
            (row, change)
            for row in self.rows
            for change in row.changes
            if change.verdict in ("faster", "slower")
        ]
        return max(shown, key=lambda both: abs(math.log1p(both[1].change or 0.0)), default=None)

    def rows_with(self, verdict: Verdict) -> list[Row]:
        return [row for row in self.rows if row.verdict == verdict]


def compare_runs(a: RunDirectory, b: RunDirectory) -> Comparison:
    """Compares run B with run A, its baseline.

    Raises RunDirectoryError where one cannot be read, or where one is a batch and the other is not.
    """
    pair = pair_of_runs(a, b)
    one, other = pair.a[0], pair.b[0]
    [row], _ = rows_of([pair])
    found = differences(one.run, other.run)
    same = one is other or one.run_id == other.run_id
    return Comparison(
        of="runs",
        a=_side(a, one.run_id, one.run, pair.a),
        b=_side(b, other.run_id, other.run, pair.b),
        batch=is_batch(one.run),
        rows=[row],
        notices=[
            *(["A and B are the same run, so nothing can differ."] if same else []),
            *row.notices,
            *difference_notices(found),
            *([] if same else [ONE_RUN_EACH]),
        ],
        differences=found,
        unmatched=[],
        curves=(one.curve, other.curve) if one.curve and other.curve else None,
    )


def compare_experiments(
    a: ExperimentDirectory, b: ExperimentDirectory, progress: Progress | None = None
) -> Comparison:
    """Compares experiment B with experiment A, its baseline; the repetitions of a cell count together.

    Raises RunDirectoryError where one cannot be read, or where no cell of theirs can be compared.
    """
    one, other = a.read(), b.read()
    matching = match_cells(one, other)
    pairs, unreadable = pairs_of_cells(a, b, matching, progress)
    unmatched = [*matching.unmatched, *unreadable]
    if not pairs:
        raise RunDirectoryError(_nothing_in_common(unmatched))
    rows, together = rows_of(pairs)
    found = differences(pairs[0].a[0].run, pairs[0].b[0].run)
    same = a.path.resolve() == b.path.resolve() or one["experiment_id"] == other["experiment_id"]
    runs_a, runs_b = [run for pair in pairs for run in pair.a], [run for pair in pairs for run in pair.b]
    return Comparison(
        of="experiments",
        a=_side(a, one["experiment_id"], one, runs_a),
        b=_side(b, other["experiment_id"], other, runs_b),
        batch=is_batch(runs_a[0].run),
        rows=rows,
        notices=[
            *(["A and B are the same experiment, so nothing can differ."] if same else []),
            *_experiment_notices(one, other, matching.renamed, unmatched),
            *difference_notices(found),
            *([] if same or all(row.run_to_run for row in rows) else [_SINGLE_RUNS]),
        ],
        differences=found,
        unmatched=unmatched,
        together=together,
    )


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison in the form of report.json: seconds, shares in 0…1, changes as shares of A."""
    form = asdict(comparison)
    form.pop("curves")
    plain: dict[str, Any] = finite(
        {
            "kind": "comparison",
            "schema_version": SCHEMA_VERSION,
            "confidence": CONFIDENCE,
            **form,
            "figures": comparison.figures,
            "run_to_run": comparison.run_to_run,
        }
    )
    return plain


def _side(
    directory: ReportDirectory, name: str, record: RunJson | ExperimentJson, runs: Sequence[Measurement]
) -> Side:
    versions = runs[0].run["versions"]
    return Side(name, str(directory.path), record["started_at"], len(runs), record["machine"], versions)


def _experiment_notices(
    a: ExperimentJson, b: ExperimentJson, renamed: tuple[str, str] | None, unmatched: Sequence[Unmatched]
) -> list[str]:
    notices = [
        f"Experiment {side} {_ENDINGS[experiment['status']]}: its cells that finished are compared."
        for side, experiment in (("A", a), ("B", b))
        if experiment["status"] in _ENDINGS
    ]
    if renamed:
        notices.append(
            f"The deployments have different names ({renamed[0]} in A, {renamed[1]} in B). "
            "Each side has only one, so they are compared with each other."
        )
    if cells := len({each.name for each in unmatched}):
        are = "is" if cells == 1 else "are"
        notices.append(
            f"{count(cells, 'cell')} {are} left out, wholly or in part, for the reasons under Left out."
        )
    return notices


def _nothing_in_common(unmatched: Sequence[Unmatched]) -> str:
    seen = listing([f"{each.side} {each.name} ({each.reason})" for each in unmatched[:3]])
    return (
        "the experiments have no cell in common that finished in both"
        + (f": {seen}" if seen else "")
        + f"; cells are matched by {CRITERIA}"
    )
