from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.run.report import RunReport, report_run, to_json
from reports.run.sections.errors import ErrorGroup
from reports.run.sections.validity import Code, RunWarning, Validity
from reports.run.verdict import verdict_lines
from tests.reports import sample_reports


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    path: Path = tmp_path_factory.mktemp("results") / "run"
    return report_run(write_synthetic_run(path, SyntheticRun(rows=2000, users=20, failure_share=0)))


def test_a_good_run_in_three_lines(report: RunReport) -> None:
    lines = verdict_lines(report)
    assert lines[0].startswith("PASSED: ")
    assert lines[0].endswith("steps/s with 20 sessions, 100 % of 2,000 operations succeeded")
    assert lines[1].startswith("  step latency: median ")
    assert "over 4 workers" in lines[2]
    assert len(lines) == 3


def test_a_doubtful_run_is_called_so_with_the_reason(report: RunReport) -> None:
    warnings = [RunWarning("few_steps", "Few."), RunWarning("generator_late", "The generator was late.")]
    lines = verdict_lines(replace(report, validity=Validity(True, warnings)))
    assert lines[0].startswith("PASSED: ")
    assert lines[-2:] == ["  doubtful: The generator was late.", "  note: Few."]


def test_finished_episodes_are_one_line_more(tmp_path: Path) -> None:
    what = SyntheticRun(rows=2000, users=20, failure_share=0, episode_steps=9)
    lines = verdict_lines(report_run(write_synthetic_run(tmp_path / "run", what)))
    assert lines[2].startswith("  episodes: 180 finished, median 9 steps in ")
    assert lines[2].endswith(", mean reward 8.57")
    assert len(lines) == 4


def test_over_http_users_are_called_users(tmp_path: Path) -> None:
    what = SyntheticRun(rows=2000, users=20, failure_share=0, transport="http")
    line = verdict_lines(report_run(write_synthetic_run(tmp_path / "run", what)))[0]
    assert line.endswith("steps/s with 20 users, 100 % of 2,000 operations succeeded")


def test_a_failed_run_says_which_criterion_failed(report: RunReport) -> None:
    failed = [
        replace(report.slo.criteria[0], passed=False, sentence="Too many failed."),
        report.slo.criteria[1],
    ]
    lines = verdict_lines(replace(report, slo=replace(report.slo, passed=False, criteria=failed)))
    assert lines[0].startswith("FAILED: ")
    assert "  Too many failed." in lines


def test_violated_isolation_and_notices_are_told(report: RunReport) -> None:
    isolation = replace(report.isolation, violations=1, takeaways=["1 session changed worker."])
    cut_short = Validity(False, [RunWarning("not_completed", "This run was cut short.")])
    run = replace(report, run={**report.run, "status": "interrupted"})
    lines = verdict_lines(replace(run, isolation=isolation, validity=cut_short))
    assert lines[0].startswith("CUT SHORT: ")
    assert "  1 session changed worker." in lines
    assert lines[-1] == "  note: This run was cut short."


@pytest.mark.parametrize(
    ("code", "word"),
    [("isolation_violated", "FAILED"), ("incident", "FAILED"), ("generator_saturated", "INVALID")],
)
def test_a_run_that_is_not_valid_has_not_passed_and_its_first_line_says_why(
    report: RunReport, code: Code, word: str
) -> None:
    why = RunWarning(code, "Something was wrong.")
    invalid = replace(report, validity=Validity(False, [RunWarning("few_steps", "Few."), why]))
    first, second, *others = verdict_lines(invalid)
    assert first == f"{word}: Something was wrong."
    assert second.endswith("steps/s with 20 sessions, 100 % of 2,000 operations succeeded")
    assert "  note: Few." in others
    assert not any("Something was wrong." in line for line in others)
    assert not invalid.passed
    assert to_json(invalid)["passed"] is False


def test_a_run_that_failed_says_why_and_a_fault_of_the_deployment_first(
    report: RunReport,
) -> None:
    ended = RunWarning("not_completed", "This run failed: a Locust worker died.")
    failed = replace(report, run={**report.run, "status": "failed"}, validity=Validity(False, [ended]))
    assert verdict_lines(failed)[0] == "CUT SHORT: This run failed: a Locust worker died."
    mixed_up = RunWarning("isolation_violated", "Sessions were not kept apart.")
    both = replace(failed, validity=Validity(False, [ended, mixed_up]))
    first, *others = verdict_lines(both)
    assert first == "FAILED: Sessions were not kept apart."
    assert "  note: This run failed: a Locust worker died." in others


def test_a_batch_counts_its_sessions(report: RunReport) -> None:
    totals = replace(report.totals, batch_users=20, batch_succeeded=19)
    lines = verdict_lines(replace(report, totals=totals))
    assert lines[0].startswith("PASSED: batch of 20 sessions in ")
    assert lines[0].endswith(", 19 of them connected, reset and stepped")
    assert lines[1].startswith("  total time: median ")


def test_where_too_much_failed_the_main_error_and_what_to_do_are_told(report: RunReport) -> None:
    missed = replace(report.slo.criteria[0], passed=False, sentence="15 of 16 users completed no step.")
    group = ErrorGroup("capacity", "reset", 67, 0.1, "Server at capacity: 1/1 sessions active.")
    errors = replace(report.errors, groups=[group], takeaways=["67 failed.", "capacity (67 resets): full."])
    shut_out = Validity(True, [RunWarning("users_shut_out", "15 of 16 users completed no step …")])
    slo = replace(report.slo, passed=False, criteria=[missed, report.slo.criteria[1]])
    lines = verdict_lines(replace(report, slo=slo, errors=errors, validity=shut_out))
    assert lines[2:5] == [
        "  15 of 16 users completed no step.",
        "  capacity (67 resets): full.",
        "  for example: Server at capacity: 1/1 sessions active.",
    ]
    assert not any(line.startswith("  note: ") for line in lines)


def test_faults_that_were_asked_for_are_in_the_first_line_and_excuse_nothing(report: RunReport) -> None:
    first, *others = verdict_lines(sample_reports.with_faults())
    assert first.startswith("FAILED with 2 of 3 faults: ")
    assert "  kill-worker at 8.00 s cost most: 3 sessions." in others
    incident = Validity(False, [RunWarning("incident", "env-2 ended before the load did.")])
    broken = sample_reports.broken(replace(report, validity=incident))
    assert verdict_lines(broken)[0] == "FAILED with 2 of 3 faults: env-2 ended before the load did."


def test_few_users_that_were_shut_out_of_a_run_that_passed_are_a_note(report: RunReport) -> None:
    shut_out = Validity(True, [RunWarning("users_shut_out", "1 of 100 users completed no step …")])
    assert (
        verdict_lines(replace(report, validity=shut_out))[-1] == "  note: 1 of 100 users completed no step …"
    )
