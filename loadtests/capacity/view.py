"""The terminal while a capacity search goes on: a live line, and a line for every batch that is done."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from loadtests.capacity.batch_outcome import BatchOutcome
from loadtests.capacity.limits import success_words
from loadtests.capacity.search import Answer
from loadtests.run.live_statistics import Snapshot
from loadtests.run.live_view import printable
from reports.page.words import count


class CapacityView:
    """Shows a search; a context manager, since it holds the terminal meanwhile."""

    def __init__(self, console: Console, budget_s: float) -> None:
        self._console = console
        self._ends = time.monotonic() + budget_s
        self._doing = ""
        self._known = ""
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begins(self, users: int, repetition: int) -> "BatchView":
        """A batch is about to start; gives the view for its load."""
        self._doing = f"batch of {users:,}, try {repetition}"
        self._draw("")
        return BatchView(self)

    def reports(self) -> None:
        """The batch is over, and its report is being written."""
        self._draw("writing its report")

    def finished(self, outcome: BatchOutcome, repetition: int, answer: Answer) -> None:
        """Says what came of a batch, and what is known now."""
        self._known = known(answer)
        line = f"batch of {outcome.users:,}, try {repetition}: "
        if outcome.broken:
            line += f"says nothing: {outcome.broken}"
        else:
            line += success_words(outcome)
        self._console.print(
            Text("· ", style="dim") + printable(line), soft_wrap=not self._console.is_terminal
        )

    def load(self, snapshot: Snapshot) -> None:
        """The batch is under way."""
        if not snapshot.users:
            self._draw("the load generator starts")
            return
        errors = f", {count(snapshot.failures, 'error')}" if snapshot.failures else ""
        self._draw(f"{snapshot.users:,} have begun, {snapshot.steps:,} are done{errors}")

    def _draw(self, progress: str) -> None:
        if self._live is None:
            return
        left = max(self._ends - time.monotonic(), 0)
        parts = [self._doing, progress, self._known, f"{left // 60:.0f}:{left % 60:02.0f} of the budget left"]
        self._live.update(printable("  ·  ".join(filter(None, parts))), refresh=True)


class BatchView:
    """Shows the load of one batch within the search's live line."""

    def __init__(self, search: CapacityView) -> None:
        self._search = search

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, snapshot: Snapshot) -> None:
        """Is called a few times a second."""
        self._search.load(snapshot)


def known(answer: Answer) -> str:
    """What the tries say so far, in a few words."""
    parts = [f"{answer.max_batch:,} met" if answer.max_batch else ""]
    parts.append(f"{answer.high:,} missed" if answer.high is not None else "")
    parts.append(f"the server holds {answer.server_cap:,}" if answer.server_cap is not None else "")
    return ", ".join(filter(None, parts))
