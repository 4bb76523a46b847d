"""Makes the reports of runs, experiments and comparisons and writes them to disk.

What a report needs is imported where it is made: a run's should not wait for what the others need.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reports.records.directory import ReportDirectory, RunDirectoryError, unwritable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from reports.comparison.report import Comparison
    from reports.experiment.report import ExperimentReport
    from reports.run.report import RunReport


_OTHERWISE = ", or choose another folder with --output"


def write_report(directory: RunDirectory) -> "RunReport":
    """Makes the report of a run and writes it.

    Raises RunDirectoryError where the run cannot be read or the report cannot be written.
    """
    from reports.run.page import render
    from reports.run.report import report_run, to_json

    report = report_run(directory)
    directory.write_episodes(report.episodes.table if report.episodes else None)
    directory.write_report(to_json(report), render(report))
    return report


def write_experiment_report(directory: ExperimentDirectory) -> "ExperimentReport":
    """Makes the report of an experiment and writes it.

    Raises RunDirectoryError where experiment.json cannot be read or the report cannot be written.
    """
    from reports.experiment.page import render
    from reports.experiment.report import report_experiment, to_json

    report = report_experiment(directory)
    directory.write_report(to_json(report), render(report))
    return report


def write_comparison(
    a: Path, b: Path, output: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple["Comparison", ReportDirectory]:
    """Compares B with A, two runs or two experiments, and writes the report into `output`.

    That is `<B>/compare-<name of A's folder>` by default. Raises RunDirectoryError where A or B cannot be
    read, where they are not of one kind, or where the report cannot be written.
    """
    from reports.comparison.page import render
    from reports.comparison.report import compare_experiments, compare_runs, to_json

    experiments = _are_experiments(a, b)
    directory = ReportDirectory(output or b / f"compare-{a.resolve().name}")
    try:
        directory.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(directory.path, error, _OTHERWISE) from error
    try:
        if experiments:
            comparison = compare_experiments(ExperimentDirectory(a), ExperimentDirectory(b), progress)
        else:
            comparison = compare_runs(RunDirectory(a), RunDirectory(b))
        directory.write_report(to_json(comparison), render(comparison), _OTHERWISE)
    finally:
        with contextlib.suppress(OSError):
            directory.path.rmdir()  # which removes it only if nothing was written
    return comparison, directory


def _are_experiments(a: Path, b: Path) -> bool:
    """Whether both are experiments, or both are runs, found out before anything takes long or is written."""
    experiments = [ExperimentDirectory(path).exists() for path in (a, b)]
    for path, experiment in zip((a, b), experiments, strict=True):
        if experiment:
            ExperimentDirectory(path).read()
        else:
            RunDirectory(path).read()
    if experiments[0] != experiments[1]:
        one, other = (a, b) if experiments[0] else (b, a)
        raise RunDirectoryError(
            f"{one} is an experiment and {other} is a run: compare two runs, or two experiments"
        )
    return experiments[0]
