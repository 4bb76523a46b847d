"""Makes the reports of runs, experiments and comparisons, and the index of all, and writes them to disk.

What a report needs is imported where it is made: a run's should not wait for what the others need.
"""

import contextlib
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from reports.outputs.files import OutputFiles
from reports.records.calibration_directory import CalibrationDirectory
from reports.records.directory import ReportDirectory, RunDirectoryError, unwritable, write_atomically
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory

if TYPE_CHECKING:
    from reports.calibration.report import CalibrationReport
    from reports.comparison.regressions import Regression
    from reports.comparison.report import Comparison
    from reports.experiment.report import ExperimentReport
    from reports.index.report import Index
    from reports.run.report import RunReport


_OTHERWISE = ", or choose another folder with --output"
_BEGINNING = 4096
"""Characters within which a page says whose it is."""


def load_meanwhile() -> None:
    """Imports what a run's report needs, which takes a second, while the caller waits for something else."""
    Thread(target=lambda: importlib.import_module("reports.run.page"), name="imports").start()


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


def write_calibration_report(directory: CalibrationDirectory) -> "CalibrationReport":
    """Makes the report of a calibration and writes it.

    Raises RunDirectoryError where calibration.json cannot be read or the report cannot be written.
    """
    from reports.calibration.page import render
    from reports.calibration.report import report_calibration, to_json

    report = report_calibration(directory)
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


def write_index(index: "Index") -> Path:
    """Writes the page of a results folder, index.html in it, and returns its path.

    Raises RunDirectoryError where it cannot be written, or where an index.html lies there that is not ours.
    """
    from reports.index.page import render

    path = index.results / "index.html"
    try:
        if path.exists() and not is_index(path):
            raise RunDirectoryError(f"{path} is not of this program and was left as it is: move it away")
        write_atomically(path, render(index))
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def refresh_index(results: Path) -> str | None:
    """Reads a results folder and writes its page; what went wrong, in a line, or None.

    Raises nothing: a run whose records are safe must not fail for the sake of a list.
    """
    from reports.index.report import report_index

    try:
        write_index(report_index(results))
    except RunDirectoryError as error:
        return f"the index of all results was not written: {error}"
    except Exception as error:
        return f"the index of all results was not written: {error or type(error).__name__}"
    return None


def is_index(path: Path) -> bool:
    """Whether a file is the page of a results folder. Raises OSError where it cannot be read."""
    from reports.index.page import MARK

    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as page:
        return MARK in page.read(_BEGINNING)


def write_run_outputs(files: OutputFiles, report: "RunReport", directory: RunDirectory) -> None:
    """Writes what is wanted of a run besides its report. Raises RunDirectoryError."""
    from reports.run.junit import suite
    from reports.run.summary import summary

    files.write(lambda: suite(report), lambda: summary(report, directory.report_html))


def write_experiment_outputs(
    files: OutputFiles, report: "ExperimentReport", directory: ExperimentDirectory
) -> None:
    """Writes what is wanted of an experiment besides its report. Raises RunDirectoryError."""
    from reports.experiment.junit import suite
    from reports.experiment.summary import summary

    files.write(lambda: suite(report), lambda: summary(report, directory.report_html))


def write_comparison_outputs(
    files: OutputFiles,
    comparison: "Comparison",
    regressions: Sequence["Regression"] | None,
    directory: ReportDirectory,
) -> None:
    """Writes what is wanted of a comparison besides its report; None: no bound makes a change a regression.

    Raises RunDirectoryError.
    """
    from reports.comparison.junit import suite
    from reports.comparison.summary import summary

    files.write(
        lambda: suite(comparison, regressions),
        lambda: summary(comparison, regressions, directory.report_html),
    )


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
