"""The terminal during a calibration: what is done, what is next, and how long it will take."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtests.terminal import latency, printable, progress
from reports.page.words import count
from reports.records.schema import CalibrationCell
from reports.run.report import RunReport

_CELL_OVERHEAD_S = 5.0
"""Assumed until measured: what a load takes beyond its duration."""


class CalibrationView:
    """Prints a line for every load that is done, and heads the live view of the running one."""

    def __init__(self, cells: Sequence[CalibrationCell], duration_s: float, console: Console) -> None:
        self._cells = cells
        self._cell_s = duration_s + _CELL_OVERHEAD_S
        self._spent: list[float] = []
        self._say = progress(console)

    def start(self, path: Path) -> None:
        """Says what is about to run."""
        self._say(
            f"{count(len(self._cells), 'load')} on a server whose reply times are known, about "
            f"{self._left()}; each is saved in {path} as soon as it is done"
        )

    def heading(self, cell: CalibrationCell) -> RenderableType:
        """What goes above the figures of a running load."""
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(total=len(self._cells), completed=self._done(), width=40),
            f"{self._done()} of {count(len(self._cells), 'load')}, about {self._left()} left",
        )
        return Group(
            bar, printable(f"{cell['name']}, {count(cell['users'], 'user')}", style="bold"), Text("")
        )

    def finished(self, cell: CalibrationCell, report: RunReport | None, seconds: float) -> None:
        """Prints what came of a load that took `seconds` in all."""
        self._spent.append(seconds)
        found = f"failed: {cell['reason']}"
        if report is not None and (step := report.latency.summaries.get("step")):
            speed = f"{report.totals.throughput_steps_per_s:,.0f} steps/s"
            found = f"{speed}, p50 {latency(step.p50)}, p99 {latency(step.p99)}"
        name = f"{cell['name']}, {count(cell['users'], 'user')}"
        left = f" · {self._left()} left" if self._done() < len(self._cells) else ""
        self._say(f"{self._done():{len(str(len(self._cells)))}}/{len(self._cells)}  {name}: {found}{left}")

    def _done(self) -> int:
        return sum(cell["status"] in ("completed", "failed") for cell in self._cells)

    def _left(self) -> str:
        each_s = sum(self._spent) / len(self._spent) if self._spent else self._cell_s
        left_s = (len(self._cells) - self._done()) * each_s
        return f"{left_s:.0f} s" if left_s < 90 else f"{left_s / 60:.0f} min"
