"""What a calibration leaves out, and what it says of no load at all, without a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from benchmarks.calibration import runner
from benchmarks.calibration.plan import KINDS, cells_of
from reports.records.calibration_directory import CalibrationDirectory
from reports.run.sections.validity import Code, RunWarning

ONE, OTHER = KINDS[:2]


@pytest.mark.parametrize("code", ["generator_saturated", "littles_law"])
def test_loads_of_a_kind_beyond_one_that_was_too_much_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: Code
) -> None:
    report = SimpleNamespace(validity=SimpleNamespace(warnings=[RunWarning(code, "it was too much")]))
    monkeypatch.setattr(runner, "_load", lambda *_: (SimpleNamespace(path=tmp_path), ("completed", None)))
    monkeypatch.setattr(runner, "finish_run", lambda *_: report)
    cells = cells_of([4, 8, 16, 32], [ONE, OTHER])
    of_one = [cell for cell in cells if cell["name"] == ONE.name]
    calibration: Any = {"duration_s": 1, "cells": cells}
    view: Any = SimpleNamespace(finished=lambda *_: None)
    directory = CalibrationDirectory.create(tmp_path, "calibration")
    runner._run_cell(of_one[1], calibration, directory, Console(), view)
    left_out = code == "generator_saturated"
    larger = "failed" if left_out else "pending"
    assert [cell["status"] for cell in of_one] == ["pending", "completed", larger, larger]
    assert {cell["status"] for cell in cells if cell["name"] == OTHER.name} == {"pending"}
    if left_out:
        assert of_one[2]["reason"] == "left out, since 8 users were too many: it was too much"


def test_a_calibration_that_shows_nothing_fails_and_is_in_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "end_on_termination", lambda: None)
    code, directory = runner.calibrate([], 1, tmp_path, Console(quiet=True))
    assert code == 1
    assert directory.report_html.exists()
    assert f"{directory.path.name}/report.html" in (tmp_path / "index.html").read_text()
