"""Who answers: this worker process and the host that it serves."""

import os
import secrets
import socket
from contextvars import ContextVar
from functools import cache

WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
DEFAULT_URL = "http://127.0.0.1:8000"

answering_stateless_request: ContextVar[bool] = ContextVar("answering_stateless_request", default=False)
"""True while answering an HTTP request that has an environment of its own and no session."""

_bound_url: str | None = None


def new_session_hash() -> str:
    """16 hex digits: new ones for each session, those of this process for every stateless HTTP request."""
    if answering_stateless_request.get():
        return _hash_of(os.getpid())
    return secrets.token_hex(8)


def url_of(host: str, port: int) -> str:
    """The URL of a bound address; an address that means "every interface" becomes the machine's name."""
    if host in WILDCARDS:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def host_url() -> str:
    """The URL that this process serves: `HOST_URL`, else what `note_address` was told, else the default."""
    return (os.environ.get("HOST_URL") or _bound_url or DEFAULT_URL).rstrip("/")


def served_by() -> bytes:
    """The value of the `x-served-by` header: `<host>;pid=<pid>`, the host as `host_url` without scheme."""
    return f"{host_url().partition('://')[2]};pid={os.getpid()}".encode("latin-1")


def note_address(host: str, port: int) -> None:
    """Note which address this process is bound to; `HOST_URL`, if set, still takes precedence."""
    global _bound_url
    _bound_url = url_of(host, port)


def address_is_known() -> bool:
    """Whether `note_address` was called."""
    return _bound_url is not None


# Keyed by pid: a hash from before gunicorn forked its workers must not be theirs.
@cache
def _hash_of(pid: int) -> str:  # noqa: ARG001
    return secrets.token_hex(8)
