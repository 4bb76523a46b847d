import argparse
from dataclasses import replace

import pytest

from loadtests.capacity.config import (
    CapacityConfig,
    capacity_config,
    without_effect,
)
from loadtests.capacity.search import next_batch
from loadtests.commands import CAPACITY_SETTINGS
from loadtests.errors import LoadTestError
from loadtests.run.generator import longest_run_time
from loadtests.settings import add_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in CAPACITY_SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)


def config(*arguments: str) -> CapacityConfig:
    parser = argparse.ArgumentParser()
    add_settings(parser, CAPACITY_SETTINGS)
    return capacity_config(vars(parser.parse_args(arguments)))


def test_defaults_search_batches_in_which_all_sessions_are_there_at_once() -> None:
    defaults = config()
    assert defaults.load.scenario == "batch"
    assert defaults.load.options.wait.constant == 1
    assert (defaults.plan.start, defaults.plan.most, defaults.budget_s) == (16, 16384, 600)
    assert defaults.plan.precision == 0.025


def test_the_environment_sets_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("START", "8")
    monkeypatch.setenv("BUDGET", "1h")
    monkeypatch.setenv("WAIT", "2")
    found = config("--budget", "90s")
    assert (found.plan.start, found.budget_s, found.load.options.wait.constant) == (8, 90, 2)


def test_every_batch_starts_all_its_users_at_once_and_may_run_into_every_time_out() -> None:
    batch = config("--connect-timeout", "10", "--step-timeout", "30").batch(512)
    assert (batch.users, batch.spawn_rate, batch.scenario) == (512, 512, "batch")
    assert longest_run_time(batch) >= 10 + 2 * 30


def test_no_batch_is_larger_than_what_open_files_allow() -> None:
    assert next_batch([], replace(config("--start", "64").plan, most=50)) == 50


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("START", "0"),
        ("START", "20000"),
        ("MOST", "many"),
        ("TRIES", "0"),
        ("PRECISION", "-1"),
        ("PRECISION", "51"),
        ("PRECISION", "exact"),
        ("BUDGET", "soon"),
        ("BUDGET", "0"),
        ("WAIT", "-1"),
        ("REPLICAS", "0"),
        ("SLO_SUCCESS_RATE", "95"),
    ],
)
def test_bad_values_are_named_on_one_line(name: str, value: str) -> None:
    with pytest.raises(LoadTestError) as raised:
        config("--" + name.lower().replace("_", "-"), value)
    assert str(raised.value).startswith(f"{name}=")
    assert value in str(raised.value)
    assert "\n" not in str(raised.value)


def test_with_arrivals_the_highest_rate_is_searched() -> None:
    steps = config("--arrivals", "poisson", "--arrivals-of", "steps")
    assert (steps.unit, steps.load.scenario, steps.plan.start) == ("steps/s", "sustained", 16)
    assert steps.load.options.wait.constant == 0.01
    assert steps.plan.precision == 0.05
    assert config("--arrivals", "constant:200", "--wait", "0.5").plan.start == 200
    assert config("--arrivals", "poisson", "--start", "50").plan.start == 50
    assert config("--arrivals", "constant").unit == "sessions/s"
    assert config().unit == "sessions"


def test_a_try_at_a_rate_has_users_enough_and_time_enough_for_a_99th_percentile() -> None:
    search = config("--arrivals", "poisson", "--arrivals-of", "steps", "--slo-p99", "0.5")
    first, fast = search.attempt(16, 1), search.attempt(2000, 1)
    assert first.options.arrivals is not None
    assert first.options.arrivals.text == "poisson:16"
    assert fast.users == 1500  # half as many more as are in flight where each takes the bound
    ramp_s, warmup_s = 8, 1
    assert fast.spawn_rate == 200
    assert (fast.warmup_s, fast.duration_s) == (warmup_s, ramp_s + warmup_s + 8)
    assert (first.duration_s - warmup_s - 1) * 16 >= 400


def test_a_length_that_was_asked_for_is_kept() -> None:
    search = config("--arrivals", "poisson", "--arrivals-of", "steps", "--duration", "5")
    assert search.attempt(16, 1).duration_s == 5 + 1 + 1


def test_sessions_come_and_go_several_times_within_a_try() -> None:
    search = config("--arrivals", "poisson", "--wait", "0.1", "--steps-per-episode", "20")
    one = search.attempt(64, 1)
    assert one.warmup_s is not None
    assert one.duration_s - one.warmup_s >= 8 * 20 * 0.1
    assert one.spawn_rate == one.users >= 1.5 * 64 * (20 * 0.1 + 1.2)


def test_each_try_at_a_rate_draws_other_moments_the_same_at_every_rate() -> None:
    search = config("--arrivals", "poisson", "--arrivals-of", "steps")

    def text(rate: int, number: int) -> str:
        arrivals = search.attempt(rate, number).options.arrivals
        assert arrivals is not None
        return arrivals.text

    assert (text(50, 1), text(50, 2), text(90, 2)) == ("poisson:50", "poisson:50:1", "poisson:90:1")
    evenly = config("--arrivals", "constant").attempt(50, 2).options.arrivals
    assert evenly is not None
    assert evenly.text == "constant:50"


def test_sessions_that_are_there_bound_the_rate() -> None:
    search = config("--arrivals", "constant", "--arrivals-of", "steps", "--slo-p99", "0.5")
    most = search.most_load(1500)
    assert most == 2000
    assert search.attempt(most, 1).users <= 1500
    assert config().most_load(1500) == 1500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--arrivals", "uniform:5"],
            "ARRIVALS=uniform:5 is no stream of arrivals: write constant or poisson",
        ),
        (["--arrivals", "poisson:0.5"], "ARRIVALS=poisson:0.5 is not where a search can begin"),
        (["--arrivals", "poisson:0"], "ARRIVALS=poisson:0 is not where"),
        (["--arrivals", "poisson:50:1"], "ARRIVALS=poisson:50:1 is not where"),
        (["--arrivals", "poisson:50", "--start", "8"], "START=8 both say where to begin"),
        (["--arrivals", "poisson:50", "--most", "40"], "ARRIVALS=poisson:50 is more than MOST=40"),
        (["--arrivals", "poisson", "--arrivals-of", "users"], "ARRIVALS_OF=users is not known"),
        (["--arrivals", "poisson", "--duration", "long"], "DURATION=long"),
    ],
)
def test_arrivals_that_no_search_can_vary_are_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(LoadTestError) as raised:
        config(*arguments)
    assert words in str(raised.value)


def test_variables_that_mean_nothing_to_a_search_are_named() -> None:
    assert without_effect({"USERS": "500", "DURATION": "60", "START": "8", "THINK_TIME": ""}) == [
        "DURATION",
        "USERS",
    ]
    assert without_effect(
        {"ARRIVALS": "poisson", "USERS": "5", "DURATION": "60", "SCENARIO": "rollouts"}
    ) == [
        "SCENARIO",
        "USERS",
    ]
