"""What a calibration says as a whole."""

import json
from pathlib import Path

import numpy as np
import pytest

from reports.__main__ import main
from reports.calibration.report import CalibrationReport, report_calibration, to_json
from reports.calibration.verdict import verdict_lines
from reports.records.steps import Floats
from tests.reports.calibration.sample_calibrations import Load, write_calibration


def slow(true: Floats) -> Floats:
    return np.full_like(true, 0.05)


def report(results: Path, *loads: Load) -> CalibrationReport:
    return report_calibration(write_calibration(results, loads))


def test_the_harness_is_within_its_bounds_up_to_the_largest_load_at_which_all_kinds_are(
    tmp_path: Path,
) -> None:
    found = report(
        tmp_path,
        Load(users=4, name="one"),
        Load(users=4, name="two"),
        Load(users=8, name="one"),
        Load(users=8, name="two", generator_cores=1.0, added_s=slow),
        Load(users=16, name="one"),
    )
    assert [each.verdict for each in found.measurements] == ["within"] * 3 + ["within", "not judged"]
    assert (found.verdict, found.up_to) == ("within", 4)
    assert verdict_lines(found)[0] == "WITHIN: The harness is within its bounds up to 4 users"


def test_one_load_beyond_the_bounds_is_enough(tmp_path: Path) -> None:
    found = report(tmp_path, Load(users=4), Load(users=8, added_s=slow))
    assert (found.verdict, found.up_to) == ("beyond", 4)
    lines = verdict_lines(found)
    assert lines[0] == "BEYOND: The harness is beyond its bounds in 1 load, within them up to 4 users"
    assert any(line.startswith("  beyond: lognormal at 8 users: p50 +50.0 ms") for line in lines)


def test_steps_that_were_miscounted_are_told(tmp_path: Path) -> None:
    found = report(tmp_path, Load(made_up=3))
    (notice,) = found.notices
    assert notice.endswith("recorded 3 steps that the server did not answer, and missed 0 that it did.")
    assert "  beyond: lognormal at 4 users: steps are missing or made up" in verdict_lines(found)


def test_nothing_is_shown_where_no_load_could_be_judged(tmp_path: Path) -> None:
    found = report(tmp_path, Load(generator_cores=1.0, added_s=slow))
    assert (found.verdict, found.up_to) == ("not shown", None)
    assert "1 load missed a bound and is not judged" in found.notices[0]


def test_a_load_that_did_not_run_is_left_out_with_its_reason(tmp_path: Path) -> None:
    found = report(tmp_path, Load(), Load(users=8, status="the server did not start"))
    assert [(each.users, each.reason) for each in found.left_out] == [(8, "the server did not start")]
    assert found.up_to == 4


def test_the_floor_and_stalls_are_known_by_their_reply_times(tmp_path: Path) -> None:
    found = report(
        tmp_path,
        Load(name="floor", reply_times="constant:0"),
        Load(name="stalls", reply_times="stalls:0.02:2:0.2"),
        Load(name="stalls, open", reply_times="stalls:0.02:2:0.2", due_before_s=0.1),
    )
    assert [each.name for each in found.floor] == ["floor"]
    assert [(one.name, other.name) for one, other in found.stalls] == [("stalls", "stalls, open")]


def test_report_json_has_both_sides_of_every_percentile(tmp_path: Path) -> None:
    form = json.loads(json.dumps(to_json(report(tmp_path, Load())), allow_nan=False))
    assert (form["kind"], form["schema_version"], form["verdict"]) == ("calibration", 1, "within")
    p99 = form["measurements"][0]["differences"]["p99"]
    assert p99["difference"] == pytest.approx(p99["reported"] - p99["true"])
    assert p99["bound"] >= 0.001
    assert form["bounds"]["p50"] == {"seconds": 0.0003, "share": 0.02}


@pytest.mark.parametrize(("load", "code"), [(Load(), 0), (Load(added_s=slow), 1)])
def test_a_calibration_is_reported_again_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], load: Load, code: int
) -> None:
    directory = write_calibration(tmp_path, [load])
    assert main(["run", str(directory.path)]) == code
    assert capsys.readouterr().out.startswith("BEYOND: " if code else "WITHIN: ")
    assert directory.report_html.exists()


def test_a_calibration_that_was_cut_short_says_so(tmp_path: Path) -> None:
    found = report_calibration(write_calibration(tmp_path, [Load()], status="interrupted"))
    assert found.notices[0].startswith("The calibration was interrupted")
