"""Which cells of two experiments belong together, and how to call them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reports.comparison.report import Unmatched
from reports.experiment.groups import Group, labels
from reports.page.words import count, printable
from reports.records.schema import CellJson, ExperimentJson


@dataclass(frozen=True)
class CellKey:
    """What two cells must have in common to be compared."""

    group: Group
    users: int


@dataclass(frozen=True)
class Match:
    """The cells of both sides that belong together: repetitions that finished, in order."""

    key: CellKey
    name: str
    a: list[CellJson]
    b: list[CellJson]


@dataclass(frozen=True)
class Matching:
    """All cells of two experiments, matched or not."""

    matches: list[Match]
    unmatched: list[Unmatched]
    renamed: tuple[str, str] | None
    """The names of the one deployment of each side, where they differ and were matched regardless."""


def match_cells(a: ExperimentJson, b: ExperimentJson) -> Matching:
    """Matches cells by deployment, replicas, workers, balancing, port, transport, wait and users.

    Where each side has a single deployment, their names need not agree.
    """
    names_a, names_b = ({cell["deployment"] for cell in side["cells"]} for side in (a, b))
    renamed = None
    if len(names_a) == len(names_b) == 1 and names_a != names_b:
        renamed = (printable(min(names_a), 60), printable(min(names_b), 60))
    common = min(names_b) if renamed else None
    cells_a, cells_b = (_by_key(side["cells"], common) for side in (a, b))
    keys = sorted({*cells_a, *cells_b}, key=lambda key: (key.group.order, key.users))
    names = labels(dict.fromkeys(key.group for key in keys))

    def name(key: CellKey) -> str:
        return f"{printable(names[key.group], 120)}, {count(key.users, 'user')}"

    matches, unmatched = [], []
    for key in keys:
        sides = cells_a.get(key, []), cells_b.get(key, [])
        done = [[cell for cell in side if cell["status"] == "completed" and cell["run_id"]] for side in sides]
        failed = [[cell for cell in side if cell["status"] == "failed"] for side in sides]
        if done[0] and done[1]:
            matches.append(Match(key, name(key), done[0], done[1]))
            if failed[0]:
                unmatched.append(Unmatched("A", name(key), _some(failed[0], sides[0])))
            if failed[1]:
                lost = _some(failed[1], sides[1])
                unmatched.append(Unmatched("B", name(key), lost, regression=not failed[0]))
            continue
        if sides[0]:
            reason = "B has no such cell that finished" if done[0] else _why(sides[0])
            unmatched.append(Unmatched("A", name(key), reason, regression=bool(done[0] and not sides[1])))
        if sides[1]:
            reason = "A has no such cell that finished" if done[1] else _why(sides[1])
            unmatched.append(Unmatched("B", name(key), reason, regression=bool(done[0])))
    return Matching(matches, unmatched, renamed)


def cell_form(key: CellKey) -> dict[str, object]:
    """The key as CellJson names its parts."""
    group = key.group
    return {
        "deployment": group.deployment,
        "replicas": group.replicas,
        "workers": group.workers,
        "balancing": group.balancing,
        "reuse_port": group.reuse_port,
        "transport": group.transport,
        "wait": group.wait,
        "users": key.users,
    }


def _by_key(cells: Iterable[CellJson], deployment: str | None) -> dict[CellKey, list[CellJson]]:
    found: dict[CellKey, list[CellJson]] = {}
    for cell in sorted(cells, key=lambda cell: cell["repetition"]):
        key = CellKey(Group.of(cell), cell["users"])
        if deployment is not None:
            key = replace(key, group=replace(key.group, deployment=deployment))
        found.setdefault(key, []).append(cell)
    return found


def _why(cells: Sequence[CellJson]) -> str:
    """Why none of a cell's repetitions can be compared."""
    reasons = [cell["reason"] for cell in cells if cell["reason"]]
    status = " and ".join(dict.fromkeys(cell["status"] for cell in cells))
    return f"{status}: {printable(reasons[0])}" if reasons else f"{status}, so there is nothing to compare"


def _some(failed: Sequence[CellJson], cells: Sequence[CellJson]) -> str:
    return f"{len(failed):,} of {count(len(cells), 'repetition')} {_why(failed)}"
