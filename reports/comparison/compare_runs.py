"""Compares two runs."""

from reports.comparison.differences import difference_notices, differences
from reports.comparison.measurement import Measurement, is_batch, measure
from reports.comparison.report import Comparison, Side
from reports.comparison.rows import Pair, figures_of, rows_of
from reports.page.words import TRANSPORTS, count
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import RunJson

ONE_RUN_EACH = (
    "Each side is one run. The intervals cover chance within the two runs, not how much two runs of the same "
    "deployment differ from each other; on a shared machine that is often several per cent. To be sure, "
    "repeat both, for instance as experiments with repetitions, and compare those."
)


def compare_runs(a: RunDirectory, b: RunDirectory) -> Comparison:
    """Compares run B with run A, its baseline.

    Raises RunDirectoryError where one cannot be read, or where one is a batch and the other is not.
    """
    check_scenarios(a.read_run(), b.read_run())
    one = measure(a)
    other = one if a.path.resolve() == b.path.resolve() else measure(b)
    rows, _ = rows_of([Pair(_name(other.run), {}, [one], [other])])
    found = differences(one.run, other.run)
    same = one is other or one.run_id == other.run_id
    return Comparison(
        of="runs",
        a=_side(a, one),
        b=_side(b, other),
        batch=one.batch,
        rows=rows,
        notices=[
            *(["A and B are the same run, so nothing can differ."] if same else []),
            *rows[0].notices,
            *difference_notices(found),
            *([] if same else [ONE_RUN_EACH]),
        ],
        differences=found,
        unmatched=[],
        figures=figures_of(rows),
        curves=(one.curve, other.curve) if one.curve and other.curve else None,
    )


def check_scenarios(a: RunJson, b: RunJson) -> None:
    """Raises RunDirectoryError where one run is a batch and the other is not."""
    if is_batch(a) != is_batch(b):
        batch, sustained = ("A", "B") if is_batch(a) else ("B", "A")
        raise RunDirectoryError(
            f"{batch} is a batch and {sustained} is not, so their figures mean different things: "
            "compare two batches, or two sustained runs"
        )


def _side(directory: RunDirectory, measured: Measurement) -> Side:
    run = measured.run
    return Side(run["run_id"], str(directory.path), run["started_at"], 1, run["machine"], run["versions"])


def _name(run: RunJson) -> str:
    config, topology = run["config"], run["topology"]
    users = count(config["users"], f"{TRANSPORTS[config['transport']]} user")
    if topology["replicas"] is None:
        return users
    where = count(topology["replicas"], "replica")
    return f"{users}, {where}" + (f" × {count(topology['workers'], 'worker')}" if topology["workers"] else "")
