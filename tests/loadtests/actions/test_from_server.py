from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from loadtests.commands import USER_SETTINGS
from loadtests.errors import LoadTestError
from loadtests.load.options import LoadOptions, load_options, settled
from loadtests.protocol.access import Access, parse_headers
from tests.loadtests.json_server import Reply, Request, json_servers

TEXT = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
WAIT = {"type": "object", "properties": {"wait_seconds": {"type": "number", "default": 0}}}
CODE = {
    "type": "object",
    "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}},
    "required": ["code"],
}
CALL = {
    "type": "object",
    "properties": {
        "type": {"const": "call_tool", "default": "call_tool"},
        "tool_name": {"type": "string"},
        "arguments": {"type": "object"},
    },
    "required": ["tool_name"],
}
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server with this action schema, or this whole reply to GET, and these MCP tools."""
    with json_servers() as start:

        def start_server(
            action: Any = None, *, reply: Any = None, status: int = 200, tools: Any = None
        ) -> str:
            def answer(request: Request) -> Reply:
                if request.headers.get("Authorization", "Bearer sesame") != "Bearer sesame":
                    return Reply(401, {})
                if request.body is None:
                    return Reply(status, {"action": action, "observation": {}} if reply is None else reply)
                known = (request.path, request.body["method"]) == ("/mcp", "tools/list") and tools is not None
                return Reply(200 if known else 404, {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}})

            return start(answer)

        yield start_server


def options(**changes: str) -> LoadOptions:
    return load_options({setting.name: setting.default for setting in USER_SETTINGS} | changes)


def test_what_was_given_is_sent_whatever_the_server_says() -> None:
    nowhere = "http://127.0.0.1:9"
    for given in (options(ACTION="{}"), options(ACTIONS="wait")):
        assert settled(given, nowhere) is given


def test_an_environment_that_waits_gets_waits_unless_its_schema_is_asked_for(serve: Serve) -> None:
    url = serve(WAIT)
    waits = settled(options(WAIT="0.3"), url)
    assert (waits.actions, waits.wait.constant) == (None, 0.3)
    made = settled(options(WAIT="0.3", ACTIONS="schema"), url).actions
    assert made is not None
    assert made.values == [{}]


def test_actions_are_made_from_the_schema_and_ask_for_no_wait(serve: Serve) -> None:
    made = settled(options(WAIT="0.3"), serve(TEXT))
    assert made.actions is not None
    assert (made.actions.source, made.actions.order, len(made.actions.values)) == ("schema", "sample", 256)
    assert all(set(action) == {"message"} for action in made.actions.values)
    assert made.wait.constant == 0


def test_every_process_makes_the_same_actions(serve: Serve) -> None:
    url = serve(TEXT)
    assert settled(options(), url).actions == settled(options(), url).actions


def test_tools_are_called_with_arguments_of_their_own_schemas(serve: Serve) -> None:
    made = settled(options(), serve(CALL, tools=[{"name": "echo", "inputSchema": TEXT}, "odd"])).actions
    assert made is not None
    assert made.source == "tools"
    assert {action["tool_name"] for action in made.values} == {"echo"}


@pytest.mark.parametrize(
    ("served", "words"),
    [
        ({"action": CODE}, "no action can be made"),
        ({"action": CODE}, "code"),
        ({"action": {"type": "array"}}, "no action can be made"),
        ({"reply": {}}, "/schema gave no action schema"),
        ({"reply": []}, "/schema gave no action schema"),
        ({"action": TEXT, "status": 404}, "/schema gave 404"),
        ({"action": CALL}, "its /mcp lists none"),
        ({"action": CALL, "tools": []}, "its /mcp lists none"),
        ({"action": CALL, "tools": "all"}, "its /mcp lists none"),
    ],
)
def test_what_cannot_be_made_is_named_with_the_way_out(
    serve: Serve, served: dict[str, Any], words: str
) -> None:
    with pytest.raises(LoadTestError, match="ACTIONS=FILE") as caught:
        settled(options(), serve(**served))
    assert words in str(caught.value)


@pytest.mark.parametrize("offered", [{"enum": ["hi", "Bearer abc-987-xyz"]}, {"enum": ["abc-987-xyz"]}])
def test_a_server_that_asks_for_the_token_in_an_action_does_not_get_it_recorded(
    serve: Serve, offered: dict[str, Any]
) -> None:
    parse_headers("Authorization: Bearer abc-987-xyz")
    url = serve({"type": "object", "properties": {"key": offered}, "required": ["key"]})
    if "hi" in offered["enum"]:
        made = settled(options(), url).actions
        assert made is not None
        assert made.values == [{"key": "hi"}]
    else:
        with pytest.raises(LoadTestError, match="contain values of HEADERS") as caught:
            settled(options(), url)
        assert "abc-987-xyz" not in str(caught.value)


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(LoadTestError, match=r"http://127\.0\.0\.1:9/schema cannot be read"):
        settled(options(), "http://127.0.0.1:9")


def test_a_private_server_is_asked_with_the_headers(serve: Serve) -> None:
    url = serve(TEXT)

    def asked(token: str) -> LoadOptions:
        return replace(options(), access=Access(headers={"Authorization": f"Bearer {token}"}))

    assert settled(asked("sesame"), url).actions
    with pytest.raises(LoadTestError, match="/schema gave 401"):
        settled(asked("other"), url)
