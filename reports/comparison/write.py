"""Compares two directories on disk and writes the report, for people and for programs."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reports.comparison.compare_experiments import Progress, compare_experiments
from reports.comparison.compare_runs import compare_runs
from reports.comparison.page import render
from reports.comparison.report import Comparison, to_json
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError, unwritable, write_atomically

_OTHERWISE = ", or choose another folder with --output"


@dataclass(frozen=True)
class Written:
    """A comparison and where its report lies."""

    comparison: Comparison
    report_html: Path
    report_json: Path


def write_comparison(
    a: Path, b: Path, output: Path | None = None, progress: Progress | None = None
) -> Written:
    """Compares B with A and writes report.html and report.json into `output`.

    That is `<B>/compare-<name of A's folder>` by default. Raises RunDirectoryError where A or B cannot be
    read, where they are not of one kind, or where the report cannot be written.
    """
    _check_kinds(a, b)
    folder = output or b / f"compare-{a.resolve().name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error, _OTHERWISE) from error
    try:
        return _write(compare(a, b, progress), folder)
    finally:
        _remove_if_empty(folder)


def _write(comparison: Comparison, folder: Path) -> Written:
    written = Written(comparison, folder / "report.html", folder / "report.json")
    page = render(comparison)
    try:
        write_atomically(written.report_json, json.dumps(to_json(comparison), indent=2) + "\n")
        write_atomically(written.report_html, page)
    except OSError as error:
        raise unwritable(folder, error, _OTHERWISE) from error
    return written


def compare(a: Path, b: Path, progress: Progress | None = None) -> Comparison:
    """Compares two run directories or two experiment directories. Raises RunDirectoryError as above."""
    if _check_kinds(a, b) == "experiments":
        return compare_experiments(ExperimentDirectory(a), ExperimentDirectory(b), progress)
    return compare_runs(RunDirectory(a), RunDirectory(b))


def _check_kinds(a: Path, b: Path) -> Literal["runs", "experiments"]:
    """What both are, before anything long is begun or written."""
    experiments = [ExperimentDirectory(path).exists() for path in (a, b)]
    for path, experiment in zip((a, b), experiments, strict=True):
        if experiment:
            ExperimentDirectory(path).read()
        else:
            RunDirectory(path).read_run()
    if experiments[0] != experiments[1]:
        one, other = (a, b) if experiments[0] else (b, a)
        raise RunDirectoryError(
            f"{one} is an experiment and {other} is a run: compare two runs, or two experiments"
        )
    return "experiments" if experiments[0] else "runs"


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
