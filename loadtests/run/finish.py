"""The end of a run: its status, its compact records, its report and its verdict."""

import time

from rich.console import Console

from loadtests.run.live_view import printable
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunStatus
from reports.run.report import RunReport
from reports.run.verdict import passed, verdict_lines
from reports.write import write_report


def finish_run(directory: RunDirectory, status: RunStatus, detail: str | None = None) -> RunReport:
    """Completes run.json, turns the streams into Parquet and writes the report.

    Raises RunDirectoryError where the run recorded nothing that can be reported.
    """
    run = directory.read_run()
    if run["ended_at"] is None:
        run["ended_at"] = time.time()
    run["status"] = status
    run["status_detail"] = detail
    directory.write_run(run)
    directory.compact()
    return write_report(directory)


def print_verdict(report: RunReport, directory: RunDirectory, console: Console) -> None:
    """Prints the verdict and main figures of a run, and where its report is."""
    first, *lines = verdict_lines(report)
    console.print(
        printable(first, style="bold green" if passed(report) else "bold red"),
        soft_wrap=not console.is_terminal,
    )
    for line in lines:
        console.print(printable(line), soft_wrap=not console.is_terminal)
    console.print(f"report: {directory.report_html}", markup=False, soft_wrap=True)
