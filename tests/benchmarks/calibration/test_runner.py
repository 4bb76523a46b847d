"""A short calibration with real runs: the harness's latencies are true, whatever else the machine does."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from reports.index.entries import read_entries
from reports.records.calibration_directory import CalibrationDirectory
from reports.records.run_directory import RunDirectory
from reports.records.steps import Floats
from reports.records.truth import truth_of
from tests.conftest import ROOT

pytestmark = pytest.mark.servers

SHORT = """
import sys
from pathlib import Path
from rich.console import Console
from benchmarks.calibration.plan import KINDS, cells_of
from benchmarks.calibration.runner import calibrate
kinds = {kind.name: kind for kind in KINDS}
loads = [name.split("@") for name in sys.argv[3:]]
cells = [cell for name, users in loads for cell in cells_of([int(users)], [kinds[name]])]
sys.exit(calibrate(cells, int(sys.argv[2]), Path(sys.argv[1]), Console())[0])
"""
CLOCKS_S = 0.001
"""How far Unix time may differ between two processes of a machine."""
BUSY_S = 0.02
"""By how much a busy machine may hold up one in ten of the replies on their way to the harness."""
END_S = 600.0
"""How long a calibration may take."""


def calibration(results: Path, seconds: int, *loads: str, first: str = "") -> "subprocess.Popen[str]":
    """A calibration of such loads, after some code of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{first}{SHORT}", str(results), str(seconds), *loads],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def of(results: Path) -> CalibrationDirectory:
    [found] = results.glob("*/calibration.json")
    return CalibrationDirectory(found.parent)


def matched(run: RunDirectory) -> tuple[Floats, Floats, Floats]:
    """Reported and true latency of each step, and when its reply was due, since it arrived; in seconds."""
    rows = run.read_steps().to_pandas()
    rows = rows[(rows["op"] == "step") & rows["error"].isna()]
    truth = pq.read_table(truth_of(run.path)).to_pandas()
    for table in (rows, truth):
        table["session_hash"] = table["session_hash"].astype(str)
    both = rows.merge(truth, on=["session_hash", "step_count"], validate="one_to_one")
    assert len(both) == len(rows)
    # The end cuts off the last reply of a session at most.
    assert len(truth) - len(both) <= truth["session_hash"].nunique()
    late = (both["started_at"] - both["intended_at"]).fillna(0.0)
    waited = (both["arrived_at"] - both["intended_at"]).fillna(0.0)
    return tuple(
        column.to_numpy(np.float64)
        for column in (both["latency_s"] + late, both["took_s"] + waited, both["took_s"] - both["late_s"])
    )


def test_reported_latencies_are_true_in_the_closed_model_and_in_the_open_one(tmp_path: Path) -> None:
    # The larger load first: it would be left out where the machine is too busy for the other.
    process = calibration(tmp_path, 4, "lognormal@16", "lognormal@8", "stalls, open@32", "lognormal, HTTP@8")
    output, _ = process.communicate(timeout=END_S)
    directory = of(tmp_path)
    cells = directory.read()["cells"]
    assert [cell["status"] for cell in cells] == ["completed"] * 4, output
    for cell in cells:
        run = directory.run(cell["run_id"] or "")
        reported, true, _ = matched(run)
        slack = CLOCKS_S if cell["arrivals"] else 0.0
        # A step takes no longer at the server than from its sending to its reply.
        assert (reported - true).min() >= -slack, cell
        assert np.quantile(reported - true, 0.1) < BUSY_S, cell
        percentiles = json.loads(run.report_json.read_text())["latency"]["step"]
        for name, quantile in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)):
            assert percentiles[name] == pytest.approx(np.quantile(reported, quantile), abs=1e-6), cell
    # 64 a second come, some of them as the server begins to stand still.
    _, _, due = matched(directory.run(cells[2]["run_id"] or ""))
    assert due.max() > 0.07

    report = json.loads(directory.report_json.read_text())
    assert report["kind"] == "calibration"
    assert [each["lost_steps"] + each["unknown_steps"] for each in report["measurements"]] == [0] * 4
    assert process.returncode == (0 if report["verdict"] == "within" else 1)
    assert f"report: {directory.report_html}" in output
    [entry], unread = read_entries(tmp_path)
    assert (entry.kind, unread) == ("calibration", [])


SLOW = (
    "from benchmarks.calibration import plan; slow = plan.Kind('slow, open', 'constant:2', '0', is_open=True)"
)
IN_PLAN = "plan.KINDS += (slow,); plan._BY_CELL[slow.name, slow.reply_times] = slow"


def test_loads_of_a_kind_beyond_one_that_was_too_much_are_left_out(tmp_path: Path) -> None:
    loads = ("slow, open@2", "slow, open@4", "constant 0 s@4")
    output, _ = calibration(tmp_path, 5, *loads, first=f"{SLOW}\n{IN_PLAN}").communicate(timeout=END_S)
    directory = of(tmp_path)
    first, larger, other = directory.read()["cells"]
    assert (first["status"], other["status"]) == ("completed", "completed"), output
    report = json.loads(directory.run(first["run_id"] or "").report_json.read_text())
    warnings = {each["code"]: each["message"] for each in report["validity"]["warnings"]}
    assert warnings["rate_not_reached"].startswith("The rate was not reached")
    reasons = {f"left out, since 2 users were too many: {message}" for message in warnings.values()}
    assert larger["status"] == "failed"
    assert larger["reason"] in reasons
    assert larger["run_id"] is None


def test_ctrl_c_leaves_what_is_done(tmp_path: Path) -> None:
    # The largest load first: none is left out then.
    process = calibration(tmp_path, 3, *(f"constant 0 s@{users}" for users in (10, 8, 6, 4, 2)))
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "1/5" in line:
                break
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=END_S)
    finally:
        process.kill()
    assert process.returncode == 130
    directory = of(tmp_path)
    calibrated = directory.read()
    assert calibrated["status"] == "interrupted"
    statuses = [cell["status"] for cell in calibrated["cells"]]
    done = statuses.count("completed")
    assert 1 <= done < 5
    assert statuses == ["completed"] * done + ["pending"] * (5 - done)
    assert len(json.loads(directory.report_json.read_text())["measurements"]) == done
    assert "was interrupted" in output


def test_a_calibration_that_shows_nothing_fails_and_is_in_the_index(tmp_path: Path) -> None:
    process = calibration(tmp_path, 1)
    process.communicate(timeout=END_S)
    directory = of(tmp_path)
    assert process.returncode == 1
    assert directory.report_html.exists()
    assert f"{directory.path.name}/report.html" in (tmp_path / "index.html").read_text()
