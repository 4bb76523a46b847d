"""What a run reported, held against the truth beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.calibration.difference import PERCENTILES, Bound, Difference
from reports.calibration.measurement import Measurement, measure
from reports.records.directory import RunDirectoryError
from reports.records.steps import Floats
from reports.records.truth import truth_of
from tests.reports.calibration.sample_calibrations import Load, write_calibration


def measured(results: Path, load: Load) -> Measurement:
    directory = write_calibration(results, [load])
    return measure(directory.run("run-0"), directory.read()["cells"][0])


def test_each_percentile_stands_beside_the_true_one_of_the_same_steps(tmp_path: Path) -> None:
    found = measured(tmp_path, Load(added_s=lambda true: np.full_like(true, 0.0002)))
    assert [each.percentile for each in found.differences] == list(PERCENTILES)
    for each in found.differences:
        assert each.difference_s == pytest.approx(0.0002)
    assert (found.added.p50, found.added.max) == pytest.approx((0.0002, 0.0002))
    assert found.counted
    assert found.verdict == "within"


def test_a_tail_that_the_harness_adds_is_found_in_the_tail_only(tmp_path: Path) -> None:
    def every_fiftieth(true: Floats) -> Floats:
        return np.where(np.arange(true.size) % 50 == 0, 0.2, 0.0001)

    found = measured(tmp_path, Load(added_s=every_fiftieth))
    p50, p99 = found.difference("p50"), found.difference("p99")
    assert p50.kept
    assert not p99.kept
    assert p99.difference_s > 0.1
    assert found.verdict == "beyond"


@pytest.mark.parametrize("shift", [0.02, -0.005])
def test_latency_counted_from_the_wrong_moment_is_beyond_the_bounds(tmp_path: Path, shift: float) -> None:
    found = measured(tmp_path, Load(added_s=lambda true: np.full_like(true, shift)))
    assert found.difference("p50").difference_s == pytest.approx(shift)
    assert found.verdict == "beyond"


def test_in_the_open_model_a_step_s_time_begins_when_it_was_due(tmp_path: Path) -> None:
    # The sample has the server read a step 0.1 ms after it was sent, and reply 0.1 ms before it was received.
    found = measured(tmp_path, Load(due_before_s=0.3))
    assert found.difference("p50").true_s > 0.3
    assert found.difference("p50").difference_s == pytest.approx(0.0001, abs=1e-6)


def test_steps_that_only_one_side_knows_are_counted_and_beyond_the_bounds(tmp_path: Path) -> None:
    whole = measured(tmp_path / "whole", Load())
    assert (whole.lost_steps, whole.unknown_steps) == (0, 0)
    # The last step of each session may have been cut off by the end of the load.
    forgetful = measured(tmp_path / "forgetful", Load(forgotten=10))
    assert (forgetful.lost_steps, forgetful.unknown_steps) == (10 - 4, 0)
    assert forgetful.verdict == "beyond"
    inventive = measured(tmp_path / "inventive", Load(made_up=3))
    assert inventive.unknown_steps == 3
    assert inventive.verdict == "beyond"


def test_a_step_that_was_recorded_twice_is_one_too_many(tmp_path: Path) -> None:
    directory = write_calibration(tmp_path, [Load()])
    run = directory.run("run-0")
    rows = pq.read_table(run.steps.parquet)
    pq.write_table(pa.concat_tables([rows, rows.slice(rows.num_rows - 1)]), run.steps.parquet)
    found = measure(run, directory.read()["cells"][0])
    assert (found.lost_steps, found.unknown_steps) == (0, 1)


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (Load(generator_cores=1.0), "The generator bench:7 kept 1.00 of a core busy"),
        (Load(other_cores=0.9, server_cores=0.1), "Other programs kept 0.8 of this machine's 2 cores busy"),
        (
            Load(other_cores=1.1, server_cores=0.8, generator_cores=0.8),
            "Generator and server together kept all of this machine's 2 cores busy",
        ),
        (
            Load(woken_s=(0.0001, 0.0021)),
            "This machine woke up a program that only slept 2.10 ms late at p99",
        ),
        (
            Load(woken_s=(0.0004, 0.0005)),
            "This machine woke up a program that only slept 0.40 ms late at p50",
        ),
    ],
)
def test_a_load_that_the_instrument_cannot_measure_is_judged_only_where_it_kept_its_bounds(
    tmp_path: Path, load: Load, reason: str
) -> None:
    kept = measured(tmp_path / "kept", load)
    assert kept.reasons[0].startswith(reason)
    assert kept.verdict == "within"
    missed = replace(load, added_s=lambda true: np.full_like(true, 0.02))
    assert measured(tmp_path / "missed", missed).verdict == "not judged"


def test_a_quiet_machine_gives_no_reason(tmp_path: Path) -> None:
    assert measured(tmp_path, Load(other_cores=0.4, server_cores=0.3)).reasons == []


def test_a_run_without_truth_cannot_be_measured(tmp_path: Path) -> None:
    directory = write_calibration(tmp_path, [Load()])
    run = directory.run("run-0")
    truth_of(run.path).write_bytes(b"PAR1")
    with pytest.raises(RunDirectoryError, match=r"truth\.parquet cannot be read"):
        measure(run, directory.read()["cells"][0])


def test_a_bound_is_the_larger_of_its_two_sides() -> None:
    bound = Bound(0.0003, 0.02)
    assert bound.of(0.001) == 0.0003
    assert bound.of(0.1) == pytest.approx(0.002)
    assert Difference("p50", 0.0203, 0.02).kept
    assert not Difference("p50", 0.0205, 0.02).kept
    assert not Difference("p99", 0.0185, 0.02).kept
    assert Difference("p50", 0.1019, 0.1).kept
    assert not Difference("p50", 0.1021, 0.1).kept
    assert Difference("p99", 0.1049, 0.1).kept
    assert not Difference("p99", 0.1051, 0.1).kept
    assert Difference("max", 1.0, 0.02).kept  # it has none
    assert Difference("p50", 0.0002, 0.0).share is None
