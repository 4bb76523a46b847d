import re
from pathlib import Path

import pytest

from loadtests.actions.choice import Actions
from loadtests.commands import USER_SETTINGS
from loadtests.errors import LoadTestError
from loadtests.load.options import LoadOptions, check_when, load_options, settled
from reports.records.schema import Scenario


def options(**changes: str) -> LoadOptions:
    return load_options({setting.name: setting.default for setting in USER_SETTINGS} | changes)


def test_the_servers_schema_says_what_the_actions_are_unless_they_are_given(tmp_path: Path) -> None:
    file = tmp_path / "moves.jsonl"
    file.write_text('{"move": "e4"}\n\n{"move": "d4"}\n')

    assert (options().actions, options().action_choice) == (None, "as the schema says")
    assert options(ACTIONS="wait").action_choice == "wait"
    assert options(ACTIONS="schema").action_choice == "schema"
    assert options(ACTION='{"message": "hello"}').actions == Actions("constant", [{"message": "hello"}])
    given = options(ACTIONS=str(file), ACTION_ORDER="sample")
    assert given.actions == Actions("file", [{"move": "e4"}, {"move": "d4"}], "sample", "moves.jsonl")
    assert given.action_choice == "given"


def test_the_wait_is_the_longest_that_a_given_action_asks_for(tmp_path: Path) -> None:
    file = tmp_path / "waits.jsonl"
    file.write_text('{"wait_seconds": 0.5}\n{"wait_seconds": 2}\n{}\n')

    assert options(ACTIONS=str(file)).wait.constant == 2
    assert options(ACTION='{"message": "hello"}').wait.constant == 0


def test_a_policy_picks_the_actions_alone(tmp_path: Path) -> None:
    file = tmp_path / "play.py"
    file.write_text("def act(observation, reward, step, rng): return {}\n")

    given = options(POLICY=str(file), WAIT="2")

    assert (given.action_choice, given.actions, given.wait.constant) == ("policy", None, 0)
    assert (given.steps_per_episode, options().steps_per_episode) == (0, 50)
    assert options(POLICY=str(file), STEPS_PER_EPISODE="7").steps_per_episode == 7
    assert given.policy is not None
    assert given.policy.name == "play.py:act"
    assert settled(given, "http://127.0.0.1:9") == given
    for name, value in (("ACTION", "{}"), ("ACTIONS", "schema")):
        with pytest.raises(LoadTestError, match=f"POLICY={file} and {name}={value} are both given"):
            options(**{"POLICY": str(file), name: value})


def test_an_action_and_a_file_of_them_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="both given"):
        options(ACTION="{}", ACTIONS=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WAIT", "-1", "WAIT=-1"),
        ("THINK_TIME", "later", "THINK_TIME=later"),
        ("STEPS_PER_EPISODE", "-2", "STEPS_PER_EPISODE=-2"),
        ("CONNECT_TIMEOUT", "0", "CONNECT_TIMEOUT=0"),
        ("STEP_TIMEOUT", "nan", "STEP_TIMEOUT=nan"),
        ("ACTION", "{", "is not JSON"),
        ("ACTION", "[1]", "is not a JSON object"),
        (
            "ACTIONS",
            "/none/such.jsonl",
            "ACTIONS=/none/such.jsonl cannot be read (No such file or directory)",
        ),
        ("ACTION_ORDER", "backwards", "ACTION_ORDER=backwards"),
        ("POLICY", "none/such.py", "POLICY=none/such.py cannot be read (No such file or directory)"),
        ("TLS_VERIFY", "no", "TLS_VERIFY=no"),
        ("UPSTREAM_HEADER", "X Upstream", "UPSTREAM_HEADER=X Upstream is not the name of a header"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(LoadTestError, match=re.escape(words)):
        options(**{name: value})


def trace(folder: Path, *lines: str) -> str:
    file = folder / "trace.jsonl"
    file.write_text("\n".join(lines))
    return f"trace:{file}"


def test_a_trace_that_says_all_needs_no_schema_and_its_longest_wait_holds(tmp_path: Path) -> None:
    given = options(
        SHAPE=trace(
            tmp_path,
            '{"at": 0, "session": 1, "wait": 0.5}',
            '{"at": 0, "session": 1, "action": {"wait_seconds": 3}}',
        )
    )
    assert given.trace is not None
    assert given.shape is None
    assert (given.wait.constant, given.longest_wait_s) == (3, 3)
    assert settled(given, "http://127.0.0.1:9").action_choice == "wait"


def test_what_a_trace_leaves_open_the_other_settings_say(tmp_path: Path) -> None:
    shape = trace(tmp_path, '{"at": 0, "session": 1, "wait": 5}', '{"at": 0, "session": 1}')
    given = options(SHAPE=shape, WAIT="uniform:0:1")
    assert (given.wait.text, given.longest_wait_s) == ("uniform:0:1", 5)
    with pytest.raises(LoadTestError, match="schema"):
        settled(given, "http://127.0.0.1:9")


def test_a_trace_says_itself_when_steps_are_due(tmp_path: Path) -> None:
    shape = trace(tmp_path, '{"at": 0, "session": 1}')
    with pytest.raises(LoadTestError, match=f"SHAPE={shape} and ARRIVALS=poisson:5 are both given"):
        options(SHAPE=shape, ARRIVALS="poisson:5")
    scenarios: tuple[Scenario, ...] = ("batch", "rollouts")
    for scenario in scenarios:
        with pytest.raises(LoadTestError, match=f"SHAPE={shape} is not for {scenario}"):
            check_when(options(SHAPE=shape), scenario, 5.0)
    with pytest.raises(LoadTestError, match="needs an end"):
        check_when(options(SHAPE=shape), "sustained", None)
