import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from benchmark_env.server.app import build
from benchmark_env.settings import Settings

from .conftest import ROOT

BAD_ACTIONS = {
    "negative": '{"wait_seconds": -1}',
    "not a number": '{"wait_seconds": NaN}',
    "infinite": '{"wait_seconds": Infinity}',
    "minus infinite": '{"wait_seconds": -Infinity}',
    "overflowing": '{"wait_seconds": 1e400}',
    "a string": '{"wait_seconds": "1"}',
    "a boolean": '{"wait_seconds": true}',
    "null": '{"wait_seconds": null}',
    "too long": '{"wait_seconds": 3600.5}',
    "unknown field": '{"seconds": 1}',
    "unknown field with a lone surrogate": '{"seconds": "\\ud800"}',
    "no object": "[1]",
}


def client_with(**environ: str) -> TestClient:
    return TestClient(build(Settings.from_environ(environ)))


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with client_with() as client:
        yield client


def test_only_so_many_steps_as_the_settings_say_go_on_at_the_same_time() -> None:
    app = build(Settings.from_environ({"MAX_STEPS_IN_FLIGHT": "2"}))

    async def ended(steps: int) -> list[float]:
        async def step() -> float:
            reply = await client.post("/step", json={"action": {"wait_seconds": 0.2}})
            assert reply.status_code == 200, reply.text
            return time.perf_counter() - begin

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            begin = time.perf_counter()
            return sorted(await asyncio.gather(*(step() for _ in range(steps))))

    ends = asyncio.run(ended(5))
    assert ends[0] >= 0.2
    assert ends[2] >= 0.4
    assert ends[4] >= 0.6


def test_a_defect_is_not_taken_for_a_bad_request() -> None:
    app = build(Settings.from_environ({}))

    @app.get("/defect")
    async def defect() -> None:
        raise TypeError("a defect")

    with TestClient(app) as client, pytest.raises(TypeError, match="a defect"):
        client.get("/defect")


def post(client: TestClient, path: str, body: str) -> Any:
    return client.post(path, content=body, headers={"content-type": "application/json"})


def strict_json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("action", BAD_ACTIONS.values(), ids=BAD_ACTIONS)
def test_a_bad_action_is_422_over_http(client: TestClient, action: str) -> None:
    answer = post(client, "/step", f'{{"action": {action}}}')

    assert answer.status_code == 422
    assert strict_json(answer.text)["detail"][0]["loc"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"action": NaN}',
        '{"action": {}, "timeout_s": NaN}',
        '{"action": {}, "timeout_s": -1}',
    ],
)
def test_a_bad_request_is_422_over_http(client: TestClient, body: str) -> None:
    answer = post(client, "/step", body)

    assert answer.status_code == 422
    assert strict_json(answer.text)["detail"]


@pytest.mark.parametrize("value", ["[]", "{}"])
def test_an_action_whose_type_is_no_text_is_422_over_http(client: TestClient, value: str) -> None:
    answer = post(client, "/step", f'{{"action": {{"type": {value}}}}}')

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["type"]


def test_a_deeply_nested_action_is_422_over_http(client: TestClient) -> None:
    answer = post(client, "/step", '{"action": {"a": ' + "[" * 400 + "]" * 400 + "}}")

    assert answer.status_code == 422
    assert strict_json(answer.text)["detail"][0]["type"] == "extra_forbidden"


@pytest.mark.parametrize("action", BAD_ACTIONS.values(), ids=BAD_ACTIONS)
def test_a_bad_action_over_websocket_gets_an_error_and_the_session_goes_on(
    client: TestClient, action: str
) -> None:
    with client.websocket_connect("/ws") as session:
        session.send_text('{"type": "step", "data": {}}')
        before = session.receive_json()["data"]["observation"]
        session.send_text(f'{{"type": "step", "data": {action}}}')
        error = strict_json(session.receive_text())
        session.send_text('{"type": "step", "data": {}}')
        after = session.receive_json()["data"]["observation"]

    assert error["type"] == "error"
    assert error["data"]["code"] in {"VALIDATION_ERROR", "INVALID_JSON"}
    assert after["session_hash"] == before["session_hash"]
    assert after["metadata"]["step_count"] == 2


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[1]", "VALIDATION_ERROR"),
        ("3", "VALIDATION_ERROR"),
        ('{"type": "fly"}', "UNKNOWN_TYPE"),
        ("{}", "UNKNOWN_TYPE"),
        ('{"type": "step"}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {}, "more": 1}', "VALIDATION_ERROR"),
        ('{"type": "reset", "data": {"episode_id": 5}}', "VALIDATION_ERROR"),
        (b'{"type": "state"}', "INVALID_JSON"),
    ],
)
def test_a_bad_message_gets_an_error_and_the_session_goes_on(
    client: TestClient, message: str | bytes, code: str
) -> None:
    with client.websocket_connect("/ws") as session:
        if isinstance(message, str):
            session.send_text(message)
        else:
            session.send_bytes(message)
        error = session.receive_json()
        session.send_text('{"type": "state"}')
        state = session.receive_json()

    assert (error["type"], error["data"]["code"]) == ("error", code)
    assert state["type"] == "state"


