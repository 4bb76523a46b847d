"""The end of a run, an experiment or a search: records completed, the report written, its outcome printed."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from loadtests.commands import invocation
from loadtests.terminal import progress, tell
from reports.records.directory import ReportDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import RunStatus
from reports.write import refresh_index, write_report

if TYPE_CHECKING:  # it loads pandas
    from reports.run.report import RunReport

_Report = TypeVar("_Report")


def finish_run(directory: RunDirectory, status: RunStatus, detail: str | None = None) -> "RunReport":
    """Completes run.json, turns the streams into Parquet and writes the report.

    Raises RunDirectoryError, with the detail if there is one, where the run recorded nothing to report.
    """
    try:
        run = directory.read()
        if run["ended_at"] is None:
            run["ended_at"] = time.time()
        run["status"], run["status_detail"] = status, detail
        directory.write(run)
        directory.compact()
        return write_report(directory)
    except RunDirectoryError as error:
        raise RunDirectoryError(detail or str(error)) from error.__cause__


def reported(write: Callable[[], _Report], directory: ReportDirectory, console: Console) -> _Report | None:
    """The report that `write` makes; None after Ctrl-C, when it says how to make the report later."""
    say = progress(console)
    say("writing the report")
    try:
        return write()
    except KeyboardInterrupt:
        say(f"the report is not finished: {invocation('report', RUN=directory.path)}")
        return None


def print_outcome(
    lines: Iterable[str], directory: ReportDirectory, console: Console, first_style: str = ""
) -> None:
    """Prints lines, the first one in a style, and where the report is."""
    for number, line in enumerate(lines):
        tell(console, line, "" if number else first_style)
    console.print(f"report: {directory.report_html}", markup=False, soft_wrap=True)


def list_in_index(results: Path, console: Console) -> None:
    """Writes the index of all results again; where that is not possible, says so in a line."""
    if problem := refresh_index(results):
        progress(console)(problem)
