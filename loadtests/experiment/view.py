"""The terminal during an experiment: what is done, what is next, and how long it will take."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.status import Status
from rich.table import Table
from rich.text import Text

from loadtests.deployments import Deployment
from loadtests.experiment.grid import CellNames, deployment_key
from loadtests.run.config import LoadTestConfig
from loadtests.run.live_view import LiveView
from loadtests.terminal import latency, printable, progress
from reports.page.words import count
from reports.records.schema import CellJson, is_batch

if TYPE_CHECKING:  # it loads pandas
    from reports.run.report import RunReport

_CELL_OVERHEAD_S = 5.0
_START_S = 15.0
"""Assumed until measured: what a cell takes beyond its load, and a deployment to come up."""


class ExperimentView:
    """Prints a line for every finished cell, and holds the live view of the running one."""

    def __init__(self, cells: Sequence[CellJson], load_s: float, console: Console) -> None:
        """`load_s` is how long the load of a cell lasts, in seconds."""
        self._cells = cells
        self._console = console
        self._say = progress(console)
        self._names = CellNames(cells)
        self._cell_s = load_s + _CELL_OVERHEAD_S
        self._spent: list[float] = []
        self._starts: list[float] = []
        self._status: Status | None = None

    def start(self, path: Path) -> None:
        """Says what is about to run."""
        left = [cell for cell in self._cells if cell["status"] == "pending"]
        deployments = len({deployment_key(cell) for cell in left})
        done = len(self._cells) - len(left)
        self._say(
            f"{count(len(left), 'cell')} on {count(deployments, 'deployment')}"
            f"{f', {done} done before' if done else ''}, about {_duration(self._left_s())}; "
            f"each is saved in {path} as soon as it is done"
        )

    @contextlib.contextmanager
    def bringing_up(self, cell: CellJson) -> Iterator[None]:
        """Shows that a deployment is being brought up, and says how long it took."""
        name = self._names.deployment(cell)
        start = time.monotonic()
        with self._console.status(printable(f"bringing up {name}")) as self._status:
            try:
                yield
            finally:
                self._status = None
        self._starts.append(time.monotonic() - start)
        self._say(f"{name}: up after {self._starts[-1]:.1f} s")

    def detail(self, line: str) -> None:
        """Shows how a deployment is coming up, in a terminal."""
        if self._status is not None:
            self._status.update(printable(line))

    def of_cell(self, cell: CellJson, config: LoadTestConfig, deployment: Deployment) -> LiveView:
        """The live view of a cell, below the progress of the experiment."""
        heading = self._heading(cell)
        return LiveView(self._console, config, deployment.topology(), heading=heading, lines=False)

    def finished(self, cell: CellJson, report: "RunReport | None", seconds: float | None) -> None:
        """Prints the outcome of a cell, which took `seconds`; None if it did not run."""
        if seconds is not None:
            self._spent.append(seconds)
        done = sum(1 for each in self._cells if each["status"] in ("completed", "failed"))
        width = len(str(len(self._cells)))
        outcome = _figures(report) if report is not None and cell["status"] == "completed" else ""
        if cell["status"] == "failed":
            outcome = f"failed: {cell['reason']}"
        left = f" · {_duration(self._left_s())} left" if done < len(self._cells) else ""
        following = self._next()
        if following is not None and not self._console.is_terminal:
            left += f", next {self._names.cell(following)}"
        self._say(f"{done:{width}}/{len(self._cells)}  {self._names.cell(cell)}: {outcome}{left}")

    def _heading(self, cell: CellJson) -> RenderableType:
        done = sum(1 for each in self._cells if each["status"] in ("completed", "failed"))
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(total=len(self._cells), completed=done, width=40),
            f"{done} of {len(self._cells)} cells, about {_duration(self._left_s())} left",
        )
        following = self._next()
        lines = [Text("now   ", style="dim") + printable(self._names.cell(cell), style="bold")]
        if following is not None:
            lines.append(Text("next  ", style="dim") + printable(self._names.cell(following)))
        return Group(bar, *lines, "")

    def _next(self) -> CellJson | None:
        return next((each for each in self._cells if each["status"] == "pending"), None)

    def _left_s(self) -> float:
        pending = [cell for cell in self._cells if cell["status"] in ("pending", "running")]
        running = {deployment_key(cell) for cell in self._cells if cell["status"] == "running"}
        to_start = {deployment_key(cell) for cell in pending} - running
        cell_s = sum(self._spent) / len(self._spent) if self._spent else self._cell_s
        start_s = sum(self._starts) / len(self._starts) if self._starts else _START_S
        return len(pending) * cell_s + len(to_start) * start_s


def _figures(report: "RunReport") -> str:
    total = report.latency.summaries.get("total")
    missed = [criterion for criterion in report.slo.criteria if not criterion.passed]
    met = f"missed: {' '.join(criterion.sentence for criterion in missed)}" if missed else "met"
    if report.validity.reasons:
        met = f"{met}, but not valid: {report.validity.reasons[0].message}"
    if is_batch(report.run):
        p99 = f", p99 of total {latency(total.p99)}" if total else ""
        return f"{report.totals.success_rate:.1%} succeeded{p99}, {met}"
    step = report.latency.in_window.get("step")
    p99 = f", p99 {latency(step.p99)}" if step else ""
    return f"{report.totals.throughput_steps_per_s:,.0f} steps/s{p99}, {met}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
