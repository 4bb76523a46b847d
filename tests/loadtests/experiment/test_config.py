from pathlib import Path

import pytest

from loadtests.errors import LoadTestError
from loadtests.experiment.config import (
    ExperimentPlan,
    cell_config,
    differing_setting,
    experiment_plan,
    named_targets,
    resolve_settings,
    settings_of,
)

LOCAL = {"local": "local"}


def plan(**given: str) -> ExperimentPlan:
    return experiment_plan(resolve_settings(given, None), LOCAL, {})


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "grid.toml"
    file.write_text(text)
    return file


def test_the_default_is_a_small_grid_with_enough_loads_for_a_fit() -> None:
    cells = plan().cells
    assert {(cell["replicas"], cell["workers"]) for cell in cells} == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert len({cell["users"] for cell in cells}) >= 4
    assert {cell["repetition"] for cell in cells} == {1, 2}
    assert all(cell["status"] == "pending" and cell["run_id"] is None for cell in cells)


def test_the_load_of_a_sustained_cell_is_measured_as_long_as_asked_after_ramp_and_warm_up() -> None:
    made = plan(USERS="1000", DURATION="30", WARMUP="2", SPAWN_RATE="100")
    assert cell_config(made, made.cells[0]).duration_s == 10 + 2 + 30
    assert cell_config(made, made.cells[0]).warmup_s == 2
    few = plan(USERS="4", DURATION="30", WARMUP="0")
    assert (cell_config(few, few.cells[0]).spawn_rate, cell_config(few, few.cells[0]).duration_s) == (4, 31)


def test_values_that_are_the_same_are_one() -> None:
    made = plan(USERS="8,08", WAIT="0.1,0.10,1e-1", REPETITIONS="1", REPLICAS="1", WORKERS="1")
    assert [(cell["users"], cell["wait"]) for cell in made.cells] == [(8, "0.1")]


def test_sessions_of_a_batch_are_open_at_once_unless_told_otherwise() -> None:
    assert resolve_settings({"SCENARIO": "batch"}, None)["WAIT"] == "1"
    assert resolve_settings({"SCENARIO": "batch", "WAIT": "0"}, None)["WAIT"] == "0"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(LoadTestError, match=r"TARGET=.* no UTF-8"):
        resolve_settings({"TARGET": "a\udcff=http://h"}, None)


def test_a_batch_is_a_batch() -> None:
    made = plan(SCENARIO="batch", USERS="512")
    assert cell_config(made, made.cells[0]).scenario == "batch"
    assert made.config["duration_s"] is None


def test_what_is_given_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    file = toml(
        tmp_path, 'users = [1, 8]\nworkers = 4\nwait = ["0", 0.5, "uniform:0:1"]\nreuse_port = false\n'
    )
    settings = resolve_settings({"USERS": "2", "WAIT": None, "REPLICAS": ""}, file)
    assert settings["USERS"] == "2"
    assert settings["WORKERS"] == "4"
    assert settings["WAIT"] == "0,0.5,uniform:0:1"
    assert settings["REUSE_PORT"] == "0"
    assert settings["REPLICAS"] == "1,2"


def test_the_file_may_name_servers(tmp_path: Path) -> None:
    file = toml(tmp_path, '[targets]\nold = "http://127.0.0.1:1"\nnew = "http://127.0.0.1:2"\n')
    assert named_targets(resolve_settings({}, file)["TARGET"]) == {
        "old": "http://127.0.0.1:1",
        "new": "http://127.0.0.1:2",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("users = [1", "is not TOML"),
        ("user = 1", "user is no setting of a grid; did you mean users"),
        ("users = [[1]]", "is not a value"),
        ("duration = [1, 2]", "is not a value"),
        ('wait = "1\\n2"', "line break"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(LoadTestError, match=said):
        resolve_settings({}, toml(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match=r"nothing\.toml cannot be read: No such file"):
        resolve_settings({}, tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"USERS": "1,,2"}, "USERS=1,,2 has an empty value"),
        ({"USERS": "0"}, "USERS=0 is not allowed"),
        ({"USERS": "many"}, "USERS=many is not allowed"),
        ({"WORKERS": "1,x"}, "WORKERS=x is not allowed"),
        ({"BALANCING": "round_robin,magic"}, "BALANCING=magic is not known"),
        ({"TRANSPORT": "udp"}, "TRANSPORT=udp is not known"),
        ({"REUSE_PORT": "2"}, "REUSE_PORT=2 is not known"),
        ({"WAIT": "0,soon"}, "WAIT=soon"),
        ({"REPETITIONS": "0"}, "REPETITIONS=0 is not allowed"),
        ({"SCENARIO": "chaos"}, "SCENARIO=chaos is not known"),
        ({"SEED": "-1"}, "SEED=-1 is not allowed"),
        ({"DURATION": "forever"}, "DURATION=forever is not allowed"),
        ({"WARMUP": "-1"}, "WARMUP=-1 is not allowed"),
        ({"REPETITIONS": "1000", "USERS": "1,2,3"}, "12,000 cells"),
    ],
)
def test_bad_values_are_refused_before_anything_runs(given: dict[str, str], said: str) -> None:
    with pytest.raises(LoadTestError, match=said):
        plan(**given)


def test_a_trace_is_one_load_and_no_grid(tmp_path: Path) -> None:
    (tmp_path / "trace.jsonl").write_text('{"at": 0, "session": 1}')
    with pytest.raises(LoadTestError, match=r"SHAPE=trace:.*is one load that was recorded"):
        plan(SHAPE=f"trace:{tmp_path}/trace.jsonl")


