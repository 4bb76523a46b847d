"""The report of a calibration as one self-contained HTML page. It shows result objects, computes nothing."""

from reports.calibration import figures, masthead
from reports.calibration.difference import BOUNDS, PERCENTILES
from reports.calibration.measurement import Measurement
from reports.calibration.report import CalibrationReport
from reports.calibration.verdict import signed_seconds
from reports.page import formatting, parts
from reports.page.drawing import HALF
from reports.page.parts import Drawing, drawn

_SECTIONS = {
    "differences": "Reported against true",
    "bias": "Bias against load",
    "floor": "Floor",
    "stalls": "Stalls",
    "curves": "Percentile curves",
    "left_out": "Left out",
    "configuration": "How it was measured",
}
_STATES = {"within": "good", "beyond": "bad", "not judged": "unknown"}
_NAMES = {"p999": "p99.9", "max": "Max"}


def render(report: CalibrationReport) -> str:
    """The page of a calibration. The same report always gives the same bytes."""
    shown = {
        "bias": bool(report.measurements),
        "floor": bool(report.floor),
        "stalls": bool(report.stalls),
        "curves": bool(report.measurements),
        "left_out": bool(report.left_out),
    }
    return parts.render(
        "calibration",
        {name: title for name, title in _SECTIONS.items() if shown.get(name, True)},
        {"difference": _difference},
        report=report,
        headline=masthead.headline(report),
        facts=masthead.facts(report),
        answers=masthead.answers(report),
        bounds=[(name, masthead.bound_in_words(name)) for name in BOUNDS],
        columns=[(_NAMES.get(name, name), "number") for name in PERCENTILES],
        curves=[(each, drawn(figures.percentile_curves, each, wide=HALF)) for each in _largest(report)],
        bias=_bias(report),
        machine=parts.machine_facts(report.calibration["machine"]),
        versions=sorted(report.calibration["versions"].items()),
        state_of=_STATES,
    )


def _bias(report: CalibrationReport) -> list[tuple[str, Drawing]]:
    if not report.measurements:
        return []
    return [(name, drawn(figures.bias, report.measurements, name, wide=HALF)) for name in BOUNDS]


def _largest(report: CalibrationReport) -> list[Measurement]:
    """Of each kind the largest load that the instrument can measure; else the smallest."""
    found: dict[str, Measurement] = {}
    for each in report.measurements:
        if each.name not in found or not each.reasons:
            found[each.name] = each
    return list(found.values())


def _difference(value: float) -> str:
    return signed_seconds(value).replace(" ", formatting.SPACE)
