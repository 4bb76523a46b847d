from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json
from reports.records.schema import ExperimentJson, RunJson, fault_in
from tests.reports.sample_experiments import SampleExperiment, write_sample_experiment


def run() -> dict[str, Any]:
    return dict(run_json("a-run", SyntheticRun(), 1_760_000_020.0))


def test_a_whole_run_json_has_no_fault() -> None:
    assert fault_in(run(), RunJson) is None


def test_further_keys_are_no_fault() -> None:
    value = run()
    value["config"] = value["config"] | {"scenario": "batch"}
    assert fault_in(value | {"faults": []}, RunJson) is None


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (("topology",), "topology is missing"),
        (("config", "slo", "success_rate"), "config.slo.success_rate is missing"),
        (("config", "users"), "config.users is missing"),
    ],
)
def test_a_missing_key_is_named(path: tuple[str, ...], fault: str) -> None:
    value = run()
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    assert fault_in(value, RunJson) == fault


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"status": "lost"}, "status is 'lost'"),
        ({"started_at": "noon"}, "started_at is 'noon'"),
        ({"started_at": True}, "started_at is True"),
        ({"config": None}, "config is None"),
        ({"versions": {"locust": 2}}, "versions is {'locust': 2}"),
        ({"status_detail": 3}, "status_detail is 3"),
    ],
)
def test_a_wrong_value_is_shown(changes: dict[str, Any], fault: str) -> None:
    assert fault_in(run() | changes, RunJson) == fault


@pytest.mark.parametrize("changes", [{"started_at": 1e308}, {"machine": {"cores": [{"0": -(10**400)}]}}])
def test_a_number_too_large_to_reckon_with(changes: dict[str, Any]) -> None:
    fault = fault_in(run() | changes, RunJson)
    assert fault is not None
    assert fault.startswith("it holds the number")
    assert len(fault) < 80


@pytest.mark.parametrize("key", ["users", "repetition", "replicas", "workers"])
def test_a_cell_has_at_least_one_of_each(key: str, tmp_path: Path) -> None:
    what = SampleExperiment(users=(1,), sizes=((None, None),), troubles=False)
    experiment: Any = write_sample_experiment(tmp_path / "sample", what).read()
    assert fault_in(experiment, ExperimentJson) is None
    experiment["cells"][1][key] = 0
    assert fault_in(experiment, ExperimentJson) == f"cells[1].{key} is 0, less than 1"


def test_something_else_altogether() -> None:
    assert fault_in([1], RunJson) == "it is [1]"
