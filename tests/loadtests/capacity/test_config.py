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


def test_variables_that_mean_nothing_to_a_search_are_named() -> None:
    assert without_effect({"USERS": "500", "DURATION": "60", "START": "8", "THINK_TIME": ""}) == [
        "DURATION",
        "USERS",
    ]
