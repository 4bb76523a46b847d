import random
import re
from pathlib import Path

import pytest

from loadtests.actions.policy import (
    FOLDER,
    PolicyError,
    checked,
    load_policy,
    policy_failure,
    policy_of_class,
)
from loadtests.errors import LoadTestError


def policy_file(folder: Path, code: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(code)
    return path


def test_a_file_has_a_function_act_unless_another_is_named(tmp_path: Path) -> None:
    path = policy_file(
        tmp_path,
        "def act(observation, reward, step, rng): return {'n': observation['n'] + step}\n"
        "def still(*_): return {}\n",
    )

    default, named = load_policy(str(path)), load_policy(f"{path}:still")

    assert default.act is not None
    assert default.act({"n": 4}, None, 3, random.Random(1)) == {"n": 7}
    assert (default.text, default.name, default.source) == (f"{path}:act", "mine.py:act", path)
    assert named.act is not None
    assert named.act({}, 1.0, 0, random.Random(1)) == {}
    assert load_policy(default.text) == default
    assert len(default.described()["sha256"] or "") == 64


def test_a_policy_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    policy_file(tmp_path, "MOVE = 'e4'\n", "openings_of_this_test.py")
    path = policy_file(
        tmp_path,
        "from openings_of_this_test import MOVE\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Move:\n    name: str\n"
        "def act(observation, reward, step, rng): return vars(Move(MOVE))\n",
    )
    act = load_policy(str(path)).act
    assert act is not None
    assert act({}, None, 0, random.Random(1)) == {"name": "e4"}


def test_a_module_is_found_where_the_harness_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy_file(tmp_path, "def play(observation, reward, step, rng): return {}\n", "players_of_this_test.py")
    monkeypatch.setenv(FOLDER, str(tmp_path))

    policy = load_policy("players_of_this_test:play")

    assert (policy.text, policy.name) == ("players_of_this_test:play",) * 2
    assert policy.source == tmp_path / "players_of_this_test.py"


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = policy_file(tmp_path, "def act(o, r, s, g): return {'a': 1}\n")
    first = load_policy(str(path))
    path.write_text("def act(o, r, s, g): return {'a': 22}\n")
    path.touch()
    second = load_policy(str(path))
    assert first.act is not None
    assert second.act is not None
    assert (first.act({}, None, 0, random.Random()), second.act({}, None, 0, random.Random())) == (
        {"a": 1},
        {"a": 22},
    )


@pytest.mark.parametrize(
    ("code", "suffix", "words"),
    [
        ("x = 1\n", "", "mine.py has no function act: define act(observation, reward, step, rng)"),
        ("x = 1\n", ":play", "has no function play"),
        ("act = 3\n", "", "act is not a function"),
        ("def act(observation): return {}\n", "", "act(observation) cannot take what a policy is given"),
        ("async def act(o, r, s, g): return {}\n", "", "asynchronous"),
        ("def act(:\n", "", "cannot be loaded: SyntaxError"),
        ("\nimport nowhere\n", "", "ModuleNotFoundError: No module named 'nowhere' (mine.py, line 2)"),
        ("import sys; sys.exit(1)\n", "", "SystemExit"),
        ("", ":not a name", "does not name a function"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_named_with_what_to_do(
    tmp_path: Path, code: str, suffix: str, words: str
) -> None:
    text = f"{policy_file(tmp_path, code)}{suffix}"
    with pytest.raises(LoadTestError, match=re.escape(words)) as raised:
        load_policy(text)
    assert str(raised.value).startswith(f"POLICY={text}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/none/such.py", "cannot be read (No such file or directory)"),
        ("no_such_module_here:act", "there is no module no_such_module_here in"),
        ("json.nothing:act", "there is no module json.nothing in"),
        ("https://example.com/x", "does not name a function"),
        (__file__ + "x", "cannot be read"),
        ("/etc/hostname", "is not a Python file"),
        ("3x:act", "is neither a file nor a module"),
    ],
)
def test_a_policy_that_is_not_there_is_named(text: str, words: str) -> None:
    with pytest.raises(LoadTestError, match=re.escape(words)):
        load_policy(text)


def test_an_error_names_its_line_in_the_policy_not_in_what_it_calls(tmp_path: Path) -> None:
    path = policy_file(
        tmp_path, "import json\n\ndef act(observation, reward, step, rng):\n    return json.loads('{')\n"
    )
    act = load_policy(str(path)).act
    assert act is not None
    with pytest.raises(ValueError, match="Expecting") as raised:
        act({}, None, 0, random.Random(1))
    told = str(policy_failure(raised.value, act))
    assert told.startswith("the policy raised JSONDecodeError: Expecting property name")
    assert told.endswith("(mine.py, line 4)")


def test_what_is_no_dict_is_no_action() -> None:
    assert checked({"a": 1}) == {"a": 1}
    with pytest.raises(PolicyError, match=re.escape("the policy returned [1], not a dict")):
        checked([1])


def test_the_policy_of_a_class_is_named_with_its_file() -> None:
    class Player:
        pass

    described = policy_of_class(Player).described()
    assert described["name"].startswith("test_policy.py:")
    assert described["name"].endswith("Player.act")
