"""Replies to WebSocket messages that would end an OpenEnv session instead of getting an error reply."""

import json
from collections.abc import Mapping
from typing import Any

from openenv.core.env_server.types import WSErrorCode, WSErrorResponse
from pydantic import TypeAdapter, ValidationError

_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
# It takes more characters than this to nest so deeply, or write so long a number, that it cannot be answered.
_SURELY_SHALLOW = 256


def refusal(message: Mapping[str, Any]) -> str | None:
    """OpenEnv's error reply to a received ASGI message that OpenEnv cannot answer; None if it can.

    It cannot answer binary frames, JSON that is not an object, and JSON that Python cannot read or quote
    back: nested too deeply, integers of thousands of digits, lone surrogates.
    """
    text = message.get("text")
    if text is None:
        return _error("Binary message: send JSON as text", WSErrorCode.INVALID_JSON)
    if text[:1] == "{" and len(text) < _SURELY_SHALLOW and "\\u" not in text:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None
    except (ValueError, RecursionError) as error:
        return _error(f"Invalid JSON: {error}", WSErrorCode.INVALID_JSON)
    try:
        _OBJECT.validate_python(value)
        _error("", WSErrorCode.INVALID_JSON, quoted=value)
    except ValidationError as error:
        return _error(
            "Invalid message", WSErrorCode.VALIDATION_ERROR, errors=error.errors(include_input=False)
        )
    except ValueError as error:
        return _error(f"Invalid JSON: {error}", WSErrorCode.INVALID_JSON)
    return None


def _error(message: str, code: WSErrorCode, **data: Any) -> str:
    text: str = WSErrorResponse(data={"message": message, "code": code, **data}).model_dump_json()
    return text
