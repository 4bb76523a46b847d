"""The terminal during a capacity search: a live line, and a line for every finished try."""

import time

from rich.console import Console

from loadtests.capacity.limits import success_words
from loadtests.capacity.outcome import Outcome
from loadtests.capacity.search import Answer
from loadtests.run.live_statistics import Snapshot
from loadtests.terminal import LiveDisplay, printable, progress
from reports.experiment.searched import Searched
from reports.page.words import count


class CapacityView(LiveDisplay):
    """Shows a search."""

    def __init__(self, console: Console, budget_s: float, searched: Searched) -> None:
        super().__init__(console)
        self._searched = searched
        self._say = progress(console)
        self._ends = time.monotonic() + budget_s
        self._doing = ""
        self._known = ""

    def starting(self, load: int, repetition: int) -> None:
        """A try is about to start."""
        self._doing = f"{self._searched.a_try(load)}, try {repetition}"
        self._draw("")

    def reporting(self) -> None:
        """The try is over, and its report is being written."""
        self._draw("writing its report")

    def finished(self, outcome: Outcome, repetition: int, answer: Answer) -> None:
        """Prints the outcome of a try, and notes what is known now."""
        self._known = known(answer)
        line = f"{self._searched.a_try(outcome.load)}, try {repetition}: "
        if outcome.broken:
            line += f"says nothing: {outcome.broken}"
        else:
            line += success_words(outcome, self._searched)
        self._say(line)

    def show(self, snapshot: Snapshot) -> None:
        """Draws the try that is under way."""
        if not snapshot.users:
            self._draw("starting the load generator")
            return
        errors = f", {count(snapshot.failures, 'error')}" if snapshot.failures else ""
        started = (
            f"{count(snapshot.users, 'user')}" if self._searched.is_rate else f"{snapshot.users:,} started"
        )
        self._draw(f"{started}, {snapshot.steps:,} done{errors}")

    def _draw(self, progress: str) -> None:
        left = max(self._ends - time.monotonic(), 0)
        parts = [self._doing, progress, self._known, f"{left // 60:.0f}:{left % 60:02.0f} of the budget left"]
        self.draw(printable("  ·  ".join(filter(None, parts))))


def known(answer: Answer) -> str:
    """What the tries have shown so far, in a few words."""
    parts = [f"{answer.max_batch:,} met" if answer.max_batch else ""]
    parts.append(f"{answer.high:,} missed" if answer.high is not None else "")
    parts.append(f"the server holds {answer.server_cap:,}" if answer.server_cap is not None else "")
    return ", ".join(filter(None, parts))
