"""A server that is already running somewhere: only checked, never started or stopped."""

import re
import ssl
from contextlib import suppress
from http.client import HTTPException
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies

from loadtests.deployments import Deployment, Kind
from loadtests.deployments.health import Answer, get
from loadtests.errors import LoadTestError
from loadtests.hidden import without_secrets
from loadtests.protocol.access import HEADERS, OPEN, Access
from reports.page.words import printable

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
ANSWER_S = 10.0
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
"""OpenSSL's X509_V_ERR_… for certificates whose issuer is unknown here."""


class UrlDeployment(Deployment):
    """An OpenEnv server given by its URL, which may have a path that its routes lie under."""

    kind: Kind = "url"

    def __init__(self, url: str, access: Access = OPEN) -> None:
        """Raises LoadTestError where it is not a URL."""
        self._url = base_url(url)
        self._access = access

    @property
    def url(self) -> str:
        """The URL with http or https and without a slash at its end."""
        return self._url

    def up(self) -> None:
        """Checks that an OpenEnv server answers. Raises LoadTestError that says what is wrong."""
        health = self._get("/health")
        if health.status in (401, 403):
            remedy = f"give {HEADERS}='Authorization: Bearer …' in the environment, or whatever it asks for"
            if self._access.headers:
                remedy = f"it does not accept the {HEADERS} that were given"
            raise LoadTestError(
                f"{self._url} answers, but does not let us in (GET /health gave {health.status}): {remedy}"
            )
        if health.location:
            raise LoadTestError(
                f"{self._url} redirects to {printable(without_secrets(health.location))}: give that URL"
            )
        if health.status != 200:
            raise self._not_openenv("/health", health)
        schema = self._get("/schema")
        if schema.status == 404:
            schema = self._get("/openapi.json")
            paths = schema.json_object().get("paths")
            if not isinstance(paths, dict) or not {"/reset", "/step"} <= {str(path) for path in paths}:
                raise self._not_openenv("/schema", Answer(404, b""))
        elif not {"action", "observation"} <= schema.json_object().keys():
            raise self._not_openenv("/schema", schema)

    def versions(self) -> dict[str, str]:
        """The environment's name and version, where the server tells them."""
        with suppress(LoadTestError):
            metadata = self._get("/metadata").json_object()
            name, version = metadata.get("name"), metadata.get("version")
            if isinstance(name, str):
                told = f"{name} {version}" if isinstance(version, str) else name
                return {"environment": printable(without_secrets(told), 100)}
        return {}

    def down(self) -> None:
        """Does nothing: the server is not ours."""

    def answers(self) -> bool:
        """Whether it still answers, other than with a server error."""
        try:
            return self._get("/health").status < 500
        except LoadTestError:
            return False

    def _get(self, path: str) -> Answer:
        try:
            return get(self._url + path, timeout_s=ANSWER_S, access=self._access)
        except HTTPException:
            raise LoadTestError(f"{self._url}: what answers there does not speak HTTP") from None
        except ssl.SSLCertVerificationError as error:
            remedy = "accept any certificate with TLS_VERIFY=0"
            if error.verify_code in _UNKNOWN_AUTHORITY:
                remedy = f"set SSL_CERT_FILE to the authority that signed it, or {remedy}"
            raise LoadTestError(
                f"{self._url}: its certificate is not trusted ({error.verify_message}): {remedy}"
            ) from None
        except OSError as error:
            raise LoadTestError(
                f"nothing answers at {self._url} ({_reason(error)}): "
                "check the URL, and that the server is running"
            ) from None

    def _not_openenv(self, path: str, answer: Answer) -> LoadTestError:
        found = "something else" if answer.status == 200 else str(answer.status)
        private = "" if self._access.headers else f"; a private server may need {HEADERS}"
        return LoadTestError(
            f"{self._url} answers, but not as an OpenEnv server (GET {path} gave {found}): "
            f"give the URL that its /health and /schema lie under{private}"
        )


def base_url(text: str, name: str = "TARGET") -> str:
    """The URL that a server's routes lie under, from what a person wrote. Raises LoadTestError."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise LoadTestError(f"{name}={text} is not a URL: {error}") from None
    if parts.scheme not in SCHEMES:
        raise LoadTestError(f"{name}={text}: a URL starts with http://, https://, ws:// or wss://")
    if not parts.hostname or port == 0 or re.search(r"[\s\x00-\x1f]", text.strip()):
        raise LoadTestError(f"{name}={text} is not a URL: give for example http://127.0.0.1:8000")
    if parts.username is not None or parts.password is not None:
        raise LoadTestError(
            f"{name} has a user or password in it, which would be written into results: "
            f"give {HEADERS}='Authorization: Basic …' in the environment"
        )
    if parts.query or parts.fragment:
        raise LoadTestError(f"{name}={text.partition('?')[0]}…: a URL without ? and # is needed")
    path = re.sub(r"/ws$", "", parts.path.rstrip("/"))
    return urlunsplit((SCHEMES[parts.scheme], parts.netloc, path, "", ""))


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_S:.0f} s"
    proxied = "; proxies are not used" if getproxies() else ""
    return printable(without_secrets((error.strerror or str(error)).lower())) + proxied
