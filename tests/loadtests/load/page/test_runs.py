import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.load.page.runs import StartedRun, StartedRuns
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter
from tests.loadtests.batches import run_json
from tests.loadtests.rows import batch

PAGE = (
    '<!doctype html>\n<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">\n'
    "<title>report</title>"
)


def report(*, passed: bool = True, slo: bool = True, code: str | None = None) -> dict[str, Any]:
    warnings = [{"code": "short", "message": "It was short."}]
    if code:
        warnings.append({"code": code, "message": "It says nothing."})
    return {
        "status": "completed",
        "passed": passed,
        "totals": {"throughput_steps_per_s": 1234.56, "success_rate": 0.9997},
        "latency": {"step": {"p50": 0.1, "p99": 0.25}},
        "slo": {"passed": slo, "criteria": [{"passed": slo, "sentence": "p99 is 9 s, more than 1.2 s."}]},
        "validity": {"warnings": warnings, "reasons": [code] if code else []},
    }


@pytest.fixture
def recorded(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory.create(tmp_path, "ws", at=0)
    directory.write(run_json(directory.path.name, users=4, workers=2))
    writer = StreamWriter(directory.steps.stream, STEPS)
    writer.append(batch({"user": 1, "started_at": 2.0}, {"error": "timeout", "error_detail": 'a "b",\nc'}))
    writer.close()
    return directory


def ended(directory: RunDirectory, form: dict[str, Any] | None) -> StartedRun:
    directory.compact()
    if form is not None:
        directory.write_report(form, PAGE)
    return StartedRun(directory, ended=True)


def test_while_it_runs_it_has_neither_verdict_nor_files(recorded: RunDirectory) -> None:
    form = StartedRun(recorded).form()
    assert (form["outcome"], form["report"], form["files"]) == ("running", False, [])
    assert (form["users"], form["url"]) == (4, "http://127.0.0.1:1")


def test_its_report_is_waited_for(recorded: RunDirectory) -> None:
    writing = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = ended(recorded, report())
    run.reporting = writing
    assert run.form()["outcome"] == "reporting"
    assert run.form()["files"] == ["report.json", "steps.parquet"]
    writing.communicate(b"\n")
    assert run.form()["outcome"] == "passed"


@pytest.mark.parametrize(
    ("form", "outcome", "why"),
    [
        (report(), "passed", ""),
        (report(passed=False, slo=False), "failed", "p99 is 9 s, more than 1.2 s."),
        (report(passed=False, code="isolation_violated"), "failed", "It says nothing."),
        (report(passed=False, code="generator_saturated"), "invalid", "It says nothing."),
        (report(passed=False, code="not_completed") | {"status": "failed"}, "cut short", "It says nothing."),
    ],
)
def test_its_verdict_is_the_reports(
    recorded: RunDirectory, form: dict[str, Any], outcome: str, why: str
) -> None:
    shown = ended(recorded, form).form()
    assert (shown["outcome"], shown["why"], shown["report"]) == (outcome, why, True)
    assert shown["files"] == ["report.json", "steps.csv", "steps.parquet"]
    assert dict(shown["figures"])["p99"] == "250 ms"
    assert json.loads(json.dumps(shown))["figures"][0] == ["steps/s", "1,234.6"]


def test_without_a_report_it_says_how_to_make_one(recorded: RunDirectory) -> None:
    shown = ended(recorded, None).form()
    assert (shown["outcome"], shown["report"]) == ("no report", False)
    assert f"make report RUN={recorded.path}" in shown["why"]


def test_a_directory_that_was_removed_is_still_a_row(recorded: RunDirectory) -> None:
    recorded.json_path.unlink()
    assert StartedRun(recorded, ended=True).form()["outcome"] == "no report"


@pytest.mark.parametrize("compacted", [True, False])
def test_all_steps_come_as_csv(recorded: RunDirectory, compacted: bool) -> None:
    if compacted:
        recorded.compact()
    text = b"".join(StartedRun(recorded, ended=True).csv()).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == STEPS.names
    assert {row["user"]: row["error_detail"] for row in rows} == {"1": "", "0": 'a "b",\nc'}


def test_the_reports_policy_is_what_its_page_says(recorded: RunDirectory) -> None:
    assert ended(recorded, report()).report_policy() == "default-src 'none'"
    recorded.report_html.write_text("<p>damaged")
    assert "default-src 'none'" in StartedRun(recorded).report_policy()


def test_only_tests_that_were_started_here_are_known(recorded: RunDirectory) -> None:
    runs = StartedRuns()
    assert runs.get(recorded.path.name) is None
    runs.begin(recorded)
    assert runs.get(recorded.path.name) is not None
    assert runs.get(f"../{recorded.path.parent.name}/{recorded.path.name}") is None
    runs.end(recorded, None)
    assert [run["run_id"] for run in runs.form()["runs"]] == [recorded.path.name]
