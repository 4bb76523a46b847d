"""The terminal during a run: figures and bars of workers or hosts, or a line now and then in a log."""

import time

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtests.load.spread import NOBODY, Worker
from loadtests.run.config import LoadTestConfig
from loadtests.run.live_statistics import Snapshot
from loadtests.terminal import LiveDisplay, latency, printable
from reports.page.words import count
from reports.records.schema import Topology, expected_workers

_LINE_SECONDS = 2.0
_MOST_BARS = 16


class LiveView(LiveDisplay):
    """Shows snapshots of a run."""

    def __init__(
        self,
        console: Console,
        config: LoadTestConfig,
        topology: Topology,
        *,
        heading: RenderableType = "",
        lines: bool = True,
    ) -> None:
        """`heading` goes above the figures; without `lines`, a log shows nothing."""
        super().__init__(console)
        self._console = console
        self._duration_s = config.duration_s
        arrivals = config.options.arrivals
        come_and_go = arrivals is not None and arrivals.of == "sessions"
        self._who = "arrived" if come_and_go else "users"
        self._of_all = "" if come_and_go else f"/{config.users}"
        self._names = topology["names"]
        self._expected_workers = expected_workers(topology)
        self._unit = "sessions" if config.transport == "ws" else "users"
        self._heading = heading
        self._lines = lines and not console.is_terminal
        self._started: float | None = None
        self._last_line = 0.0

    def show(self, snapshot: Snapshot) -> None:
        """Draws the snapshot; in a log it prints a line every two seconds."""
        if self._started is None:
            self._started = time.monotonic()
        elapsed = time.monotonic() - self._started
        self.draw(self._picture(snapshot, elapsed))
        if self._lines and elapsed - self._last_line >= _LINE_SECONDS:
            self._last_line = elapsed
            self._console.print(self._line(snapshot, elapsed), soft_wrap=True)

    def _line(self, snapshot: Snapshot, elapsed: float) -> Text:
        text = f"{elapsed:4.0f} s  {self._figures(snapshot)}  {self._shares(snapshot)}"
        return printable(f"{text}  last error: {snapshot.last_error[:120]}" if snapshot.last_error else text)

    def _shares(self, snapshot: Snapshot) -> str:
        """`sessions by worker 6/2/0`, `sessions by host 8/8`, or `16 sessions, hosts unknown`."""
        unnamed = snapshot.sessions.get(NOBODY, 0)
        workers = self._workers(snapshot)
        named = "/".join(str(number) for _, number in workers)
        if unnamed:
            also = f"{self._counted(unnamed)}, hosts unknown"
            return f"{self._unit} by {_noun(workers)} {named} and {also}" if named else also
        return f"{self._unit} by {_noun(workers)} {named or '–'}"

    def _figures(self, snapshot: Snapshot) -> str:
        return (
            f"{self._who} {snapshot.users}{self._of_all}  {snapshot.steps_per_s:,.0f} steps/s  "
            f"p50 {latency(snapshot.p50)}  p99 {latency(snapshot.p99)}  "
            f"errors {snapshot.failures:,}"
        )

    def _picture(self, snapshot: Snapshot, elapsed: float) -> RenderableType:
        progress = Table.grid(padding=(0, 2))
        progress.add_row(
            ProgressBar(total=self._duration_s, completed=min(elapsed, self._duration_s), width=40),
            f"{min(elapsed, self._duration_s):.0f} of {self._duration_s:.0f} s",
        )
        figures = Table.grid(padding=(0, 3))
        figures.add_row(self._who, "steps/s", "p50", "p99", "errors", style="dim")
        figures.add_row(
            f"{snapshot.users}{self._of_all}",
            Text(f"{snapshot.steps_per_s:,.0f}", style="bold"),
            latency(snapshot.p50),
            latency(snapshot.p99),
            Text(f"{snapshot.failures:,}", style="bold red" if snapshot.failures else ""),
        )
        parts: list[RenderableType] = [
            *([self._heading] if self._heading else []),
            progress,
            figures,
            self._bars(snapshot),
        ]
        if snapshot.last_error:
            parts.append(printable(f"last error: {snapshot.last_error[:240]}", style="red"))
        return Group(*parts)

    def _bars(self, snapshot: Snapshot) -> Table:
        workers = self._workers(snapshot)
        if unnamed := snapshot.sessions.get(NOBODY, 0):
            workers.append((NOBODY, unnamed))
        total = sum(number for _, number in workers)
        most = max((number for _, number in workers), default=0)
        table = Table.grid(padding=(0, 2))
        for (host, pid), number in workers[:_MOST_BARS]:
            table.add_row(
                printable(self._title(host, pid, number)),
                ProgressBar(
                    total=max(most, 1),
                    completed=number,
                    width=30,
                    complete_style="cyan",
                    finished_style="cyan",
                ),
                self._counted(number),
                f"{number / total:.0%}" if total else "",
            )
        if len(workers) > _MOST_BARS:
            table.add_row(Text(f"and {len(workers) - _MOST_BARS} more", style="dim"))
        return table

    def _counted(self, number: int) -> str:
        return count(number, self._unit.removesuffix("s"))

    def _title(self, host: str, pid: int | None, number: int) -> str:
        if not host:
            return "hosts unknown" if number else "no worker seen"
        name = self._names.get(host, host)
        return name if pid is None else f"{name} pid {pid}"

    def _workers(self, snapshot: Snapshot) -> list[tuple[Worker, int]]:
        """The workers that answered and, where each of them names itself, those that did not."""
        named = [item for item in snapshot.sessions.items() if item[0] != NOBODY]
        workers = sorted(named, key=lambda item: (item[0][0], item[0][1] or 0))
        if NOBODY in snapshot.sessions or any(pid is None for (_, pid), _ in workers):
            return workers
        idle = (self._expected_workers or 0) - len(workers)
        return workers + [(NOBODY, 0)] * max(idle, 0)


def _noun(workers: list[tuple[Worker, int]]) -> str:
    return "host" if any(host and pid is None for (host, pid), _ in workers) else "worker"
