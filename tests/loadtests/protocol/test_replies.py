import json

import pytest

from loadtests.protocol.replies import OperationError, host_of, parse_http, parse_message, served_by

OBSERVATION = {
    "host_url": "http://127.0.0.1:8001",
    "pid": 42,
    "session_hash": "0123456789abcdef",
    "waited_seconds": 0.5,
    "timestamp": 1_700_000_000.5,
    "metadata": {"step_count": 3},
}


def observation(**changes: object) -> bytes:
    data = {"observation": OBSERVATION | changes, "reward": 1.0, "done": False}
    return json.dumps({"type": "observation", "data": data}).encode()


def error(code: str, **more: object) -> str:
    return json.dumps({"type": "error", "data": {"code": code, "message": "no", **more}})


def test_an_observation_says_who_answered() -> None:
    answer = parse_message(observation())
    assert (answer.host, answer.pid, answer.session_hash) == ("127.0.0.1:8001", 42, "0123456789abcdef")
    assert (answer.waited_s, answer.server_timestamp, answer.step_count) == (0.5, 1_700_000_000.5, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"host_url": 7, "pid": "42", "session_hash": None, "waited_seconds": "x", "metadata": []},
        {"host_url": {}, "pid": True, "session_hash": [], "waited_seconds": None, "metadata": None},
        {"host_url": "", "pid": 2**70, "session_hash": "", "waited_seconds": 2**70, "metadata": {}},
        {"host_url": "http://", "pid": 1.5, "session_hash": 5, "waited_seconds": float("inf"), "metadata": 1},
        {"host_url": "://", "pid": "", "session_hash": False, "waited_seconds": -1.0, "metadata": 3},
    ],
)
def test_fields_of_a_wrong_type_are_left_out(changes: dict[str, object]) -> None:
    answer = parse_message(observation(**changes))
    assert (answer.host, answer.pid, answer.session_hash, answer.waited_s) == (None, None, None, None)
    assert answer.step_count is None


def test_an_observation_of_another_environment_names_nobody() -> None:
    answer = parse_message('{"type": "observation", "data": {"observation": {"echo": 1}, "done": true}}')
    assert answer.host is None
    assert answer.done


def test_a_reply_says_what_a_step_earned_and_whether_the_episode_is_over() -> None:
    answer = parse_message(observation())
    assert (answer.reward, answer.done, answer.observation) == (1.0, False, None)
    assert parse_message(observation(), whole=True).observation == OBSERVATION
    assert parse_http(200, b'{"observation": {"a": 1}}', whole=True).observation == {"a": 1}


@pytest.mark.parametrize(
    ("reward", "done", "expected"),
    [
        ("1", "true", (1.0, True)),
        ("true", "null", (1.0, None)),
        ('"1"', "1", (None, None)),
        ("NaN", '"yes"', (None, None)),
        ("[]", "[]", (None, None)),
        (str(10**400), "{}", (None, None)),
    ],
)
def test_rewards_are_numbers_and_done_is_a_truth_value(
    reward: str, done: str, expected: tuple[float | None, bool | None]
) -> None:
    body = f'{{"observation": {{}}, "reward": {reward}, "done": {done}}}'.encode()
    answer = parse_http(200, body)
    assert (answer.reward, answer.done) == expected


@pytest.mark.parametrize(
    ("error_type", "category"), [("tool_not_found", "validation"), ("execution_error", "server_error")]
)
def test_a_tool_that_gave_no_result_failed(error_type: str, category: str) -> None:
    with pytest.raises(OperationError, match=f"{error_type}: no such tool") as caught:
        parse_message(observation(error={"error_type": error_type, "message": "no such tool"}))
    assert (caught.value.category, caught.value.session_over) == (category, False)


@pytest.mark.parametrize("error", [None, "", "move not allowed", {}, {"message": "no"}, 0])
def test_what_else_an_environment_calls_an_error_is_its_own_affair(error: object) -> None:
    assert parse_message(observation(error=error)).pid == 42


def test_names_can_be_stored_and_shown_whatever_a_server_sends() -> None:
    answer = parse_message(observation(host_url="http://\ud800:1", session_hash="a\x1b[31m\r\nb"))
    assert (answer.host, answer.session_hash) == ("�:1", "a�[31m��b")
    with pytest.raises(OperationError) as raised:
        parse_message(error("EXECUTION_ERROR", more="\ud800").replace('"no"', '"\\ud800 \\u001b[31m"'))
    assert raised.value.detail.isprintable()


