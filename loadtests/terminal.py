"""What the commands say in the terminal, and how they end when they are told to."""

import signal
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from loadtests.live_view import printable
from reports.run_directory import RunDirectory
from reports.run_report import RunReport
from reports.verdict import verdict_lines


def progress(console: Console) -> Callable[[str], None]:
    """Prints a line for each step of longer work."""
    return lambda line: console.print(Text("· ", style="dim") + printable(line), soft_wrap=True)


def print_verdict(report: RunReport, directory: RunDirectory, console: Console) -> None:
    """Prints the verdict and main figures of a run, and where its report is."""
    first, *lines = verdict_lines(report)
    console.print(printable(first, style="bold green" if report.slo.passed else "bold red"), soft_wrap=True)
    for line in lines:
        console.print(printable(line), soft_wrap=True)
    console.print(f"report: {directory.report_html}", markup=False, soft_wrap=True)


def end_on_termination() -> None:
    """Lets SIGTERM end the command as Ctrl-C does, so that everything is taken down."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
