"""Compares two experiments, cell by cell."""

from collections.abc import Callable, Sequence

from reports.comparison.compare_runs import check_scenarios
from reports.comparison.differences import difference_notices, differences
from reports.comparison.matching import cell_form, match_cells
from reports.comparison.measurement import Measurement, measure
from reports.comparison.report import Comparison, Row, Side, Unmatched
from reports.comparison.rows import Pair, figures_of, rows_of
from reports.page.words import count, listing, printable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import CellJson, ExperimentJson

Progress = Callable[[int, int], None]
"""Told how many runs are read, and of how many."""

SINGLE_RUNS = (
    "Cells were run too seldom to tell how much two runs of the same deployment differ from each other: the "
    "intervals cover chance within the runs only. To be sure, repeat the experiments with more repetitions."
)
_ENDINGS = {
    "running": "was cut short or is still going on",
    "interrupted": "was interrupted",
    "failed": "failed",
}


def compare_experiments(
    a: ExperimentDirectory, b: ExperimentDirectory, progress: Progress | None = None
) -> Comparison:
    """Compares experiment B with experiment A, its baseline; the repetitions of a cell count together.

    Raises RunDirectoryError where one cannot be read, or where no cell of theirs can be compared.
    """
    experiment_a, experiment_b = a.read(), b.read()
    matching = match_cells(experiment_a, experiment_b)
    reader = _Reader(sum(len(match.a) + len(match.b) for match in matching.matches), progress)
    pairs, unmatched = [], list(matching.unmatched)
    for match in matching.matches:
        (runs_a, faults_a), (runs_b, faults_b) = reader.read(a, match.a), reader.read(b, match.b)
        if faults_a:
            unmatched.append(Unmatched("A", match.name, "; ".join(faults_a)))
        if faults_b:
            lost = bool(runs_a and not runs_b)
            unmatched.append(Unmatched("B", match.name, "; ".join(faults_b), regression=lost))
        if runs_a and runs_b:
            pairs.append(Pair(match.name, cell_form(match.key), runs_a, runs_b))
    if not pairs:
        raise RunDirectoryError(_nothing(unmatched))
    for pair in pairs:
        check_scenarios(pair.a[0].run, pair.b[0].run)
    rows, together = rows_of(pairs)
    same = (
        a.path.resolve() == b.path.resolve() or experiment_a["experiment_id"] == experiment_b["experiment_id"]
    )
    found = differences(pairs[0].a[0].run, pairs[0].b[0].run)
    return Comparison(
        of="experiments",
        a=_side(a, experiment_a, [run for pair in pairs for run in pair.a]),
        b=_side(b, experiment_b, [run for pair in pairs for run in pair.b]),
        batch=pairs[0].a[0].batch,
        rows=rows,
        notices=[
            *(["A and B are the same experiment, so nothing can differ."] if same else []),
            *_endings(experiment_a, experiment_b),
            *_renamed(matching.renamed),
            *_unmatched_notice(unmatched),
            *difference_notices(found),
            *([] if same else _repetitions(rows)),
        ],
        differences=found,
        unmatched=unmatched,
        figures=figures_of(rows, together),
        together=together,
    )


class _Reader:
    """Reads the runs of cells, a run that both sides share only once, and says how far it is."""

    def __init__(self, runs: int, progress: Progress | None) -> None:
        self._runs = runs
        self._progress = progress
        self._done = 0
        self._known: dict[str, Measurement] = {}

    def read(
        self, directory: ExperimentDirectory, cells: Sequence[CellJson]
    ) -> tuple[list[Measurement], list[str]]:
        """The runs that are valid, and what is wrong with the others."""
        runs, faults = [], []
        for cell in cells:
            which = f"repetition {cell['repetition']}"
            try:
                run = self._measure(directory.run(cell["run_id"] or ""))
            except RunDirectoryError as error:
                faults.append(f"{which} cannot be read: {printable(str(error))}")
            else:
                if run.reservations:
                    faults.append(f"{which} is not valid: {' '.join(run.reservations)}")
                else:
                    runs.append(run)
            self._done += 1
            if self._progress:
                self._progress(self._done, self._runs)
        return runs, faults

    def _measure(self, run: RunDirectory) -> Measurement:
        key = str(run.path.resolve())
        if key not in self._known:
            self._known[key] = measure(run)
        return self._known[key]


def _side(directory: ExperimentDirectory, experiment: ExperimentJson, runs: Sequence[Measurement]) -> Side:
    return Side(
        experiment["experiment_id"],
        str(directory.path),
        experiment["started_at"],
        len(runs),
        experiment["machine"],
        runs[0].run["versions"],
    )


def _endings(a: ExperimentJson, b: ExperimentJson) -> list[str]:
    return [
        f"Experiment {side} {_ENDINGS[experiment['status']]}: its cells that finished are compared."
        for side, experiment in (("A", a), ("B", b))
        if experiment["status"] in _ENDINGS
    ]


def _renamed(names: tuple[str, str] | None) -> list[str]:
    if names is None:
        return []
    named = f"The deployments bear different names ({names[0]} in A, {names[1]} in B)"
    return [f"{named}. Each side has one, so they are compared with each other."]


def _unmatched_notice(unmatched: Sequence[Unmatched]) -> list[str]:
    if not unmatched:
        return []
    cells = len({each.name for each in unmatched})
    are = "is" if cells == 1 else "are"
    return [f"{count(cells, 'cell')} {are} left out, wholly or in part; the reasons stand under Left out."]


def _repetitions(rows: Sequence[Row]) -> list[str]:
    return [] if all(row.run_to_run for row in rows) else [SINGLE_RUNS]


def _nothing(unmatched: Sequence[Unmatched]) -> str:
    seen = listing([f"{each.side} {each.name} ({each.reason})" for each in unmatched[:3]])
    return (
        "the experiments have no cell in common that finished in both"
        + (f": {seen}" if seen else "")
        + "; cells are matched by deployment, replicas, workers, balancing, port, transport, wait and users"
    )
