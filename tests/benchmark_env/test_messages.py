import json
from typing import Any

import pytest

from benchmark_env.server.messages import refusal


def refused(text: str) -> Any:
    answer = refusal({"type": "websocket.receive", "text": text})
    assert answer is not None
    return json.loads(answer)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "step", "data": {"wait_seconds": 1}}',
        ' {"type": "reset", "data": {}}',
        '{"type": "step", "data": {"metadata": {"note": "' + "x" * 5000 + '"}}}',
        '{"type": "step", "data": {"metadata": {"note": "\\u00e9"}}}',
        '{"type": ',
        "",
        '{"type": "step", "data": {"wait_seconds": NaN}}',
    ],
)
def test_what_openenv_answers_itself_is_left_to_it(text: str) -> None:
    assert refusal({"type": "websocket.receive", "text": text}) is None


@pytest.mark.parametrize("text", ["[1]", "3", "null", '"step"', " [1]", "[" + "1," * 500 + "1]"])
def test_json_that_is_no_object_is_a_validation_error(text: str) -> None:
    answer = refused(text)

    assert answer["type"] == "error"
    assert answer["data"]["code"] == "VALIDATION_ERROR"
    assert answer["data"]["errors"][0]["type"] == "dict_type"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"type": "step", "data": {"a": ' + "[" * 400 + "]" * 400 + "}}",
        '{"type": "step", "data": {"wait_seconds": ' + "1" * 5000 + "}}",
        '{"type": "step", "data": {"a": "\\ud800"}}',
    ],
    ids=["endless", "deep", "long integer", "lone surrogate"],
)
def test_json_that_cannot_be_quoted_back_is_invalid(text: str) -> None:
    assert refused(text)["data"]["code"] == "INVALID_JSON"


def test_the_deepest_message_that_is_not_looked_into_can_be_quoted_back() -> None:
    depth = 100
    text = '{"type": "step", "data": {"a": ' + "[" * depth + "]" * depth + "}}"

    assert len(text) < 256
    assert refusal({"type": "websocket.receive", "text": text}) is None


def test_a_binary_message_is_answered() -> None:
    answer = refusal({"type": "websocket.receive", "bytes": b"{}"})

    assert answer is not None
    assert json.loads(answer)["data"]["code"] == "INVALID_JSON"
