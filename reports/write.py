"""Writes reports beside the records they are made from, for people and for programs."""

import json
from pathlib import Path
from typing import Any

from reports.experiment.report import ExperimentReport, report_experiment
from reports.experiment.report import to_json as experiment_to_json
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, unwritable, write_atomically
from reports.run.page import render
from reports.run.report import RunReport, report_run, to_json


def write_report(directory: RunDirectory) -> RunReport:
    """Makes the report of a run and writes its report.json and report.html.

    Raises RunDirectoryError where the run cannot be read or the report cannot be written.
    """
    report = report_run(directory)
    _write(directory.report_json, to_json(report), directory.report_html, render(report))
    return report


def write_experiment_report(directory: ExperimentDirectory) -> ExperimentReport:
    """Makes the report of an experiment and writes its report.json and report.html.

    Raises RunDirectoryError where experiment.json cannot be read or the report cannot be written.
    """
    from reports.experiment.page import render as render_experiment

    report = report_experiment(directory)
    _write(
        directory.report_json,
        experiment_to_json(report),
        directory.report_html,
        render_experiment(report),
    )
    return report


def _write(json_path: Path, form: dict[str, Any], page_path: Path, page: str) -> None:
    try:
        write_atomically(json_path, json.dumps(form, indent=2) + "\n")
        write_atomically(page_path, page)
    except OSError as error:
        raise unwritable(page_path.parent, error) from error
