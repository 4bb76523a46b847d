"""The end of a run: its status, its compact records, its report and its verdict."""

import time

from rich.console import Console

from loadtests.terminal import tell
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunStatus
from reports.run.report import RunReport
from reports.run.verdict import verdict_lines
from reports.write import write_report


def finish_run(directory: RunDirectory, status: RunStatus, detail: str | None = None) -> RunReport:
    """Completes run.json, turns the streams into Parquet and writes the report.

    Raises RunDirectoryError where the run recorded nothing that can be reported.
    """
    run = directory.read_run()
    if run["ended_at"] is None:
        run["ended_at"] = time.time()
    run["status"], run["status_detail"] = status, detail
    directory.write_run(run)
    directory.compact()
    return write_report(directory)


def print_verdict(report: RunReport, directory: RunDirectory, console: Console) -> None:
    """Prints the verdict and main figures of a run, and where its report is."""
    first, *lines = verdict_lines(report)
    tell(console, first, "bold green" if report.passed else "bold red")
    for line in lines:
        tell(console, line)
    console.print(f"report: {directory.report_html}", markup=False, soft_wrap=True)
