"""What an OpenEnv server answered: an observation and who made it, or an error and its category."""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from loadtests.hidden import without_secrets
from reports.records.schema import ErrorCategory

MAX_MESSAGE_BYTES = 100 * 2**20
"""The largest reply that is read."""

_INT64_MAX = 2**63 - 1
_LONGEST_NAME = 255
_LONGEST_WAIT_S = 1e7
_LONGEST_DETAIL = 500

_ERROR_CODES: dict[str, ErrorCategory] = {
    "CAPACITY_REACHED": "capacity",
    "VALIDATION_ERROR": "validation",
    "INVALID_JSON": "validation",
    "UNKNOWN_TYPE": "validation",
}


class OperationError(Exception):
    """An operation that failed: its category in the steps table, and what was said about it."""

    def __init__(self, category: ErrorCategory, detail: str, session_over: bool = True) -> None:
        self.category = category
        self.detail = _clean(detail, _LONGEST_DETAIL)
        super().__init__(f"{category}: {self.detail}")
        self.session_over = session_over
        """False where the session can go on with the next step."""

    @property
    def replied(self) -> bool:
        """Whether the failure is what the server answered."""
        return self.category in ("capacity", "validation", "http_4xx", "http_5xx", "server_error")


@dataclass(slots=True)
class Answer:
    """What an observation says about the server; None where it says nothing, or nothing of the right type."""

    host: str | None = None
    pid: int | None = None
    session_hash: str | None = None
    waited_s: float | None = None
    server_timestamp: float | None = None
    step_count: int | None = None
    reward: float | None = None
    done: bool | None = None
    size: int = 0
    """Bytes of the reply's payload."""
    observation: dict[str, Any] | None = None
    """The observation itself, where it was asked for: it may be large."""


NOBODY = Answer()


