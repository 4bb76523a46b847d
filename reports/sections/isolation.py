"""Whether sessions kept to themselves: one worker each, steps counted 1, 2, 3 …, one user a session."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Isolation:
    """Violations of session isolation, over WebSocket; nothing is checked over stateless HTTP."""

    sessions_checked: int
    moved_sessions: int
    """Sessions answered by more than one (host, pid)."""
    lost_steps: int
    """Numbers missing from a session's step counts, less the steps that are recorded as failed."""
    duplicated_steps: int
    """Step counts that a session saw again without a reset."""
    shared_sessions: int
    """Session hashes that more than one user got."""
    violations: int
    examples: list[str]
    """A few of the violations in words."""
    takeaways: list[str]
