import re
from pathlib import Path

import pytest

from reports.run.report import RunReport
from reports.run.summary import summary
from tests.reports import sample_reports

PAGE = Path("results/x/report.html")


def of(report: RunReport) -> list[str]:
    return summary(report, PAGE).splitlines()


def test_the_verdict_comes_first_and_then_why() -> None:
    assert of(sample_reports.normal())[0] == (
        "## Load test passed: 200 WebSocket users on 2 replicas × 2 workers"
    )
    failed = of(sample_reports.with_errors())
    assert failed[0].startswith("## Load test failed: ")
    assert failed[4] == "- 98.88\u00a0% of operations succeeded."
    assert "- This run was interrupted: Ctrl-C. What had been recorded until then is shown." in failed


def test_a_run_that_is_not_valid_says_so() -> None:
    report = sample_reports.normal()
    caution = sample_reports.cautions("generator_saturated", "The generator was the limit.")
    lines = of(RunReport(**{**vars(report), "validity": caution}))
    assert lines[0].startswith("## Load test invalid: ")
    assert lines[4] == "- The generator was the limit."


def test_faults_are_told() -> None:
    lines = of(sample_reports.with_faults())
    assert lines[0].endswith("on 2 replicas × 4 workers, with 2 of 3 faults")
    assert lines[lines.index("**Faults**") + 2] == "- kill-worker at 8.00\u00a0s cost most: 3 sessions."
    assert "**Faults**" not in of(sample_reports.normal())


def test_latency_and_distribution_are_pictures_of_text() -> None:
    lines = of(sample_reports.with_errors())
    assert any(re.fullmatch(r"p50 +53\.7 ms  █+[▏▎▍▌▋▊▉]?", line) for line in lines)
    assert "env-1 100   90  ████████████████" in lines
    assert "env-1 idle   0" in lines


def test_of_many_workers_the_most_and_the_least_loaded_are_shown() -> None:
    lines = of(sample_reports.normal(8, 8))
    assert sum("█" in line or "idle" in line for line in lines) == 6 + 16 + 1
    assert "The 8 with the most and the 8 with the least; 48 lie between them." in lines


@pytest.mark.parametrize(
    "report",
    [
        sample_reports.unknown_hosts(),
        sample_reports.hosts_by_header(),
        sample_reports.turned_away(),
        sample_reports.failed_steps(),
        sample_reports.without_steps(),
        sample_reports.single_point(),
    ],
)
def test_every_run_has_one_that_fits_a_narrow_screen(report: RunReport) -> None:
    text = summary(report, PAGE)
    for block in re.findall(r"```text\n(.*?)\n```", text, re.DOTALL):
        assert max(map(len, block.splitlines())) <= 50
    assert text.endswith("Report: results/x/report.html\n")
    assert len(re.findall("^```", text, re.MULTILINE)) % 2 == 0


def test_text_from_outside_stays_text() -> None:
    text = summary(sample_reports.hostile(), PAGE)
    outside_of_code = re.sub(r"```text\n.*?\n```", "", text, flags=re.DOTALL)
    assert "<" not in outside_of_code.replace("<br>", "")
    assert "\x1b" not in text
    assert "\u202e" not in text
