"""Open-model rates, or numbers of groups of rollouts: throughput, latency and goodput at each load."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reports.experiment.cells import Cell, by_group
from reports.experiment.groups import Group
from reports.experiment.sections.spread import Spread, spread_of
from reports.page.words import seconds

Kind = Literal["rates", "groups"]

_MOST = 0.5
"""A load met the objective where more than this share of its repetitions did."""
_FLAT = 0.98
"""Goodput this near the best counts as the best: the smallest such load is named."""


@dataclass(frozen=True)
class LoadPoint:
    """One group at one load, over its repetitions."""

    load: float
    """Arrivals a second, or groups of rollouts at a time."""
    repetitions: int
    valid: bool
    """Whether the figures rest on valid repetitions."""
    reached: bool
    """Whether users sufficed for the rate in all of them."""
    throughput: Spread
    """Steps a second, or episodes a second."""
    goodput: Spread
    """What met the objective a second, in the same unit."""
    total_p99: Spread
    """Seconds, of open-model runs from when operations were due."""
    group_p99: Spread
    """Seconds that groups of rollouts took."""
    straggler_share: Spread
    slo_share: float
    """The share of the repetitions that met the objective, 0…1."""

    @property
    def met(self) -> bool:
        """Whether most repetitions met the objective, by figures that can be believed."""
        return self.valid and self.slo_share > _MOST


@dataclass(frozen=True)
class LoadCurve:
    """The points of one group by rising load."""

    group: Group
    label: str
    points: list[LoadPoint]

    @property
    def highest_met(self) -> LoadPoint | None:
        """The highest load that met the objective, as did all below it."""
        best = None
        for point in self.points:
            if not point.met:
                break
            best = point
        return best

    @property
    def first_missed(self) -> LoadPoint | None:
        """The lowest load that missed the objective."""
        return next((point for point in self.points if not point.met), None)

    @property
    def best_goodput(self) -> LoadPoint | None:
        """The smallest load whose goodput is within 2 % of the highest."""
        known = [point for point in self.points if point.valid and point.goodput.known]
        most = max((point.goodput.median for point in known), default=0.0)
        return next((point for point in known if most and point.goodput.median >= _FLAT * most), None)


@dataclass(frozen=True)
class Loads:
    """Every group's curve; the same kind of load in all."""

    kind: Kind
    unit: str
    """Of a load: `steps/s`, `sessions/s` or `groups`."""
    goodput_unit: str
    """`steps/s` or `episodes/s`."""
    curves: list[LoadCurve]
    takeaways: list[str]

    @property
    def tried(self) -> list[float]:
        """Every load, rising."""
        return sorted({point.load for curve in self.curves for point in curve.points})

    @property
    def most_met(self) -> tuple[LoadCurve, LoadPoint] | None:
        """The curve that met the objective at the highest load, and that load."""
        met = [(curve, point) for curve in self.curves if (point := curve.highest_met) is not None]
        return max(met, key=lambda each: each[1].load, default=None)

    @property
    def most_good(self) -> tuple[LoadCurve, LoadPoint] | None:
        """The curve with the highest goodput, and the load where it has that."""
        good = [(curve, point) for curve in self.curves if (point := curve.best_goodput) is not None]
        return max(good, key=lambda each: each[1].goodput.median, default=None)


def summarize(cells: Sequence[Cell], labels: Mapping[Group, str]) -> Loads | None:
    """Every group's curve, groups in the order of `labels`; None where users were what varied."""
    finished = [cell for cell in cells if cell.finished and cell.load is not None]
    if not finished:
        return None
    cells_of = by_group(finished)
    curves = [
        LoadCurve(group, label, _points(cells_of[group]))
        for group, label in labels.items()
        if group in cells_of
    ]
    first = finished[0]
    kind: Kind = "groups" if first.load_unit == "groups" else "rates"
    unit = first.load_unit or ""
    goodput_unit = "episodes/s" if kind == "groups" else "steps/s"
    return Loads(kind, unit, goodput_unit, curves, list(_takeaways(kind, unit, goodput_unit, curves)))


def _points(cells: Sequence[Cell]) -> list[LoadPoint]:
    return [
        _point(load, [cell for cell in cells if cell.load == load])
        for load in sorted({cell.load for cell in cells if cell.load is not None})
    ]


def _point(load: float, finished: list[Cell]) -> LoadPoint:
    cells = [cell for cell in finished if cell.valid] or finished
    return LoadPoint(
        load=load,
        repetitions=len(cells),
        valid=cells[0].valid,
        reached=all(cell.reached for cell in cells),
        throughput=spread_of(cell.episodes_per_s or cell.throughput for cell in cells),
        goodput=spread_of(cell.goodput for cell in cells),
        total_p99=spread_of(cell.p("total", "p99") for cell in cells),
        group_p99=spread_of(cell.group_p99 for cell in cells),
        straggler_share=spread_of(cell.straggler_share for cell in cells),
        slo_share=sum(cell.slo_passed is True for cell in cells) / len(cells),
    )


def _takeaways(kind: Kind, unit: str, goodput_unit: str, curves: list[LoadCurve]) -> Iterator[str]:
    for curve in curves:
        who = f"{curve.label}: " if curve.label and len(curves) > 1 else ""
        if kind == "rates":
            yield who + _of_rates(curve, unit)
        if (best := curve.best_goodput) is not None:
            more = " were best" if kind == "groups" else " gave the best goodput"
            yield f"{who}{best.load:,g} {unit}{more}: {best.goodput.median:,.1f} {goodput_unit}" + (
                f", with groups done in {seconds(best.group_p99.median)} (p99)."
                if best.group_p99.known
                else "."
            )


def _of_rates(curve: LoadCurve, unit: str) -> str:
    met, missed = curve.highest_met, curve.first_missed
    beyond = ""
    if missed is not None:
        why = "" if missed.reached else ", with too few users for the rate"
        beyond = f"{missed.load:,g} {unit} missed it (p99 {seconds(missed.total_p99.median)}{why})"
    if met is None:
        return f"no rate met the objective; {beyond}." if beyond else "no rate met the objective."
    reached = f"{met.load:,g} {unit} met the objective (p99 of total {seconds(met.total_p99.median)})"
    return f"{reached}; {beyond or 'no higher rate was tried'}."