@pytest.mark.parametrize(
    ("code", "category", "session_over"),
    [
        ("CAPACITY_REACHED", "capacity", True),
        ("VALIDATION_ERROR", "validation", False),
        ("INVALID_JSON", "validation", False),
        ("UNKNOWN_TYPE", "validation", False),
        ("EXECUTION_ERROR", "server_error", False),
        ("SESSION_ERROR", "server_error", True),
        ("SOMETHING_NEW", "server_error", False),
    ],
)
def test_an_error_has_its_category(code: str, category: str, session_over: bool) -> None:
    with pytest.raises(OperationError) as raised:
        parse_message(error(code))
    assert (raised.value.category, raised.value.session_over) == (category, session_over)
    assert code in raised.value.detail


def test_a_validation_error_names_the_field() -> None:
    errors = [{"loc": ["wait_seconds"], "msg": "Input should be greater than or equal to 0"}]
    with pytest.raises(OperationError, match="wait_seconds: Input should be greater"):
        parse_message(error("VALIDATION_ERROR", errors=errors))


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b"null", b'{"type": "x"}', b"\xff", b"[" * 100_000])
def test_what_is_not_of_the_protocol_is_a_protocol_error(message: bytes) -> None:
    with pytest.raises(OperationError) as raised:
        parse_message(message)
    assert raised.value.category == "protocol"
    assert len(raised.value.detail) <= 500


@pytest.mark.parametrize(
    ("status", "category"),
    [(422, "validation"), (404, "http_4xx"), (502, "http_5xx"), (302, "protocol")],
)
def test_an_http_status_has_its_category(status: int, category: str) -> None:
    with pytest.raises(OperationError, match=str(status)) as raised:
        parse_http(status, b"<html>")
    assert raised.value.category == category


@pytest.mark.parametrize("body", [None, b"", b"[]", b"not json", b"{}"])
def test_an_http_body_of_another_form_is_a_protocol_error(body: bytes | None) -> None:
    with pytest.raises(OperationError) as raised:
        parse_http(200, body)
    assert raised.value.category == "protocol"


def test_who_served_stands_in_headers() -> None:
    assert (served_by("10.0.0.1:8000;pid=7", "10.9.9.9:1").host, served_by("h;pid=7", None).pid) == (
        "10.0.0.1:8000",
        7,
    )
    assert served_by(None, "10.0.0.1:8000, 10.0.0.2:8000").host == "10.0.0.2:8000"
    assert served_by(None, None).host is None
    assert served_by("h;pid=²", None).pid is None
    assert served_by("h;pid=" + "9" * 30, None).pid is None


def test_a_host_is_a_url_without_its_scheme() -> None:
    assert host_of("http://replica-1:8000/") == "replica-1:8000"
    assert host_of("no scheme") == "no scheme"
    assert host_of(None) is None


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN, "b": Infinity, "c": 1e999}',
        '{"a": "\\ud800", "b": "\\u0000"}',
        '{"a": 123456789012345678901234567890}',
        '{"a": -9223372036854775809, "a": 18446744073709551616}',
        '{"a": ' + "[" * 900 + "]" * 900 + "}",
        '{"a": 1.7976931348623157e308, "b": -0, "c": 5e-324}',
    ],
)
def test_what_is_json_to_python_is_json(text: str, whole: bool) -> None:
    message = json.dumps({"type": "observation", "data": {"observation": {"pid": 5, "x": 0}}})
    answer = parse_message(message.replace('"x": 0', f'"x": {text}'), whole=whole)
    assert answer.pid == 5
    assert not whole or str((answer.observation or {})["x"]) == str(json.loads(text))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_messages_in_other_encodings_are_read(encoding: str) -> None:
    message = json.dumps({"type": "observation", "data": {"observation": {"session_hash": "é"}}})
    assert parse_message(message.encode(encoding)).session_hash == "é"


@pytest.mark.parametrize("message", [b"", b"[" * 100_000, b"\xff", b"{'a': 1}", b"01", b'"\x01"', b"{} {}"])
def test_what_is_no_json_to_python_is_no_message(message: bytes) -> None:
    with pytest.raises(OperationError) as raised:
        parse_message(message)
    assert raised.value.category == "protocol"
