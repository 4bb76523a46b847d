"""How evenly workers were loaded, by balancing policy and by shared or reused port."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from reports.experiment.cells import Cell
from reports.experiment.groups import Group, port_name
from reports.experiment.sections.spread import Spread, spread_of
from reports.page.words import count, listing, printable

_ENOUGH_EACH = 5
"""Users that each worker must expect, as for a chi-squared test (Cochran 1954)."""
_TITLES = {"balancing": "By balancing policy", "port": "By port"}


@dataclass(frozen=True)
class FairnessRow:
    """Jain's index over workers for one choice."""

    choice: str
    """`round_robin`, `least_conn` … or `own ports`, `shared port`."""
    users: int | None
    """None: over all loads."""
    jain: Spread
    """Over all cells with at least two workers; 1 is even."""
    cells: int


@dataclass(frozen=True)
class FairnessComparison:
    """All choices of one kind; choices are compared over groups and loads that all of them share."""

    kind: Literal["balancing", "port"]
    choices: list[FairnessRow]
    """Over all loads, best first."""
    rows: list[FairnessRow]
    """By choice as in `choices`, then rising users."""
    takeaway: str
    """Which spread better, and whether by more than the repetitions' spread."""

    @property
    def title(self) -> str:
        return _TITLES[self.kind]


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
    by_policy = _compare(
        "balancing",
        [cell for cell in several if (cell.group.replicas or 0) > 1],
        lambda group: (printable(group.balancing or "", 60), replace(group, balancing=None)),
    )
    by_port = _compare(
        "port",
        [cell for cell in several if (cell.group.workers or 0) > 1],
        lambda group: (port_name(group), replace(group, reuse_port=None)),
    )
    comparisons = [comparison for comparison in (by_policy, by_port) if comparison]
    first = (
        f"Over {count(len(several), 'cell')} with workers to share the load, Jain's index was "
        f"{_range(cell.jain_worker for cell in several)}."
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
    over_hosts = (
        f"Replies named more than one host in {count(len(named), 'cell')}: Jain's index over hosts was "
        f"{_range(cell.jain_replica for cell in named)}."
    )
    return [unknown, over_hosts]


def _range(jains: Iterable[float | None]) -> str:
    found = spread_of(jains)
    return f"{found.median:.3f} at the median and between {found.low:.3f} and {found.high:.3f}"


def _compare(
    kind: Literal["balancing", "port"],
    cells: list[Cell],
    choice_and_rest: Callable[[Group], tuple[str, Group]],
) -> FairnessComparison | None:
    """Compares choices, each told from the rest of its group, where rest and users are the same for all."""
    measured = [(*choice_and_rest(cell.group), cell.users, cell.jain_worker) for cell in cells]
    table = pd.DataFrame(
        [(choice, str((rest, users)), users, jain) for choice, rest, users, jain in measured if choice],
        columns=["choice", "condition", "users", "jain"],
    )
    if table.empty:
        return None
    shared = table.groupby("condition")["choice"].transform("nunique") == table["choice"].nunique()
    if shared.any():
        table = table[shared]
    choices = [_row(str(choice), None, found) for choice, found in table.groupby("choice")]
    choices.sort(key=lambda row: (-row.jain.median, row.choice))
    rows = [
        _row(each.choice, users, found)
        for each in choices
        for users, found in table[table["choice"] == each.choice].groupby("users")
    ]
    return FairnessComparison(kind, choices, rows, _takeaway(kind, choices, table, bool(shared.any())))


def _row(choice: str, users: Any, found: pd.DataFrame) -> FairnessRow:
    return FairnessRow(choice, users, spread_of(found["jain"]), len(found))


def _takeaway(
    kind: Literal["balancing", "port"], choices: list[FairnessRow], table: pd.DataFrame, shared: bool
) -> str:
    what = "balancing policy" if kind == "balancing" else "kind of port"
    best, worst = choices[0], choices[-1]
    if best is worst:
        return f"Only one {what} was tried, {best.choice}: Jain's index {best.jain.median:.3f} at the median."
    names = listing([found.choice for found in choices])
    if not shared:
        return f"{names} were only tried under different conditions, so they cannot be compared fairly."
    repeated = table.groupby(["condition", "choice"])["jain"].agg(["median", "min", "max", "count"])
    medians = repeated["median"].unstack()
    difference = float((medians[best.choice] - medians[worst.choice]).median())
    repeated = repeated[repeated["count"] > 1]
    spread = f"{best.choice} spread the load more evenly than {worst.choice} (Jain's index at the median "
    figures = f"{best.jain.median:.3f} against {worst.jain.median:.3f})"
    if repeated.empty:
        return f"{spread}{figures}; nothing was repeated, so that may be chance."
    if difference > float((repeated["max"] - repeated["min"]).median()):
        return f"{spread}{figures}, by more than repetitions vary."
    even = f"{names} spread the load equally well: they differ by no more than repetitions do"
    return f"{even} (Jain's index at the median {best.jain.median:.3f} to {worst.jain.median:.3f})."
