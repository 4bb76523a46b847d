"""The actions that a server's own action schema asks for."""

import json
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from loadtests.actions.choice import Actions
from loadtests.actions.from_schema import (
    ActionSchemaError,
    is_tool_call,
    sample_actions,
    takes_wait,
    tool_actions,
)
from loadtests.deployments.health import get, post
from loadtests.errors import LoadTestError
from loadtests.hidden import without_secrets
from loadtests.protocol.access import HEADERS, Access
from reports.page.words import printable

_COUNT = 256
"""The most actions that are made."""
_ANSWER_S = 10.0
_REMEDY = 'give actions with ACTION={"…": …} or ACTIONS=FILE.jsonl'
_LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


def actions_of_server(base_url: str, access: Access, *, waits: bool = True) -> Actions | None:
    """Actions made from the schema of the server at `base_url`.

    None if `waits` and the environment takes `wait_seconds` and needs nothing else: users draw waits then.
    Raises LoadTestError where the server does not give its schema, and, with the field, where no valid action
    can be made from it.
    """
    schema = _action_schema(base_url, access)
    if waits and takes_wait(schema):
        return None
    return _made_from(schema, base_url, access)


def _action_schema(base_url: str, access: Access) -> dict[str, Any]:
    try:
        reply = get(f"{base_url}/schema", timeout_s=_ANSWER_S, access=access)
    except (OSError, HTTPException) as error:
        why = printable(without_secrets(str(error)))
        raise LoadTestError(
            f"{base_url}/schema cannot be read ({why}), so its actions are unknown: check the URL, and that "
            f"the server is running, or {_REMEDY}"
        ) from None
    schema = reply.json_object().get("action")
    if not isinstance(schema, dict):
        found = "no action schema" if reply.status == 200 else str(reply.status)
        raise LoadTestError(f"{base_url}/schema gave {found}: {_REMEDY}")
    return schema


def _made_from(schema: dict[str, Any], base_url: str, access: Access) -> Actions:
    try:
        if is_tool_call(schema):
            made = Actions("tools", tool_actions(_tools(base_url, access), _COUNT), "sample")
        else:
            made = Actions("schema", sample_actions(schema, _COUNT), "sample")
    except ActionSchemaError as error:
        message = without_secrets(str(error))
        raise LoadTestError(f"no action can be made from {base_url}/schema: {message}; {_REMEDY}") from None
    harmless = [action for action in made.values if without_secrets(text := json.dumps(action)) == text]
    if not harmless:
        raise LoadTestError(
            f"the actions that {base_url}/schema asks for contain values of {HEADERS}, "
            f"which would be recorded: {_REMEDY}"
        )
    return replace(made, values=harmless)


def _tools(base_url: str, access: Access) -> list[dict[str, Any]]:
    tools = None
    with suppress(OSError, HTTPException):
        reply = post(f"{base_url}/mcp", _LIST_TOOLS, timeout_s=_ANSWER_S, access=access)
        result = reply.json_object().get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
    if not isinstance(tools, list) or not tools:
        raise LoadTestError(f"{base_url} takes tool calls, but its /mcp lists none: {_REMEDY}")
    return [tool for tool in tools if isinstance(tool, dict)]
