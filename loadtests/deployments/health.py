"""GET requests that find out whether something answers."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_as_configured = urllib.request.build_opener()


@dataclass(frozen=True)
class Answer:
    """An HTTP reply."""

    status: int
    body: bytes


def get(url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> Answer:
    """The reply to GET, whatever its status; this machine is asked without a proxy.

    Raises OSError where nothing answers, and http.client.HTTPException where what answers is no HTTP.
    """
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310
    opener = _direct if urllib.parse.urlsplit(url).hostname in _LOOPBACK else _as_configured
    try:
        with opener.open(request, timeout=timeout_s) as reply:
            return Answer(reply.status, reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read())
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from error
