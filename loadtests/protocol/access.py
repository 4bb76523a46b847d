"""How to reach a server that may be private: the headers of every request, and checks of certificates."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from loadtests.errors import LoadTestError
from loadtests.hidden import hide
from loadtests.settings import Values, choice

HEADERS = "HEADERS"
"""The environment variable with headers for private servers; no option, as others can read command lines."""
LOCUST_HEADERS = "LOADTEST_HEADERS"
"""The same for Locust, named like its own variables."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]+")
_OF_THE_CLIENT = re.compile(
    r"host|connection|upgrade|keep-alive|te|trailer|transfer-encoding|content-length|content-type|sec-websocket-.*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Access:
    """What every request to a server needs. The headers are secret: they are never shown or recorded."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify_tls: bool = True
    upstream_header: str = "X-Upstream"

    @cached_property
    def tls_context(self) -> ssl.SSLContext:
        """For HTTP/1.1; trusts the system's authorities, or those in SSL_CERT_FILE. Raises LoadTestError."""
        if (authorities := os.environ.get("SSL_CERT_FILE")) and not Path(authorities).is_file():
            raise LoadTestError(f"SSL_CERT_FILE={authorities} is not a file")
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        if not self.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def environ(self) -> dict[str, str]:
        """Environment variables that pass headers and authorities to a Locust process, unseen by others."""
        told = {}
        if self.headers:
            told[LOCUST_HEADERS] = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        if authorities := os.environ.get("SSL_CERT_FILE"):
            told["SSL_CERT_FILE"] = str(Path(authorities).absolute())
        return told


OPEN = Access()
"""Access to a server that needs nothing special."""


def server_access(values: Values, headers: str | None) -> Access:
    """Reads the settings and the text of HEADERS. Raises LoadTestError; hides the headers from now on."""
    upstream_header = values["UPSTREAM_HEADER"]
    if not _NAME.fullmatch(upstream_header):
        raise LoadTestError(f"UPSTREAM_HEADER={upstream_header} is not the name of a header")
    return Access(
        headers=parse_headers(headers or ""),
        verify_tls=choice(values, "TLS_VERIFY", ("0", "1")) == "1",
        upstream_header=upstream_header,
    )


def headers_text() -> str | None:
    """The headers that the environment gives, to the harness or to Locust."""
    return os.environ.get(LOCUST_HEADERS) or os.environ.get(HEADERS)


def parse_headers(text: str) -> dict[str, str]:
    """Headers from lines of `Name: value`, or from the file that `@path` names.

    Raises LoadTestError, which gives names and line numbers, but no values. What is read is hidden from then
    on, wherever a server may repeat it.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise LoadTestError(f"{HEADERS}={text} cannot be read: {why}") from None
    headers: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, separator, value = (part.strip() for part in line.partition(":"))
        if not separator or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise LoadTestError(
                f"{HEADERS}, line {number}, is not a header: write Name: value, or @ and the name of a file"
            )
        if _OF_THE_CLIENT.fullmatch(name):
            raise LoadTestError(f"{HEADERS}: {name} cannot be given, the client sets it itself")
        if name.lower() in map(str.lower, headers):
            raise LoadTestError(f"{HEADERS}: {name} is given twice")
        headers[name] = value
    hide(headers)
    return headers
