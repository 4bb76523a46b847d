"""Whether a load was one that the instrument can measure: what speaks against it, a sentence each."""

from collections.abc import Iterable

from reports.page.words import count
from reports.run.sections.validity import RunWarning
from reports.statistics.saturation import BUSY_WORKERS, SATURATED_SHARE, SHARED_SHARE

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
    found = []
    if server >= BUSY_WORKERS:
        found.append(
            f"The reference server kept {server:.2f} of a core busy: steps waited before it read them, which "
            "is not in its times."
        )
    if others is None:
        return found
    strangers = max(others - server, 0.0)
    if strangers >= SHARED_SHARE * cores:
        found.append(
            f"Other programs kept {strangers:.1f} of this machine's {count(cores, 'core')} busy, and made "
            "generator and server wait."
        )
    elif generators is not None and generators + others >= SATURATED_SHARE * cores:
        found.append(f"Generator and server together kept all of this machine's {count(cores, 'core')} busy.")
    return found
