"""The report of a calibration as data, and its form as report.json."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reports.calibration.difference import BOUNDS, Difference
from reports.calibration.measurement import Measurement, measure
from reports.page.words import count, printable
from reports.records.calibration_directory import CalibrationDirectory
from reports.records.directory import RunDirectoryError
from reports.records.json_values import finite
from reports.records.schema import SCHEMA_VERSION, CalibrationCell, CalibrationJson

_NOTHING_ADDED = "constant:0"


@dataclass(frozen=True)
class LeftOut:
    """A load without a measurement, and why."""

    name: str
    users: int
    reason: str


@dataclass(frozen=True)
class CalibrationReport:
    """Everything that the report of a calibration shows."""

    calibration: CalibrationJson
    measurements: list[Measurement]
    """By kind of reply times, and by users."""
    left_out: list[LeftOut]

    @property
    def beyond(self) -> list[Measurement]:
        return [each for each in self.measurements if each.verdict == "beyond"]

    @property
    def up_to(self) -> int | None:
        """The most users up to which every load kept its bounds; None: none did."""
        kept = None
        for users in sorted({cell["users"] for cell in self.calibration["cells"]}):
            planned = sum(cell["users"] == users for cell in self.calibration["cells"])
            if sum(each.users == users and each.verdict == "within" for each in self.measurements) < planned:
                break
            kept = users
        return kept

    @property
    def verdict(self) -> Literal["within", "beyond", "not shown"]:
        """Whether the harness kept its bounds where it can measure; not shown where too little says so."""
        if self.beyond:
            return "beyond"
        return "not shown" if self.up_to is None else "within"

    @property
    def floor(self) -> list[Measurement]:
        """The loads at which the server replied at once: what they took is the harness's own."""
        return [each for each in self.measurements if each.reply_times == _NOTHING_ADDED]

    @property
    def stalls(self) -> list[tuple[Measurement, Measurement]]:
        """Pairs of loads on a server that stalls: in the closed model and in the open one."""
        stalled = [each for each in self.measurements if each.reply_times.startswith("stalls:")]
        return [
            (closed, opened)
            for closed in stalled
            for opened in stalled
            if not closed.arrivals and opened.arrivals and closed.users == opened.users
        ]

    @property
    def notices(self) -> list[str]:
        """What a reader must know before the figures."""
        return list(_notices(self))


def report_calibration(directory: CalibrationDirectory) -> CalibrationReport:
    """Reads a calibration and makes its report.

    Raises RunDirectoryError where calibration.json cannot be read. Runs that cannot be are left out.
    """
    calibration = directory.read()
    measurements: list[Measurement] = []
    left_out: list[LeftOut] = []
    for cell in calibration["cells"]:
        found = _measured(directory, cell)
        if isinstance(found, Measurement):
            measurements.append(found)
        else:
            left_out.append(LeftOut(cell["name"], cell["users"], found))
    kinds = list(dict.fromkeys(cell["name"] for cell in calibration["cells"]))
    measurements.sort(key=lambda each: (kinds.index(each.name), each.users))
    return CalibrationReport(calibration, measurements, left_out)


def to_json(report: CalibrationReport) -> dict[str, Any]:
    """The report in the form of report.json: seconds, shares in 0…1."""
    calibration = report.calibration
    plain: dict[str, Any] = finite(
        {
            "kind": "calibration",
            "schema_version": SCHEMA_VERSION,
            "calibration_id": calibration["calibration_id"],
            "status": calibration["status"],
            "verdict": report.verdict,
            "up_to_users": report.up_to,
            "bounds": {name: asdict(bound) for name, bound in BOUNDS.items()},
            "notices": report.notices,
            "measurements": [_measurement(each) for each in report.measurements],
            "left_out": [asdict(each) for each in report.left_out],
            "machine": calibration["machine"],
            "versions": calibration["versions"],
        }
    )
    return plain


def _measurement(measured: Measurement) -> dict[str, Any]:
    form = asdict(measured)
    for curve in ("reported", "true"):
        del form[curve]
    form["differences"] = {
        each.percentile: {**_difference(each), "bound": each.bound_s, "kept": each.kept}
        for each in measured.differences
    }
    form["whole_run"] = {each.percentile: _difference(each) for each in measured.whole_run}
    return {**form, "verdict": measured.verdict}


def _difference(each: Difference) -> dict[str, float | None]:
    return {
        "reported": each.reported_s,
        "true": each.true_s,
        "difference": each.difference_s,
        "share": each.share,
    }


def _measured(directory: CalibrationDirectory, cell: CalibrationCell) -> Measurement | str:
    """The measurement of a load, or why there is none."""
    if cell["status"] != "completed" or not cell["run_id"]:
        return printable(cell["reason"] or "not run")
    try:
        return measure(directory.run(cell["run_id"]), cell)
    except RunDirectoryError as error:
        return printable(str(error))


def _notices(report: CalibrationReport) -> Iterator[str]:
    status = report.calibration["status"]
    if status != "completed":
        ending = {"interrupted": "was interrupted", "failed": "failed"}
        yield (
            f"The calibration {ending.get(status, 'was cut short or is still going on')}: the loads that "
            "were done are shown."
        )
    for each in report.measurements:
        if not each.counted:
            yield (
                f"{each.name} at {count(each.users, 'user')}: the harness recorded "
                f"{count(each.unknown_steps, 'step')} that the server did not answer, and missed "
                f"{each.lost_steps:,} that it did."
            )
    if unjudged := [each for each in report.measurements if each.verdict == "not judged"]:
        first, are = unjudged[0], "is" if len(unjudged) == 1 else "are"
        yield (
            f"{count(len(unjudged), 'load')} missed a bound and {are} not judged, since something else "
            f"explains it; {first.name} at {count(first.users, 'user')}: {first.reasons[0]}"
        )
