import ssl
from pathlib import Path

import pytest

from loadtests.commands import ACCESS_SETTINGS
from loadtests.errors import LoadTestError
from loadtests.protocol.access import Access, parse_headers, server_access

VALUES = {setting.name: setting.default for setting in ACCESS_SETTINGS}


def test_headers_are_lines_or_a_file_of_them(tmp_path: Path) -> None:
    text = "Authorization: Bearer one-two-three\n\nX-Team:  red:blue \n"
    (tmp_path / "headers").write_text(text, encoding="utf-8-sig")

    expected = {"Authorization": "Bearer one-two-three", "X-Team": "red:blue"}
    assert parse_headers(text) == parse_headers(f"@{tmp_path}/headers") == expected
    assert parse_headers("") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bearer top-secret-1", "line 1, is not a header"),
        ("A: b\nX Y: top-secret-2", "line 2, is not a header"),
        ("Authorization: top-secret\x013", "line 1, is not a header"),
        ("Authorization: sécret-4 – €", "line 1, is not a header"),
        ("Host: top-secret-5", "Host cannot be given"),
        ("sec-websocket-key: top-secret-6", "sec-websocket-key cannot be given"),
        ("A: top-secret-7\na: top-secret-8", "a is given twice"),
        ("@/none/such", "@/none/such cannot be read: No such file or directory"),
    ],
)
def test_a_bad_header_is_told_without_its_value(text: str, words: str) -> None:
    with pytest.raises(LoadTestError, match="HEADERS") as caught:
        parse_headers(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_headers_are_not_shown() -> None:
    assert "top-secret" not in repr(server_access(VALUES, "Authorization: Bearer top-secret"))


def test_locust_gets_the_same_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access({"A": "1", "B": "2: 3"})
    assert parse_headers(access.environ()["LOADTEST_HEADERS"]) == access.headers
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert Access().environ() == {}


def test_locust_finds_the_same_authorities_though_it_runs_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "here/authority.pem")
    assert Access().environ() == {"SSL_CERT_FILE": str(Path.cwd() / "here/authority.pem")}


def test_authorities_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/none/such.pem")
    with pytest.raises(LoadTestError, match=r"SSL_CERT_FILE=/none/such\.pem is not a file"):
        print(Access().tls_context)


def test_certificates_are_checked_unless_told_otherwise() -> None:
    assert server_access(VALUES, None).tls_context.verify_mode == ssl.CERT_REQUIRED
    assert server_access(VALUES, None).tls_context.check_hostname
    anything = server_access(VALUES | {"TLS_VERIFY": "0"}, None).tls_context
    assert (anything.verify_mode, anything.check_hostname) == (ssl.CERT_NONE, False)
