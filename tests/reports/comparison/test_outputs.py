"""What a comparison gives to other programs: JUnit XML and Markdown."""

from pathlib import Path

import pytest

from reports.__main__ import main
from reports.comparison.junit import suite
from reports.comparison.regressions import found_regressions
from reports.comparison.report import Comparison
from reports.comparison.summary import summary
from reports.outputs.junit import to_xml
from tests.reports import sample_comparisons
from tests.reports.comparison.simulated import Load, write_run
from tests.reports.outputs.junit_schema import checked, results

PAGE = Path("out/report.html")
NAME = "200 WebSocket users, 2 replicas × 2 workers"


def test_a_case_fails_for_each_regression_and_no_other() -> None:
    comparison = sample_comparisons.of_runs()
    found = results(checked(to_xml(suite(comparison, found_regressions(comparison, 5)))))
    assert found == {
        f"{NAME}: throughput": "passed",
        f"{NAME}: p50": "failure",
        f"{NAME}: p95": "failure",
        f"{NAME}: p99": "skipped",
        f"{NAME}: success rate": "passed",
        f"{NAME}: validity": "passed",
    }


def test_without_a_bound_nothing_is_judged() -> None:
    found = checked(to_xml(suite(sample_comparisons.of_runs(), None)))
    assert set(results(found).values()) == {"skipped"}
    assert found.find(".//skipped[@type='no_bound']") is not None


def test_of_experiments_every_regression_is_a_failure_too() -> None:
    comparison = sample_comparisons.of_experiments()
    regressions = found_regressions(comparison, 5)
    found = results(checked(to_xml(suite(comparison, regressions))))
    assert list(found.values()).count("failure") == len(regressions) > 1
    assert found["4 × 4, 16 users: measured in both"] == "failure"


def test_the_summary_begins_with_the_verdict_and_what_is_worse() -> None:
    comparison = sample_comparisons.of_runs()
    lines = summary(comparison, found_regressions(comparison, 5), PAGE).splitlines()
    assert lines[0] == f"## 2 regressions. B against A: {NAME}"
    assert f"- {NAME}: p50 is at least 9.0\u00a0% higher in B" in lines
    assert "| p50 | 53.8\u00a0ms | 60.3\u00a0ms | +12.0\u00a0% (+9.0\u00a0% to +15.0\u00a0%) |" in lines
    assert summary(comparison, [], PAGE).startswith("## No regression. ")
    assert summary(comparison, None, PAGE).startswith("## Slower, in these two runs. ")


@pytest.mark.parametrize(
    "comparison",
    [
        sample_comparisons.of_the_same_run(),
        sample_comparisons.of_batches(),
        sample_comparisons.of_experiments(80),
        sample_comparisons.hostile(),
    ],
)
def test_every_comparison_has_both(comparison: Comparison) -> None:
    text = summary(comparison, [], PAGE)
    assert "<" not in text.replace("<br>", "")
    assert text.count("\n| ") < 80
    to_xml(suite(comparison, []))


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load = Load(users=24, seconds=20, median_s=0.2)
    a, b = write_run(tmp_path / "a", load, 1), write_run(tmp_path / "b", load, 2, slowdown=1.6)
    command = ["compare", str(a.path), str(b.path), "--fail-on-regression", "10"]
    files = ["--junit", str(tmp_path / "junit.xml"), "--summary", str(tmp_path / "summary.md")]
    assert main([*command, *files]) == 1
    assert "failure" in results(checked((tmp_path / "junit.xml").read_text())).values()
    assert (tmp_path / "summary.md").read_text().startswith("## ")
    assert main([*command, "--junit", str(tmp_path / "nowhere" / "junit.xml")]) == 2
    assert "nowhere is not a folder; make it" in capsys.readouterr().err
