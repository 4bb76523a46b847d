"""The first screen of a calibration's page: the answers to four questions."""

from reports.calibration.difference import BOUNDS
from reports.calibration.measurement import Measurement
from reports.calibration.report import CalibrationReport
from reports.calibration.verdict import sentence, signed_seconds
from reports.page import formatting
from reports.page.parts import Answer, Question
from reports.page.words import count

_TRUE = Question("Are reported latencies true?", "differences", "Reported against true")
_FLOOR = Question("What does the harness add?", "floor", "Floor")
_GROWTH = Question("How does that grow?", "bias", "Bias against load")
_TRUSTED = Question("Can it be trusted?", "configuration", "How it was measured")


def headline(report: CalibrationReport) -> str:
    return sentence(report)


def facts(report: CalibrationReport) -> list[str]:
    """When, on what, and how much was measured."""
    calibration = report.calibration
    steps = sum(each.steps for each in report.measurements)
    return [
        formatting.moment(calibration["started_at"]),
        f"{count(len(report.measurements), 'load')} of {formatting.duration(calibration['duration_s'])}",
        f"{count(steps, 'step')} held against the truth",
    ]


def answers(report: CalibrationReport) -> list[Answer]:
    """Whether latencies are true, what is added, how that grows, and whether the truth was sound."""
    return [_true(report), _floor(report), _growth(report), _trusted(report)]


def bound_in_words(percentile: str) -> str:
    """`0.3 ms or 2 %`."""
    bound = BOUNDS[percentile]
    return f"{formatting.tick_seconds(bound.seconds)} or {formatting.limit(bound.share)}"


def _true(report: CalibrationReport) -> Answer:
    within = sum(each.verdict == "within" for each in report.measurements)
    told = [
        ("up to", count(report.up_to, "user") if report.up_to else "no load"),
        ("loads within", f"{within:,} of {len(report.measurements):,}"),
        *((f"{name} may differ by", bound_in_words(name)) for name in BOUNDS),
    ]
    return _TRUE.decide(
        told,
        (report.verdict == "within", "Within bounds", "good"),
        (report.verdict == "beyond", "Beyond bounds", "bad"),
        (True, "Not shown", "unknown"),
    )


def _floor(report: CalibrationReport) -> Answer:
    if not report.floor:
        return _FLOOR.answer("Not measured", "unknown", [])
    first = report.floor[0]
    told = [
        ("at the median, with", count(first.users, "user")),
        ("at p99", formatting.seconds(first.added.p99)),
        ("at most", formatting.seconds(first.added.max)),
    ]
    return _FLOOR.answer(formatting.seconds(first.added.p50), "", told)


def _growth(report: CalibrationReport) -> Answer:
    loads = sorted({each.users for each in report.measurements})
    if not loads:
        return _GROWTH.answer("Not measured", "unknown", [])
    told = []
    for users in loads[:4]:
        worst = _most_biased([each for each in report.measurements if each.users == users])
        told.append((f"p99 at {count(users, 'user')}", signed_seconds(worst.difference("p99").difference_s)))
    judged = [each for each in report.measurements if not each.reasons] or report.measurements
    worst = _most_biased(judged)
    return _GROWTH.answer(f"p99 {signed_seconds(worst.difference('p99').difference_s)}", "", told)


def _most_biased(measurements: list[Measurement]) -> Measurement:
    return max(measurements, key=lambda each: abs(each.difference("p99").difference_s))


def _trusted(report: CalibrationReport) -> Answer:
    measured = report.measurements
    disturbed = sum(bool(each.reasons) for each in measured)
    miscounted = sum(not each.counted for each in measured)
    late = max((each.woken_late_p99_s for each in measured), default=None)
    told = [
        ("steps all accounted for", "no" if miscounted else "yes"),
        ("loads out of range", f"{disturbed:,} of {len(measured):,}"),
        ("machine wakes up, p99 late", f"{formatting.seconds(late)} at most"),
    ]
    return _TRUSTED.decide(
        told,
        (not measured, "Nothing measured", "unknown"),
        (miscounted, "Steps differ", "bad"),
        (disturbed, "With care", "caution"),
        (True, "No objection", "good"),
    )
