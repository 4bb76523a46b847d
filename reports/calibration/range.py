"""Whether a load was one that the instrument can measure: what speaks against it, a sentence each."""

from collections.abc import Iterable

from reports.calibration.difference import BOUNDS
from reports.page.words import count, seconds
from reports.run.sections.validity import RunWarning
from reports.statistics.saturation import SATURATED_SHARE, SHARED_SHARE

_CODES = frozenset(
    {
        "not_completed",
        "incident",
        "generator_saturated",
        "generator_late",
        "machine_saturated",
        "machine_shared",
        "rate_not_reached",
    }
)
"""Warnings of a run whose generator or machine could not keep up, or that did not get to its end."""


def out_of_range(warnings: Iterable[RunWarning]) -> list[str]:
    """What the run itself says."""
    return [warning.message for warning in warnings if warning.code in _CODES]


def not_quiet(cores: int, server: float, generators: float | None, others: float | None) -> list[str]:
    """What the run cannot know, since the reference server is one of the other programs to it.

    `server` are the cores that it kept busy, `generators` those of the load generator, `others` those of all
    other programs, the server among them; None: unknown.
    """
    if others is None:
        return []
    strangers = max(others - server, 0.0)
    if strangers >= SHARED_SHARE * cores:
        busy = f"{strangers:.1f} of this machine's {count(cores, 'core')}"
        return [f"Other programs kept {busy} busy, and made generator and server wait."]
    if generators is not None and generators + others >= SATURATED_SHARE * cores:
        return [f"Generator and server together kept all of this machine's {count(cores, 'core')} busy."]
    return []


def not_prompt(woken_p50_s: float, woken_p99_s: float) -> list[str]:
    """Whether the machine wakes programs up too late to keep the bounds, as one that only sleeps knows.

    Between a true time and a reported one the harness is woken up, for the reply.
    """
    for name, woken_s in (("p50", woken_p50_s), ("p99", woken_p99_s)):
        if woken_s > BOUNDS[name].seconds:
            late = f"{seconds(woken_s)} late at {name}"
            return [f"This machine woke up a program that only slept {late}, which is more than the bound."]
    return []
