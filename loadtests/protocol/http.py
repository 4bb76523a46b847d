"""OpenEnv over stateless HTTP, with the client that Locust's FastHttpUser has too."""

import ssl
from http.cookiejar import CookieJar
from typing import Any

import gevent
from geventhttpclient import useragent
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtests.protocol.access import Access
from loadtests.protocol.replies import Answer, OperationError, parse_http, served_by


class HttpClient(useragent.UserAgent):
    """The connection of one user: kept alive, with cookies, without redirects or retries.

    Every status counts as a reply: `parse_response` says what it means.
    """

    valid_response_codes = frozenset(range(100, 600))

    def __init__(self, access: Access, connect_timeout_s: float, read_timeout_s: float) -> None:
        super().__init__(
            max_redirects=0,
            max_retries=0,
            cookiejar=CookieJar(),
            headers=dict(access.headers),
            insecure=not access.verify_tls,
            ssl_context_factory=lambda **_: access.tls_context,
            connection_timeout=connect_timeout_s,
            network_timeout=read_timeout_s,
        )


def post(client: HttpClient, url: str, body: bytes, timeout_s: float) -> Any:
    """Sends JSON and reads the whole response, whatever its status, within `timeout_s` seconds.

    Raises OperationError where no response came.
    """
    # The client's own time-outs are per read, so a server that drips bytes could put them off forever.
    limit = gevent.Timeout.start_new(timeout_s, TimeoutError)
    response: Any = None
    try:
        response = client.urlopen(
            url,
            method="POST",
            payload=body,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        response.content  # noqa: B018 - reads the body
    except (useragent.ConnectionError, OSError, HTTPConnectionClosed, HTTPParseError) as error:
        cause = getattr(error, "original", None) or error
        if response is not None and not isinstance(cause, TimeoutError):
            raise OperationError("connection_lost", f"in the middle of the reply: {error}") from error
        raise _failure(cause) from error
    finally:
        limit.close()
    return response


def parse_response(response: Any, *, whole: bool = False) -> Answer:
    """Reads a response, with the `whole` observation or without.

    Raises OperationError where it is an error or does not follow the protocol.
    """
    return parse_http(response.status_code, response.content, whole=whole)


def responder(response: Any, upstream_header: str) -> Answer:
    """Who answered, as far as the response's headers say."""
    headers = response.headers
    return served_by(headers.get("X-Served-By"), headers.get(upstream_header))


def _failure(error: BaseException) -> OperationError:
    match error:
        case TimeoutError():
            return OperationError("timeout", "no reply in time")
        case ConnectionResetError() | BrokenPipeError() | HTTPConnectionClosed():
            return OperationError("connection_lost", str(error) or "connection closed")
        case HTTPParseError():
            return OperationError("protocol", str(error))
        case ssl.SSLCertVerificationError():
            return OperationError("handshake", f"certificate not trusted: {error.verify_message}")
        case OSError():
            return OperationError("refused", str(error))
    return OperationError("connection_lost", str(error))