def parse_message(message: str | bytes, *, whole: bool = False) -> Answer:
    """Reads a WebSocket reply, with the `whole` observation or without.

    Raises OperationError where it is an error or does not follow the protocol.
    """
    try:
        reply = _loads(message, whole)
        kind, data = reply["type"], reply["data"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise OperationError("protocol", f"not an OpenEnv message: {_excerpt(message)}") from None
    if kind == "observation" and isinstance(data, dict):
        return parse_result(data, len(message), whole)
    if kind == "error" and isinstance(data, dict):
        code = data.get("code")
        category = _ERROR_CODES.get(code, "server_error") if isinstance(code, str) else "server_error"
        raise OperationError(
            category,
            f"{code}: {data.get('message')}{_first_error(data)}",
            session_over=category == "capacity" or code in ("SESSION_ERROR", "FACTORY_ERROR"),
        )
    raise OperationError("protocol", f"unexpected message: {_excerpt(message)}")


def parse_result(result: dict[str, Any], size: int, whole: bool = False) -> Answer:
    """Reads `{"observation": …, "reward": …, "done": …}`, the form of a result on either transport."""
    observation = result.get("observation")
    if not isinstance(observation, dict):
        raise OperationError("protocol", f"no observation in the reply: {_excerpt(repr(result))}")
    get = observation.get
    if (failure := get("error")) is not None:
        _check_tool(failure)
    metadata = get("metadata")
    step_count = metadata.get("step_count") if isinstance(metadata, dict) else None
    done = result.get("done")
    return Answer(
        host_of(get("host_url")),
        _integer(get("pid")),
        _name(get("session_hash")),
        _seconds(get("waited_seconds")),
        _number(get("timestamp")),
        _integer(step_count),
        _reward(result.get("reward")),
        done if isinstance(done, bool) else None,
        size,
        observation if whole else None,
    )


def _check_tool(error: Any) -> None:
    """Raises OperationError for OpenEnv's `ToolError`: a tool call that gave no result."""
    kind = error.get("error_type") if isinstance(error, dict) else None
    if isinstance(kind, str):
        category: ErrorCategory = (
            "validation" if kind in ("tool_not_found", "invalid_args") else "server_error"
        )
        raise OperationError(category, f"{kind}: {error.get('message')}", session_over=False)


def parse_http(status: int, body: bytes | None, *, whole: bool = False) -> Answer:
    """Reads an HTTP reply, with the `whole` observation or without.

    Raises OperationError for every status but 2xx and for a body in another form.
    """
    if 200 <= status < 300:
        try:
            result = _loads(body or b"", whole)
        except (ValueError, RecursionError):
            raise OperationError("protocol", f"not JSON: {_excerpt(body or b'')}") from None
        if not isinstance(result, dict):
            raise OperationError("protocol", f"not a result: {_excerpt(body or b'')}")
        return parse_result(result, len(body or b""), whole)
    category: ErrorCategory = (
        "validation" if status == 422 else "http_4xx" if 400 <= status < 500 else "http_5xx"
    )
    if status < 400:
        category = "protocol"
    raise OperationError(category, f"HTTP {status}: {_excerpt(body or b'')}", session_over=False)


def _loads(text: str | bytes, whole: bool) -> Any:
    """Reads JSON. What a policy sees of it is as Python reads it, down to integers of any size."""
    if not whole:
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # Python reads more, such as NaN and lone surrogates
    return json.loads(text)


def host_of(url: Any) -> str | None:
    """The host and port of a URL, as the steps table's `host` names a replica."""
    return _host_of(url) if isinstance(url, str) else None


@lru_cache(maxsize=4096)
def served_by(header: str | None, upstream: str | None) -> Answer:
    """Who answered, from the response headers `X-Served-By: host;pid=…` and the balancer's.

    `upstream` lists the servers that the balancer tried, last the one that answered, like nginx's
    `$upstream_addr`.
    """
    host, separator, pid = (header or "").partition(";pid=")
    if upstream and not separator:
        host = upstream.rpartition(",")[2].strip()
    if not host:
        return NOBODY
    return Answer(
        host=_name(host), pid=int(pid) if pid.isascii() and pid.isdigit() and len(pid) < 19 else None
    )


@lru_cache(maxsize=4096)
def _host_of(url: str) -> str | None:
    return _name(url.rpartition("://")[2].rstrip("/"))


def _name(value: Any) -> str | None:
    return _clean_name(value) if isinstance(value, str) and value else None


@lru_cache(maxsize=65536)
def _clean_name(name: str) -> str:
    return _clean(name, _LONGEST_NAME)


def _clean(text: str, limit: int) -> str:
    """Text up to a length, without our secrets and without what must not be stored or reach a terminal:
    surrogates and control characters.
    """
    text = without_secrets(text, limit)
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def _integer(value: Any) -> int | None:
    return value if type(value) is int and -_INT64_MAX <= value <= _INT64_MAX else None


def _number(value: Any) -> float | None:
    if type(value) is float:
        return value if math.isfinite(value) else None
    return float(value) if type(value) is int and -_INT64_MAX <= value <= _INT64_MAX else None


def _reward(value: Any) -> float | None:
    return float(value) if isinstance(value, bool) else _number(value)


def _seconds(value: Any) -> float | None:
    seconds = _number(value)
    return seconds if seconds is not None and 0 <= seconds <= _LONGEST_WAIT_S else None


def _first_error(data: dict[str, Any]) -> str:
    errors = data.get("errors")
    if not (isinstance(errors, list) and errors and isinstance(errors[0], dict)):
        return ""
    where = errors[0].get("loc")
    field = ".".join(str(part) for part in where) if isinstance(where, list) else ""
    return f" ({field}: {errors[0].get('msg')})"


def _excerpt(text: str | bytes) -> str:
    begin = text[:1000]
    return without_secrets(begin.decode("utf-8", "replace") if isinstance(begin, bytes) else begin, 200)
