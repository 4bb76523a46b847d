"""What a run did in all, and the window in which its throughput is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Totals:
    """Counts of a whole run. Steps are successful steps, failures are failed operations of any kind."""

    sessions: int
    """Over WebSocket distinct sessions, over HTTP users that were answered."""
    steps: int
    operations: int
    failures: int
    success_rate: float
    """Successful operations over all operations, 0…1; 1 where there were none."""
    duration_s: float
    """From the first operation's start to the last one's end."""
    throughput_steps_per_s: float
    """Successful steps that ended inside the window, over its length."""
    window_s: tuple[float, float]
    """The measured window in seconds since the run's start: all users are there, none has left."""
