"""What is killed, what that did, and which promises it broke."""

from dataclasses import dataclass, field

from benchmarks.kills.kinds import Kind

MOST_LOST_S = 1.5
"""Rows are written every second; a busy machine may write them half a second late."""


@dataclass(frozen=True)
class Kill:
    """What is killed, and when."""

    number: int
    kind: Kind
    moment: float
    """The share of the span in which it may be killed that passes before, 0 to 1."""
    choice: int
    """Which of several candidates: the remainder of the division by their number."""
    then_run: bool
    """Whether the next command is another load test; otherwise `down`."""


@dataclass
class Outcome:
    """What a kill did."""

    kill: Kill
    rows_lost: int | None = None
    """None where nothing had been recorded yet."""
    seconds_lost: float = 0.0
    """How long before the kill the last row that is there was complete, where the killed process had rows."""
    reads: bool | None = None
    """Whether the run is read; None where it had not recorded anything, and that is said in a line."""
    left: list[str] = field(default_factory=list)
    """What is there after the next command and should not be."""
    untrue: list[str] = field(default_factory=list)
    """What was said of the run that is not true."""

    @property
    def broken(self) -> list[str]:
        """The promises that do not hold, a sentence each."""
        found = [f"left behind: {each}" for each in self.left] + self.untrue
        if self.reads is False:
            found.append("the report does not read the run")
        if self.seconds_lost > MOST_LOST_S:
            found.append(f"{self.seconds_lost:.2f} s of rows are lost")
        elif self.rows_lost and self.kill.kind.role != "generator":
            found.append(f"{self.rows_lost} rows are lost, although Locust went on")
        return found
