"""The outcome of a calibration in a few lines of plain text, for a terminal."""

from reports.calibration.measurement import Measurement
from reports.calibration.report import CalibrationReport
from reports.page.words import count, seconds, signed_percent


def sentence(report: CalibrationReport) -> str:
    """Whether what the harness reports is true, and up to which load."""
    up_to = None if report.up_to is None else count(report.up_to, "user")
    if report.verdict == "beyond":
        within = f"within them up to {up_to}" if up_to else "within them at no load in full"
        return f"The harness is beyond its bounds in {count(len(report.beyond), 'load')}, {within}"
    if up_to is None:
        return "Nothing shows that the harness is within its bounds"
    return f"The harness is within its bounds up to {up_to}"


def verdict_lines(report: CalibrationReport) -> list[str]:
    """The verdict, the floor, each load that was beyond the bounds, and what to know besides."""
    lines = [f"{report.verdict.upper()}: {sentence(report)}"]
    if report.floor:
        first = report.floor[0]
        lines.append(
            f"  floor: {seconds(first.added.p50)} at p50 and {seconds(first.added.p99)} at p99 with "
            f"{count(first.users, 'user')}"
        )
    lines += [f"  beyond: {missed(each)}" for each in report.beyond]
    lines += [f"  note: {notice}" for notice in report.notices]
    return lines


def missed(measured: Measurement) -> str:
    """Which bounds a load missed, in words."""
    wrong = [
        f"{each.percentile} {signed_seconds(each.difference_s)}"
        + (f" ({signed_percent(each.share)})" if each.share is not None else "")
        for each in measured.differences
        if not each.kept
    ]
    counted = [] if measured.counted else ["steps are missing or made up"]
    return f"{measured.name} at {count(measured.users, 'user')}: {', '.join([*wrong, *counted])}"


def signed_seconds(value: float) -> str:
    """A difference of times with its sign: `+0.21 ms`, `−1.20 ms`."""
    return f"{'−' if value < 0 else '+'}{seconds(abs(value))}"
