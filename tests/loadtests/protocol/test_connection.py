import pytest

from loadtests.protocol.connection import address


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "secure"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, "/step", False),
        ("https://example.org/env", "example.org", 443, "/env/step", True),
        ("http://[::1]:9", "::1", 9, "/step", False),
    ],
)
def test_a_path_lies_below_the_servers_url(url: str, host: str, port: int, path: str, secure: bool) -> None:
    uri = address(url, "/step")
    assert (uri.host, uri.port, uri.path, uri.secure) == (host, port, path, secure)