def test_targets_have_names() -> None:
    assert named_targets("local") == {"local": "local"}
    assert named_targets("compose, local") == {"compose": "compose", "local": "local"}
    assert named_targets("http://10.0.0.1:8000/env") == {"10.0.0.1:8000": "http://10.0.0.1:8000/env"}
    assert named_targets("a=http://h:1,b=http://h:1") == {"a": "http://h:1", "b": "http://h:1"}


@pytest.mark.parametrize("text", ["magic", "", "=http://h:1", "a=ftp://h", "a=http://h,a=http://i"])
def test_targets_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(LoadTestError, match="TARGET="):
        named_targets(text)


def test_tags_are_the_experiment_s_and_every_cell_s() -> None:
    made = plan(TAG="nightly,main")
    assert made.config["tags"] == ["nightly", "main"]
    assert cell_config(made, made.cells[0]).tags == ("nightly", "main")
    assert "tags" not in plan().config


def test_an_experiment_keeps_its_settings_and_its_seed() -> None:
    made = plan(USERS="3", SEED="")
    again = experiment_plan(settings_of(made.config), LOCAL, {})
    assert again.cells == made.cells
    assert differing_setting({"USERS": "3", "PORT": "9", "RESULTS": "elsewhere"}, made.settings) is None
    assert differing_setting({"USERS": "4"}, made.settings) == "USERS=4"


def test_an_experiment_that_is_older_than_a_setting_can_be_resumed() -> None:
    made = plan(USERS="3")
    settings = dict(made.settings)
    del made.config["settings"]["TAG"]
    assert settings_of(made.config) == settings
    del made.config["settings"]
    with pytest.raises(LoadTestError, match="did not record its settings"):
        settings_of(made.config)


def test_rates_take_the_place_of_users_with_as_many_users_as_each_needs() -> None:
    made = plan(
        ARRIVALS="poisson:20,200,constant:50", ARRIVALS_OF="steps", REPETITIONS="1", REPLICAS="1", WORKERS="1"
    )
    found = {cell["arrivals"]: cell["users"] for cell in made.cells}
    assert sorted(found) == ["constant:50", "poisson:20", "poisson:200"]
    assert found["poisson:20"] < found["poisson:200"]
    config = cell_config(made, made.cells[0])
    assert config.options.arrivals is not None
    assert config.options.arrivals.text == made.cells[0]["arrivals"]
    assert config.users == made.cells[0]["users"]


def test_one_number_of_users_may_be_given_for_all_rates() -> None:
    made = plan(ARRIVALS="constant:5,10", USERS="7", REPETITIONS="1", REPLICAS="1", WORKERS="1")
    assert {cell["users"] for cell in made.cells} == {7}
    with pytest.raises(LoadTestError, match="of the open model only arrivals vary"):
        plan(ARRIVALS="constant:5,10", USERS="7,8")


def test_sessions_that_arrive_are_measured_after_the_first_could_have_left() -> None:
    made = plan(ARRIVALS="constant:5", WAIT="0.1", STEPS_PER_EPISODE="40", DURATION="10", WARMUP="1")
    assert cell_config(made, made.cells[0]).duration_s == 4 + 1 + 10


def test_groups_of_rollouts_take_the_place_of_users() -> None:
    made = plan(SCENARIO="rollouts", GROUP="4", GROUPS="1,3", REPETITIONS="1", REPLICAS="1", WORKERS="1")
    assert {(cell["groups"], cell["users"]) for cell in made.cells} == {(1, 4), (3, 12)}
    config = cell_config(made, made.cells[0])
    assert (config.scenario, config.users) == ("rollouts", made.cells[0]["users"])


def test_rates_go_with_actions_of_ones_own() -> None:
    made = plan(ARRIVALS="constant:5,10", ACTION="{}", REPETITIONS="1", REPLICAS="1", WORKERS="1")
    assert {cell["arrivals"] for cell in made.cells} == {"constant:5", "constant:10"}


def test_plans_of_faults_are_an_axis_too() -> None:
    one_size = {"REPETITIONS": "1", "REPLICAS": "2", "WORKERS": "1", "USERS": "8"}
    made = plan(FAULT="none/kill-worker@2s,kill-replica@3s", **one_size)
    assert [cell.get("fault", "") for cell in made.cells].count("") == 1
    broken = next(cell for cell in made.cells if cell.get("fault"))
    assert [str(fault.name) for fault in cell_config(made, broken).faults] == ["kill-worker", "kill-replica"]
    whole = next(cell for cell in made.cells if not cell.get("fault"))
    assert cell_config(made, whole).faults == ()


@pytest.mark.parametrize("text", ["none//kill-worker@2s", "kill-everything@2s", "kill-worker@900s"])
def test_plans_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(LoadTestError, match="FAULT="):
        plan(FAULT=text, REPETITIONS="1", REPLICAS="2", WORKERS="1", USERS="8")


def test_faults_are_those_of_every_cell_and_their_times_count_ramp_and_warm_up() -> None:
    made = plan(USERS="1", DURATION="4", WARMUP="1", FAULT="kill-worker@5s,restart-nginx@2s")
    faults = cell_config(made, made.cells[0]).faults
    assert [(fault.name, fault.at_s) for fault in faults] == [("restart-nginx", 2), ("kill-worker", 5)]
    with pytest.raises(LoadTestError, match="when the load of 6 s is over"):
        plan(USERS="1", DURATION="4", WARMUP="1", FAULT="kill-worker@6s")
    with pytest.raises(LoadTestError, match="leave FAULT or SCENARIO=batch out"):
        plan(SCENARIO="batch", FAULT="kill-worker@1s")
