"""Writes the report of a run beside its records, for people and for programs."""

import json

from reports.html import render
from reports.run_directory import RunDirectory, RunDirectoryError, write_atomically
from reports.run_report import RunReport, report_run, to_json


def write_report(directory: RunDirectory) -> RunReport:
    """Makes the report of a run and writes its report.json and report.html.

    Raises RunDirectoryError where the run cannot be read or the report cannot be written.
    """
    report = report_run(directory)
    page = render(report)
    try:
        write_atomically(directory.report_json, json.dumps(to_json(report), indent=2) + "\n")
        write_atomically(directory.report_html, page)
    except OSError as error:
        raise RunDirectoryError(
            f"the report cannot be written into {directory.path} ({error.strerror}): "
            "check its permissions and the space on the disk"
        ) from error
    return report
