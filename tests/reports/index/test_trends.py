from pathlib import Path

import pytest

from reports.index.entries import read_entries
from reports.index.trends import Trend, trends_of
from reports.records.run_directory import RunDirectory
from tests.reports.index.sample_results import SHIFT_AT, SampleRun, write_run, write_series


def trends(results: Path) -> list[Trend]:
    return trends_of(read_entries(results)[0])


def test_a_shift_is_named_by_the_run_from_which_on_it_is_there(tmp_path: Path) -> None:
    write_series(tmp_path, "steady", 15, 2, users=64)
    write_series(tmp_path, "shifted", 20, 1)
    shifted, steady = trends(tmp_path)
    assert (shifted.verdict, steady.verdict) == ("slower", "no shift shown")
    assert shifted.sentence.startswith(f"Slower since shifted-{SHIFT_AT:03}: throughput −")
    assert [shift.change.metric for shift in shifted.shifts] == ["throughput", "p50", "p99"]
    throughput = shifted.shifts[0].change
    assert throughput.change == pytest.approx(-0.2, abs=0.03)
    assert throughput.low is not None
    assert throughput.high is not None
    assert throughput.low < -0.2 < throughput.high
    assert throughput.p_adjusted < 0.001
    assert steady.sentence == "No shift shown in 15 valid runs."


def test_versions_that_changed_with_a_shift_are_told(tmp_path: Path) -> None:
    write_series(tmp_path, "shifted", 20, 1)
    [trend] = trends(tmp_path)
    assert trend.shifts[0].besides == ["openenv 0.10.0 → 0.10.1"]


def test_an_environment_that_changed_with_a_shift_is_told(tmp_path: Path) -> None:
    write_series(tmp_path, "shifted", 20, 1)
    for number in range(20):
        directory = RunDirectory(tmp_path / f"shifted-{number:03}")
        run = directory.read()
        run["config"]["environment"] = {"name": "chess", "version": f"1.{number // SHIFT_AT}"}
        directory.write(run)
    [trend] = trends(tmp_path)
    assert trend.shifts[0].besides[0] == "version of the environment 1.0 → 1.1"
    assert "chess 1.1" in trend.details


def test_levels_lie_between_the_shifts(tmp_path: Path) -> None:
    write_series(tmp_path, "shifted", 20, 1)
    [trend] = trends(tmp_path)
    one, other = trend.lines[0].levels
    assert (one.begin, one.end, other.begin, other.end) == (0, SHIFT_AT - 1, SHIFT_AT, 19)
    assert [one.value, other.value] == pytest.approx([1000, 800], rel=0.03)


def test_runs_that_are_not_valid_count_for_nothing(tmp_path: Path) -> None:
    write_series(tmp_path, "steady", 8, 2)
    for number in range(4):
        write_run(tmp_path, SampleRun(f"bad-{number}", throughput=10.0, code="generator_saturated"))
    write_run(tmp_path, SampleRun("going-on", status="running"))
    [trend] = trends(tmp_path)
    assert (len(trend.runs), trend.left_out, trend.verdict) == (8, 5, "no shift shown")


def test_runs_that_missed_their_objective_count(tmp_path: Path) -> None:
    for number in range(4):
        write_run(tmp_path, SampleRun(f"a-{number}", at=float(number), slo_passed=number % 2 == 0))
    [trend] = trends(tmp_path)
    assert len(trend.runs) == 4
    assert trend.sentence == "4 valid runs: a shift can be seen from 6 on."


def test_one_run_makes_no_trend(tmp_path: Path) -> None:
    write_run(tmp_path, SampleRun("a"))
    write_run(tmp_path, SampleRun("b", users=1))
    assert trends(tmp_path) == []


def test_figures_of_zero_are_left_out(tmp_path: Path) -> None:
    write_series(tmp_path, "steady", 7, 2, throughput=0.0)
    [trend] = trends(tmp_path)
    assert [line.metric for line in trend.lines] == ["p50", "p99"]


def test_a_recovery_is_told_last(tmp_path: Path) -> None:
    for number in range(30):
        level = 0.7 if 10 <= number < 20 else 1.0
        sample = SampleRun(
            f"run-{number:02}", at=float(number), throughput=level * (1000 + 10 * (number % 3))
        )
        write_run(tmp_path, sample)
    [trend] = trends(tmp_path)
    assert [shift.entry.path for shift in trend.shifts] == ["run-10", "run-20"]
    assert trend.sentence.startswith("Faster since run-20: throughput +4")
