"""Single requests that find out whether something answers, and what."""

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadtests.protocol.access import OPEN, Access

_LARGEST_BYTES = 8 * 2**20
_CHUNK_BYTES = 65536


@dataclass(frozen=True)
class Answer:
    """An HTTP reply."""

    status: int
    body: bytes
    location: str | None = None
    """Where it redirects to: redirects are not followed, as in the load, and headers are for one server."""

    def json_object(self) -> dict[str, Any]:
        """The JSON object of a successful reply; empty for anything else."""
        with suppress(ValueError, RecursionError):
            value = json.loads(self.body) if self.status == 200 else None
            if isinstance(value, dict):
                return value
        return {}


def get(url: str, *, timeout_s: float, access: Access = OPEN) -> Answer:
    """The reply to GET within `timeout_s` seconds, whatever its status; without a proxy, like the load.

    Raises OSError where nothing answers or the reply does not end, and http.client.HTTPException where what
    answers does not speak HTTP.
    """
    return _request("GET", url, None, access.headers, timeout_s, access)


def post(url: str, body: Mapping[str, Any], *, timeout_s: float, access: Access = OPEN) -> Answer:
    """The reply to POST of a JSON object. Raises as `get` does."""
    headers = {**access.headers, "Content-Type": "application/json"}
    return _request("POST", url, json.dumps(body), headers, timeout_s, access)


def _request(
    method: str, url: str, body: str | None, headers: Mapping[str, str], timeout_s: float, access: Access
) -> Answer:
    deadline = time.monotonic() + timeout_s
    parts = urlsplit(url)
    connection = (
        http.client.HTTPSConnection(parts.netloc, timeout=timeout_s, context=access.tls_context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    )
    with closing(connection):
        connection.request(method, parts.path, body, {**headers, "Connection": "close"})
        reply = connection.getresponse()
        location = reply.headers.get("Location") if reply.status >= 300 else None
        return Answer(reply.status, _read(reply, deadline), location)


def _read(reply: http.client.HTTPResponse, deadline: float) -> bytes:
    """A body, which must end in time and be of a plausible size."""
    body = bytearray()
    while chunk := reply.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > _LARGEST_BYTES:
            raise OSError(f"the answer is larger than {_LARGEST_BYTES // 2**20} MB")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
    return bytes(body)
