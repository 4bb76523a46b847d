"""The page of a calibration: all sections, honest empty states, nothing foreign taken for markup."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reports.calibration.page import render
from reports.calibration.report import CalibrationReport, report_calibration
from tests.reports.calibration.sample_calibrations import Load, write_calibration
from tests.reports.run.test_page import Page
from tests.reports.sample_reports import HOSTILE

LOADS = [
    Load(users=users, name=name, reply_times=reply_times, due_before_s=due_before_s)
    for users in (4, 16)
    for name, reply_times, due_before_s in (
        ("constant 0 s", "constant:0", None),
        ("lognormal", "lognormal:0.02:0.5", None),
        ("stalls", "stalls:0.02:2:0.2", None),
        ("stalls, open", "stalls:0.02:2:0.2", 0.1),
    )
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> CalibrationReport:
    return report_calibration(write_calibration(tmp_path_factory.mktemp("calibrations"), LOADS))


def test_a_calibration_is_one_sound_page(report: CalibrationReport) -> None:
    page = Page(render(report))
    assert len(page.ids) == len(set(page.ids))
    assert {"differences", "bias", "floor", "stalls", "curves", "configuration"} <= set(page.ids)
    assert "left_out" not in page.ids
    assert page.tags.count("article") == 4
    assert page.tags.count("table") == page.tags.count("caption")
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text.split()
    assert page.text.index("within its bounds up to 16 users") < page.text.index("Reported against true")


def test_the_same_report_gives_the_same_bytes(report: CalibrationReport) -> None:
    assert render(report) == render(report)


def test_a_missed_bound_is_marked_where_it_was_missed(tmp_path: Path) -> None:
    slow = Load(added_s=lambda true: np.full_like(true, 0.05))
    text = Page(render(report_calibration(write_calibration(tmp_path, [slow])))).text
    assert "Beyond bounds" in text
    assert "+50.0 ms" in text.replace("\u00a0", " ")


def test_a_calibration_without_figures_has_a_page(tmp_path: Path) -> None:
    nothing = report_calibration(write_calibration(tmp_path, [Load(status="the server did not start")]))
    page = Page(render(nothing))
    assert "No load was measured." in page.text
    assert "the server did not start" in page.text
    assert "bias" not in page.ids


def test_foreign_text_is_shown_as_text(report: CalibrationReport) -> None:
    hostile = [replace(each, name=HOSTILE, reasons=[HOSTILE]) for each in report.measurements]
    page = Page(render(replace(report, measurements=hostile)))
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert "window.hacked" in page.text
