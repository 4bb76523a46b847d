from typing import Any

import pytest

from reports.records.sent import has_actions, rows, sent
from tests.reports.operations import config

POLICY = {"name": "play.py:act", "sha256": "0123456789abcdef" * 4}
MADE = {"source": "schema", "order": "cycle", "count": 256, "example": {"message": "a"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wait": "0.1"}, "wait 100\u00a0ms a step"),
        ({"wait": "uniform:0:1"}, "wait uniform:0:1 a step"),
        ({"action": {"message": "hello"}}, 'action {"message": "hello"}'),
        ({"action": {}}, "action {}"),
        ({"actions": MADE}, "256 actions made from the server’s schema, in turn"),
        (
            {"actions": {**MADE, "source": "tools", "order": "sample", "count": 1}},
            "1 action made from the schemas of the server’s tools, drawn at random",
        ),
        ({"actions": {**MADE, "source": "file", "file": "a.jsonl"}}, "256 actions from a.jsonl, in turn"),
        ({"policy": POLICY}, "actions of the policy play.py:act"),
    ],
)
def test_what_each_step_sent_is_told_in_a_few_words(changes: dict[str, Any], words: str) -> None:
    assert sent(config(**changes)) == words


def test_only_waits_of_the_benchmark_environment_are_no_actions() -> None:
    assert not has_actions(config())
    assert has_actions(config(action={}))
    assert has_actions(config(actions=MADE))
    assert has_actions(config(policy=POLICY))


def test_a_long_action_is_cut_in_few_words_and_whole_in_the_configuration() -> None:
    action = {"message": "x" * 200}
    assert len(sent(config(action=action))) < 80
    assert rows(config(action=action)) == [("action", f'{{"message": "{"x" * 200}"}}')]


def test_of_several_actions_the_configuration_shows_the_first() -> None:
    assert rows(config(actions=MADE)) == [
        ("actions", "256 actions made from the server’s schema"),
        ("order of actions", "in turn"),
        ("first action", '{"message": "a"}'),
    ]


def test_of_a_policy_the_configuration_shows_which_text_of_it_played() -> None:
    assert rows(config(policy=POLICY)) == [
        ("policy", "play.py:act"),
        ("policy’s SHA-256", "0123456789abcde…"),
    ]
    assert rows(config(policy={"name": "a:b", "sha256": None})) == [("policy", "a:b")]


def test_waits_are_told_as_such() -> None:
    assert rows(config()) == [("action", "wait")]
