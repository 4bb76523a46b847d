"""How evenly workers were loaded, by balancing policy and by shared or reused port."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reports.experiment.cells import Cell
from reports.experiment.groups import Group, port_name
from reports.experiment.sections.spread import Spread, spread_of
from reports.page.words import count, listing, printable

_ENOUGH_EACH = 5
"""Users that each worker must expect, as for a chi-squared test (Cochran 1954)."""

Condition = tuple[Group, int]
"""What is the same for all choices: a group without the choice, and a number of users."""


@dataclass(frozen=True)
class FairnessRow:
    """Jain's index over workers for one choice at one number of users."""

    choice: str
    """`round_robin`, `least_conn` … or `own port each`, `shared port`."""
    users: int
    jain: Spread
    """Over all cells with at least two workers; 1 is even."""
    cells: int


@dataclass(frozen=True)
class FairnessOfChoice:
    """Jain's index over workers for one choice, over all loads."""

    choice: str
    jain: Spread
    cells: int


@dataclass(frozen=True)
class FairnessComparison:
    """All choices of one kind; choices are compared over groups and loads that all of them share."""

    kind: Literal["balancing", "port"]
    title: str
    choices: list[FairnessOfChoice]
    """Best first."""
    rows: list[FairnessRow]
    """By choice as in `choices`, then rising users."""
    takeaway: str
    """Which spread better, and whether by more than the repetitions' spread."""


@dataclass(frozen=True)
class FairnessByChoice:
    """Empty comparisons where no cell has two workers; one choice of a kind has nothing to compare."""

    comparisons: list[FairnessComparison]
    takeaways: list[str]


def summarize(cells: Sequence[Cell]) -> FairnessByChoice:
    """Compares policies over cells with at least two replicas, ports over those with two workers each.

    Cells with fewer than 5 users for each worker are left out: so few cannot be spread evenly.
    """
    several = [
        cell
        for cell in cells
        if cell.finished
        and cell.jain_worker is not None
        and (workers := cell.group.total_workers or 0) > 1
        and cell.users >= _ENOUGH_EACH * workers
    ]
    if not several:
        if unknown := _where_workers_are_unknown([cell for cell in cells if cell.finished]):
            return FairnessByChoice([], unknown)
        none = f"No finished cell had two workers or more and at least {_ENOUGH_EACH} users for each of them."
        return FairnessByChoice([], [none])
    comparisons = [
        comparison
        for comparison in (
            _compare(
                "balancing",
                "By balancing policy",
                [cell for cell in several if (cell.group.replicas or 0) > 1],
                lambda group: printable(group.balancing or "", 60),
                lambda group: replace(group, balancing=None),
            ),
            _compare(
                "port",
                "By port",
                [cell for cell in several if (cell.group.workers or 0) > 1],
                port_name,
                lambda group: replace(group, reuse_port=None),
            ),
        )
        if comparison
    ]
    overall = spread_of(cell.jain_worker for cell in several)
    first = (
        f"Over {count(len(several), 'cell')} with workers to share the load, Jain's index was "
        f"{overall.median:.3f} at the median and between {overall.low:.3f} and {overall.high:.3f}."
    )
    return FairnessByChoice(comparisons, [first, *(comparison.takeaway for comparison in comparisons)])


def _where_workers_are_unknown(finished: Sequence[Cell]) -> list[str]:
    if not finished or any(cell.group.total_workers is not None for cell in finished):
        return []
    unknown = "How many workers stand behind a URL is unknown, so fairness over workers is."
    named = [
        cell for cell in finished if (cell.hosts or 0) > 1 and cell.users >= _ENOUGH_EACH * (cell.hosts or 0)
    ]
    if not named:
        return [unknown]
    found = spread_of(cell.jain_replica for cell in named)
    over_hosts = (
        f"Replies named more than one host in {count(len(named), 'cell')}: Jain's index over hosts was "
        f"{found.median:.3f} at the median and between {found.low:.3f} and {found.high:.3f}."
    )
    return [unknown, over_hosts]


def _compare(
    kind: Literal["balancing", "port"],
    title: str,
    cells: list[Cell],
    choice_of: Callable[[Group], str],
    rest_of: Callable[[Group], Group],
) -> FairnessComparison | None:
    by_choice: dict[str, dict[Condition, list[float]]] = {}
    for cell in cells:
        choice = choice_of(cell.group)
        if choice and cell.jain_worker is not None:
            conditions = by_choice.setdefault(choice, {})
            conditions.setdefault((rest_of(cell.group), cell.users), []).append(cell.jain_worker)
    if not by_choice:
        return None
    shared = set.intersection(*(set(conditions) for conditions in by_choice.values()))
    if shared:
        by_choice = {
            choice: {at: values for at, values in conditions.items() if at in shared}
            for choice, conditions in by_choice.items()
        }
    choices = [
        FairnessOfChoice(choice, spread_of(_flat(conditions)), len(_flat(conditions)))
        for choice, conditions in by_choice.items()
    ]
    choices.sort(key=lambda found: (-found.jain.median, found.choice))
    rows = [row for found in choices for row in _by_users(found.choice, by_choice[found.choice])]
    takeaway = _takeaway(choices, by_choice, bool(shared), kind)
    return FairnessComparison(kind, title, choices, rows, takeaway)


def _flat(conditions: Mapping[Condition, list[float]]) -> list[float]:
    return [value for values in conditions.values() for value in values]


def _by_users(choice: str, conditions: Mapping[Condition, list[float]]) -> list[FairnessRow]:
    rows = []
    for users in sorted({at for _, at in conditions}):
        values = [value for (_, at), found in conditions.items() if at == users for value in found]
        rows.append(FairnessRow(choice, users, spread_of(values), len(values)))
    return rows


def _takeaway(
    choices: list[FairnessOfChoice],
    by_choice: Mapping[str, Mapping[Condition, list[float]]],
    shared: bool,
    kind: Literal["balancing", "port"],
) -> str:
    what = "balancing policy" if kind == "balancing" else "kind of port"
    best, worst = choices[0], choices[-1]
    if best is worst:
        return f"Only one {what} was tried, {best.choice}: Jain's index {best.jain.median:.3f} at the median."
    names = listing([found.choice for found in choices])
    if not shared:
        return f"{names} were only tried under different conditions, so they cannot be compared fairly."
    differences = spread_of(
        spread_of(values).median - spread_of(by_choice[worst.choice][at]).median
        for at, values in by_choice[best.choice].items()
    )
    ranges = spread_of(
        max(values) - min(values)
        for conditions in by_choice.values()
        for values in conditions.values()
        if len(values) > 1
    )
    spread = f"{best.choice} spread the load more evenly than {worst.choice} (Jain's index at the median "
    figures = f"{best.jain.median:.3f} against {worst.jain.median:.3f})"
    if not ranges.known:
        return f"{spread}{figures}; nothing was repeated, so that may be chance."
    if differences.median > ranges.median:
        return f"{spread}{figures}, by more than repetitions vary."
    even = f"{names} spread the load equally well: they differ by no more than repetitions do"
    return f"{even} (Jain's index at the median {best.jain.median:.3f} to {worst.jain.median:.3f})."
