"""OpenEnv over stateless HTTP, with the client of Locust's FastHttpUser."""

import ssl
from typing import Any

import gevent
from geventhttpclient import useragent
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from loadtests.replies import Answer, OperationError, parse_http, served_by


def post(client: useragent.UserAgent, url: str, body: bytes, timeout_s: float) -> Any:
    """Sends JSON and reads the whole response, whatever its status, within `timeout_s` seconds.

    Raises OperationError where no response came.
    """
    # The client's own time-outs are for each read, which a server that drips bytes puts off for ever.
    limit = gevent.Timeout.start_new(timeout_s, TimeoutError)
    try:
        return _post(client, url, body)
    except TimeoutError:
        raise _failure(TimeoutError()) from None
    finally:
        limit.close()


def _post(client: useragent.UserAgent, url: str, body: bytes) -> Any:
    try:
        response: Any = client.urlopen(
            url,
            method="POST",
            payload=body,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
    except useragent.BadStatusCode as error:
        response = error.response
    except useragent.ConnectionError as error:
        raise _failure(getattr(error, "original", None) or error) from error
    except (OSError, HTTPConnectionClosed, HTTPParseError) as error:
        raise _failure(error) from error
    try:
        response.content  # noqa: B018 - reads the body
    except TimeoutError:
        raise
    except (OSError, HTTPConnectionClosed, HTTPParseError) as error:
        raise OperationError("connection_lost", f"in the middle of the reply: {error}") from error
    return response


def parse_response(response: Any) -> Answer:
    """Reads a response. Raises OperationError where it is an error or not of the protocol."""
    return parse_http(response.status_code, response.content)


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
