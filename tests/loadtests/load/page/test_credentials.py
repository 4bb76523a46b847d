import pytest

from loadtests.errors import LoadTestError
from loadtests.load.page.credentials import credentials, taken_credentials

GIVEN = {"WEB_USER": "ada", "WEB_PASSWORD": "correct horse"}


def test_only_the_right_user_with_the_right_password_matches() -> None:
    who = credentials(GIVEN)
    assert who.match("ada", "correct horse")
    assert not who.match("ada", "wrong horse")
    assert not who.match("bob", "correct horse")
    assert not who.match("", "")
    assert not who.match("adä", "ünïcode")


def test_the_password_is_not_shown() -> None:
    assert "horse" not in repr(credentials(GIVEN))


def test_locust_finds_what_the_harness_passes_on() -> None:
    assert credentials(credentials(GIVEN).environ()) == credentials(GIVEN)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "WEB_USER and WEB_PASSWORD are not set"),
        ({"WEB_USER": "ada"}, "WEB_PASSWORD is not set"),
        ({"WEB_USER": "ada", "WEB_PASSWORD": "short"}, "at least 8 characters"),
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(LoadTestError, match=words):
        credentials(environ)


def test_servers_do_not_inherit_what_was_taken() -> None:
    environ = GIVEN | {"PATH": "/bin"}
    assert taken_credentials(environ).user == "ada"
    assert environ == {"PATH": "/bin"}
