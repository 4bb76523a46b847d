import argparse
import re
from pathlib import Path

import pytest

from loadtests.commands import COMMANDS, DEPLOYMENT_SETTINGS, LOAD_SETTINGS
from loadtests.errors import LoadTestError
from loadtests.machine import cores
from loadtests.run.config import (
    Joining,
    LoadTestConfig,
    load_test_config,
)
from loadtests.settings import add_settings

SETTINGS = DEPLOYMENT_SETTINGS + LOAD_SETTINGS


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)


def act(observation: object, reward: object, step: object, rng: object) -> dict[str, object]:
    """A policy in a module."""
    return {"seen": (observation, reward, step, rng)}


def config(*arguments: str) -> LoadTestConfig:
    parser = argparse.ArgumentParser()
    add_settings(parser, SETTINGS)
    return load_test_config(vars(parser.parse_args(arguments)))


def test_defaults_make_a_run_of_less_than_a_minute() -> None:
    defaults = config()
    assert (defaults.target, defaults.deployment.replicas, defaults.deployment.workers) == ("auto", 2, 2)
    assert defaults.duration_s + defaults.users / defaults.spawn_rate < 30


def test_the_environment_sets_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERS", "7")
    monkeypatch.setenv("REPLICAS", "3")
    assert config("--replicas", "4").users == 7
    assert config("--replicas", "4").deployment.replicas == 4


def test_an_empty_value_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERS", "")
    assert config().users == 64


@pytest.mark.parametrize(("text", "seconds"), [("20", 20), ("90s", 90), ("5m", 300), ("1h", 3600)])
def test_a_duration_may_have_a_unit(text: str, seconds: float) -> None:
    assert config("--duration", text).duration_s == seconds


def test_tags_have_commas_between_them() -> None:
    assert config().tags == ()
    assert config("--tag", "nightly").tags == ("nightly",)
    assert config("--tag", "nightly, v1.2_rc-3,nightly").tags == ("nightly", "v1.2_rc-3")


def test_many_users_are_not_started_all_at_once() -> None:
    assert config("--users", "10000").spawn_rate == 100
    assert config("--users", "10000", "--processes", "4").spawn_rate == 400
    assert config("--users", "1").spawn_rate == 1


def test_processes_may_be_one_for_each_core() -> None:
    assert config("--processes", "auto").processes == cores()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("USERS", "0"),
        ("USERS", "many"),
        ("USERS", "1e3"),
        ("REPLICAS", "-1"),
        ("WORKERS", "0"),
        ("PORT", "70000"),
        ("WAIT", "-1"),
        ("WAIT", "normal:1:1"),
        ("BALANCING", "fastest"),
        ("TRANSPORT", "tcp"),
        ("DURATION", "0"),
        ("DURATION", "soon"),
        ("DURATION", "1.5"),
        ("SPAWN_RATE", "0"),
        ("PROCESSES", "0"),
        ("SLO_SUCCESS_RATE", "95"),
        ("SLO_P99", "-1"),
        ("STEP_TIMEOUT", "never"),
        ("ACCESS_LOG", "yes"),
        ("TAG", "two words"),
        ("TAG", "a,,b"),
        ("TAG", "<b>"),
        ("TAG", "x" * 41),
        ("TAG", ",".join("abcdefghijk")),
    ],
)
def test_a_bad_value_is_named_on_one_line(name: str, value: str) -> None:
    with pytest.raises(LoadTestError) as raised:
        config("--" + name.lower().replace("_", "-"), value)
    assert str(raised.value).startswith(f"{name}=")
    assert value in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_workers_of_a_master_are_its_processes() -> None:
    given = {each.name: each.default for each in COMMANDS["master"] if each.has_option}
    config = load_test_config({**given, "WORKERS_EXPECTED": "4", "JOIN_WAIT": "90s"})
    assert config.joining == Joining(workers=4, bind="127.0.0.1", port=5557, wait_s=90)
    assert (config.processes, config.spawn_rate) == (4, 32)
    with pytest.raises(LoadTestError, match="MASTER_BIND= is empty"):
        load_test_config({**given, "MASTER_BIND": " "})
    with pytest.raises(LoadTestError, match="WORKERS_EXPECTED=0 is not allowed"):
        load_test_config({**given, "WORKERS_EXPECTED": "0"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TARGET": "local", "GENERATORS": "4"}, "use TARGET=compose or stack, or PROCESSES=4"),
        ({"TARGET": "http://10.0.0.1:8000", "GENERATORS": "4"}, "TARGET=http://10.0.0.1:8000 has none"),
        ({"TARGET": "compose", "GENERATORS": "4", "PROCESSES": "2"}, "leave PROCESSES out"),
        ({"TARGET": "compose", "GENERATORS": "four"}, "GENERATORS=four"),
        (
            {"TARGET": "compose", "GENERATORS": "2", "POLICY": f"{__name__}:act"},
            f"POLICY={__name__}:act is a module",
        ),
        ({"TARGET": "stack"}, "TARGET=stack is loaded from inside its network"),
        ({"TARGET": "stack", "GENERATORS": "2", "PUBLISH": "yes"}, "PUBLISH=yes"),
    ],
)
def test_generators_in_containers_are_refused_where_they_cannot_be(given: dict[str, str], words: str) -> None:
    defaults = {each.name: each.default for each in SETTINGS}
    with pytest.raises(LoadTestError, match=re.escape(words)):
        load_test_config({**defaults, **given})


def test_each_generator_in_a_container_is_one_process() -> None:
    defaults = {each.name: each.default for each in SETTINGS}
    found = load_test_config({**defaults, "TARGET": "auto", "GENERATORS": "3", "USERS": "1000"})
    assert (found.processes, found.deployment.generators, found.spawn_rate) == (3, 3, 300)


def trace(folder: Path, *steps: tuple[float, int]) -> str:
    file = folder / "trace.jsonl"
    file.write_text("\n".join(f'{{"at": {at}, "session": {session}, "wait": 0.5}}' for at, session in steps))
    return f"trace:{file}"


def test_a_trace_lasts_until_its_end_and_has_users_for_what_overlaps(tmp_path: Path) -> None:
    shape = trace(tmp_path, *((0.0, n) for n in range(8)), (30.0, 0), (40.2, 99))
    replayed = config("--shape", shape)
    assert replayed.duration_s == 44  # a second before it, its length, its longest wait, and two more
    assert replayed.users == 10
    assert replayed.spawn_rate == 10
    assert config("--shape", shape, "--processes", "4").users == 4 * 3
    assert config("--shape", shape, "--users", "3").users == 3
    assert config("--shape", shape, "--duration", "5").duration_s == 5
