"""What faults cost each deployment: which of them loses least."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reports.experiment.cells import Cell, by_group
from reports.experiment.groups import Group
from reports.experiment.sections.spread import Spread, spread_of
from reports.page.words import count, listing


@dataclass(frozen=True)
class FaultRow:
    """The faults of one group, summed over each run, over its repetitions."""

    group: Group
    label: str
    repetitions: int
    sessions_lost: Spread
    failed: Spread
    """Failed operations."""
    errors_ended_s: Spread
    """Seconds from a fault to the end of its last failure, of the fault that took longest."""
    p99_s: Spread
    """Of step latency meanwhile, seconds, of the worst fault."""

    @property
    def loss(self) -> tuple[float, float]:
        """What rows are compared by: sessions lost, then failed operations."""
        return (
            self.sessions_lost.median if self.sessions_lost.known else 0.0,
            self.failed.median if self.failed.known else 0.0,
        )


@dataclass(frozen=True)
class FaultsByGroup:
    """Every group with faults, those of one plan together."""

    rows: list[FaultRow]
    takeaways: list[str]


def summarize(cells: Sequence[Cell], labels: Mapping[Group, str]) -> FaultsByGroup | None:
    """A row for each group with faults, in the order of `labels`; None where no cell had any."""
    struck = [cell for cell in cells if cell.finished and cell.group.fault]
    if not struck:
        return None
    cells_of = by_group(struck)
    rows = [_row(group, label, cells_of[group]) for group, label in labels.items() if group in cells_of]
    return FaultsByGroup(rows, list(_takeaways(rows)))


def _row(group: Group, label: str, cells: list[Cell]) -> FaultRow:
    return FaultRow(
        group=group,
        label=label,
        repetitions=len(cells),
        sessions_lost=spread_of(cell.sessions_lost for cell in cells),
        failed=spread_of(cell.failed_by_faults for cell in cells),
        errors_ended_s=spread_of(cell.errors_ended_s for cell in cells),
        p99_s=spread_of(cell.p99_during_faults for cell in cells),
    )


def _takeaways(rows: list[FaultRow]) -> Iterator[str]:
    for plan in dict.fromkeys(row.group.fault for row in rows):
        of_plan = [row for row in rows if row.group.fault == plan]
        if len(of_plan) < 2:
            continue
        least, most = min(row.loss for row in of_plan), max(row.loss for row in of_plan)
        names = [row.label.removesuffix(f", {plan}") for row in of_plan if row.loss == least]
        lost = f"{count(round(least[0]), 'session')} and {count(round(least[1]), 'operation')}"
        if least == most:
            yield f"{plan}: all lost the same, {lost}."
        else:
            worst = f"the most was {most[0]:,.0f} and {most[1]:,.0f}"
            yield f"{plan}: {listing(names)} lost least, {lost}; {worst}."