def test_stateless_requests_bear_the_process_hash_and_sessions_their_own(client: TestClient) -> None:
    stateless = {
        post(client, path, body).json()["observation"]["session_hash"]
        for path, body in [("/reset", "{}"), ("/step", '{"action": {}}'), ("/reset", '{"seed": 1}')]
    }
    sessions = set()
    for _ in range(3):
        with client.websocket_connect("/ws") as session:
            session.send_text('{"type": "reset"}')
            sessions.add(session.receive_json()["data"]["observation"]["session_hash"])

    assert len(stateless) == 1
    assert len(sessions) == 3
    assert not stateless & sessions


def test_every_reply_says_which_process_served_it(client: TestClient) -> None:
    with client.websocket_connect("/ws") as session:
        accepted: dict[bytes, bytes] = dict(session.extra_headers or [])

    assert accepted[b"x-served-by"].endswith(f";pid={os.getpid()}".encode())
    for answer in (client.get("/health"), client.get("/nowhere"), post(client, "/step", "{")):
        assert answer.headers["x-served-by"] == accepted[b"x-served-by"].decode()


def test_a_session_made_over_http_has_a_hash_of_its_own(client: TestClient) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "openenv/session/create", "params": {}}
    session_id = client.post("/mcp", json=call).json()["result"]["session_id"]
    stateless = post(client, "/reset", "{}").json()["observation"]["session_hash"]
    with client.websocket_connect(f"/ws?session_id={session_id}") as session:
        session.send_text('{"type": "reset"}')
        own = session.receive_json()["data"]["observation"]["session_hash"]

    assert own != stateless


def test_past_the_cap_a_client_is_told_so() -> None:
    with client_with(MAX_CONCURRENT_ENVS="1") as client:
        with client.websocket_connect("/ws") as first:
            first.send_text('{"type": "reset"}')
            first.receive_json()
            with client.websocket_connect("/ws") as second:
                refused = second.receive_json()
        with client.websocket_connect("/ws") as third:
            third.send_text('{"type": "reset"}')
            served = third.receive_json()

    assert refused["data"]["code"] == "CAPACITY_REACHED"
    assert served["type"] == "observation"


def test_an_idle_session_frees_its_slot() -> None:
    with client_with(MAX_CONCURRENT_ENVS="1", SESSION_IDLE_TIMEOUT="0.2") as client:
        for _ in range(2):
            # The second would be refused, were the slot of the first not free.
            with client.websocket_connect("/ws") as idle:
                closed = idle.receive()
            assert (closed["type"], closed["code"]) == ("websocket.close", 1001)


def test_a_body_longer_than_a_message_may_be_is_413() -> None:
    with client_with(MAX_MESSAGE_BYTES="100") as client:
        assert post(client, "/step", '{"action": {}}').status_code == 200
        assert post(client, "/step", '{"action": {}, "note": "' + "x" * 100 + '"}').status_code == 413


def test_the_documented_routes_answer(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "healthy"}
    assert client.get("/metadata").json()["name"] == "benchmark_env"
    assert client.get("/state").json()["step_count"] == 0
    assert client.get("/schema").json()["action"]["properties"]["wait_seconds"]["maximum"] == 3600
    assert client.get("/docs").status_code == 200


def test_what_only_the_web_page_needs_is_not_imported_without_it() -> None:
    code = "import benchmark_env.server.app, sys; print('gradio' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "False\n"
