"""Which cells of two experiments are compared with each other, and what they are called."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from reports.experiment.groups import Group, labels
from reports.page.words import count, printable
from reports.records.schema import CellJson, ExperimentJson

CRITERIA = "deployment, replicas, workers, balancing, port, transport, wait and users"
"""What two cells must have in common to be compared, in words."""

SideName = Literal["A", "B"]

_Key = tuple[Group, int]
"""CRITERIA: a group and a number of users."""


@dataclass(frozen=True)
class Match:
    """The cells of both sides that are compared: the repetitions that finished, in order."""

    name: str
    cell: dict[str, Any]
    """What they have in common, as CellJson names it."""
    a: list[CellJson]
    b: list[CellJson]


@dataclass(frozen=True)
class Unmatched:
    """A cell of which a side has no run to compare, or has lost some of its repetitions."""

    side: SideName
    name: str
    reason: str
    regression: bool = False
    """Whether B lacks something that A has."""


@dataclass(frozen=True)
class Matching:
    """All cells of two experiments, matched or not."""

    matches: list[Match]
    unmatched: list[Unmatched]
    renamed: tuple[str, str] | None
    """The names of the only deployment of each side, where they differ and were matched regardless."""


def match_cells(a: ExperimentJson, b: ExperimentJson) -> Matching:
    """Matches cells by CRITERIA. Where each side has a single deployment, their names need not agree."""
    names_a, names_b = ({cell["deployment"] for cell in side["cells"]} for side in (a, b))
    renamed = None
    if len(names_a) == len(names_b) == 1 and names_a != names_b:
        renamed = (printable(min(names_a), 60), printable(min(names_b), 60))
    common = min(names_b) if renamed else None
    cells_a, cells_b = (_by_key(side["cells"], common) for side in (a, b))
    keys = sorted({*cells_a, *cells_b}, key=lambda key: (key[0].order, key[1]))
    names = labels(dict.fromkeys(group for group, _ in keys))
    matches, unmatched = [], []
    for group, users in keys:
        name = f"{printable(names[group], 120)}, {count(users, 'user')}"
        all_a, all_b = cells_a.get((group, users), []), cells_b.get((group, users), [])
        done_a, done_b = _finished(all_a), _finished(all_b)
        if done_a and done_b:
            matches.append(Match(name, {**asdict(group), "users": users}, done_a, done_b))
            failed_a, failed_b = _some_failed(all_a), _some_failed(all_b)
            if failed_a:
                unmatched.append(Unmatched("A", name, failed_a))
            if failed_b:
                unmatched.append(Unmatched("B", name, failed_b, regression=not failed_a))
            continue
        if all_a:
            reason = "B has no such cell that finished" if done_a else _why(all_a)
            unmatched.append(Unmatched("A", name, reason, regression=bool(done_a and not all_b)))
        if all_b:
            reason = "A has no such cell that finished" if done_b else _why(all_b)
            unmatched.append(Unmatched("B", name, reason, regression=bool(done_a)))
    return Matching(matches, unmatched, renamed)


def _by_key(cells: Iterable[CellJson], deployment: str | None) -> dict[_Key, list[CellJson]]:
    """The repetitions of each cell, all under the name `deployment` unless that is None."""
    found: dict[_Key, list[CellJson]] = {}
    for cell in sorted(cells, key=lambda cell: cell["repetition"]):
        group = Group.of(cell)
        if deployment is not None:
            group = replace(group, deployment=deployment)
        found.setdefault((group, cell["users"]), []).append(cell)
    return found


def _finished(cells: Iterable[CellJson]) -> list[CellJson]:
    return [cell for cell in cells if cell["status"] == "completed" and cell["run_id"]]


def _some_failed(cells: Sequence[CellJson]) -> str | None:
    """How many of a cell's repetitions failed, and why; None where none did."""
    failed = [cell for cell in cells if cell["status"] == "failed"]
    return f"{len(failed):,} of {count(len(cells), 'repetition')} {_why(failed)}" if failed else None


def _why(cells: Sequence[CellJson]) -> str:
    """Why none of these repetitions can be compared."""
    reasons = [cell["reason"] for cell in cells if cell["reason"]]
    status = " and ".join(dict.fromkeys(cell["status"] for cell in cells))
    return f"{status}: {printable(reasons[0])}" if reasons else f"{status}, so there is nothing to compare"
