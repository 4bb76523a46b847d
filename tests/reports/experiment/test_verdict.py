from dataclasses import replace
from pathlib import Path

import pytest

from reports.experiment.report import report_experiment
from reports.experiment.verdict import how_many_sessions, verdict_lines
from reports.records.schema import CapacityJson
from tests.reports.sample_experiments import (
    CAPACITY,
    SampleExperiment,
    capacity_sample,
    rates_sample,
    write_sample_experiment,
)


def lines_of(path: Path, what: SampleExperiment | None = None) -> list[str]:
    return verdict_lines(report_experiment(write_sample_experiment(path / "sample", what)))


def test_the_three_answers_and_what_was_done(tmp_path: Path) -> None:
    done, sessions, workers, limit, *notes = lines_of(tmp_path)
    assert done == "COMPLETED: 49 of 50 cells done, 1 of them not valid, 1 failed"
    assert sessions.startswith(
        "  Sessions: 1 × 1 held 256 within the objective, 32 per core, as did 3 others;"
    )
    assert workers.startswith("  More workers: 2 × 2 carried 3.")
    assert limit.startswith("  Limit: 2 × 2 reached 4,")
    assert all(note.startswith("  note: ") for note in notes)


def test_a_load_that_missed_is_named(tmp_path: Path) -> None:
    what = SampleExperiment(sizes=((1, 1),), users=(8, 64, 256, 512), troubles=False)
    assert lines_of(tmp_path, what)[1] == (
        "  Sessions: 1 × 1 held 256 within the objective, 32 per core; 512 missed it."
    )


def test_an_experiment_cut_short_says_so_first(tmp_path: Path) -> None:
    assert lines_of(tmp_path, SampleExperiment(pending=20))[0].startswith("CUT SHORT: ")


def test_one_size_says_nothing_of_more_workers(tmp_path: Path) -> None:
    what = SampleExperiment(sizes=((1, 1),), troubles=False)
    assert not any("More workers" in line for line in lines_of(tmp_path, what))


def test_nothing_that_met_the_objective(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, SampleExperiment(all_fail=True))
    assert "  Sessions: no load that was tried met the objective." in lines
    assert "  Limit: No cell has figures that can be used." in lines


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (1, "Sessions: 256, 128 per core; measured, the cap the server itself sets. From 257"),
        (2, "MAX_CONCURRENT"),
    ],
)
def test_a_capacity_search_answers_with_its_result(tmp_path: Path, place: int, words: str) -> None:
    assert words in lines_of(tmp_path, capacity_sample())[place]


def test_a_search_over_rates_answers_with_its_rate(tmp_path: Path) -> None:
    _, rate, remedy, *_ = lines_of(tmp_path, rates_sample())
    assert rate == (
        "  Rate: 412 steps/s, 206 per core; p99 from the intended time 1.00 s of 1.20 s, 97 % sure, from the "
        "tries at 412 steps/s. At 425 steps/s only 93 % of what arrived was carried."
    )
    assert remedy == "  What to do: Add workers or replicas."


def test_an_answer_by_tries_says_how_sure_it_is_and_of_what(tmp_path: Path) -> None:
    tried: CapacityJson = {**CAPACITY, "server_cap": None, "sessions": 264, "max_batch": 264}
    report = replace(
        report_experiment(write_sample_experiment(tmp_path / "s", capacity_sample())), capacity=tried
    )
    assert how_many_sessions(report).startswith(
        "Sessions: 264, 132 per core; 97 % sure, from the tries of a batch of 264."
    )
    bounded = replace(report, capacity={**tried, "lower_bound": True})
    assert how_many_sessions(bounded).startswith("Sessions: at least 264,")
