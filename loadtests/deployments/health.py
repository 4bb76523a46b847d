"""Single requests that find out whether something answers, and what."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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
        """The JSON object of a good reply; empty for anything else."""
        with suppress(ValueError, RecursionError):
            value = json.loads(self.body) if self.status == 200 else None
            if isinstance(value, dict):
                return value
        return {}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def get(url: str, *, timeout_s: float, access: Access = OPEN) -> Answer:
    """The reply to GET within `timeout_s` seconds, whatever its status; without a proxy, as the load is made.

    Raises OSError where nothing answers, or no end comes, and http.client.HTTPException where what answers is
    no HTTP.
    """
    return _answer(urllib.request.Request(url, headers=dict(access.headers)), timeout_s, access)  # noqa: S310


def post(url: str, body: Mapping[str, Any], *, timeout_s: float, access: Access = OPEN) -> Answer:
    """The reply to POST of a JSON object. Raises as `get` does."""
    headers = {**access.headers, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    return _answer(request, timeout_s, access)


def _answer(request: urllib.request.Request, timeout_s: float, access: Access) -> Answer:
    deadline = time.monotonic() + timeout_s
    context = access.tls_context if request.full_url.startswith("https:") else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), _NoRedirects
    )
    try:
        with opener.open(request, timeout=timeout_s) as reply:
            return Answer(reply.status, _read(reply, deadline))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _read(error, deadline), error.headers.get("Location"))
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from error


def _read(reply: Any, deadline: float) -> bytes:
    """A body, which must end in time and be of a size that can be meant."""
    body = bytearray()
    while chunk := reply.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > _LARGEST_BYTES:
            raise OSError(f"the answer is larger than {_LARGEST_BYTES // 2**20} MB")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer did not end in time")
    return bytes(body)
