import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from urllib.parse import quote

import pytest

PROGRAM = """
import json, sys
from loadtests.hidden import MASK, hide, without_secrets
headers, text, limits = json.load(sys.stdin)
assert without_secrets(text) == text
hide(headers)
print(json.dumps([without_secrets(text, limit).replace(MASK, "*") for limit in limits]))
"""
TOKEN = 'ab"cd/ef+gh<ij>kl&mn=0123456789'


def shown_within(limits: Sequence[int | None], text: str, **headers: str) -> list[str]:
    """What is left of a text; in a process of its own, for what is hidden stays hidden."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([headers or {"Authorization": f"Bearer {TOKEN}"}, text, list(limits)]),
        capture_output=True,
        text=True,
        check=True,
    )
    left: list[str] = json.loads(done.stdout)
    return left


def shown(text: str, **headers: str) -> str:
    return shown_within([None], text, **headers)[0]


def test_a_header_s_value_is_masked_with_its_scheme_or_without() -> None:
    assert shown(f"no: Bearer {TOKEN}, Token {TOKEN}.") == "no: Bearer *, Token *."


@pytest.mark.parametrize(
    "form",
    [
        json.dumps(TOKEN)[1:-1],
        quote(TOKEN, safe=""),
        base64.b64encode(f"Bearer {TOKEN}".encode()).decode(),
        base64.urlsafe_b64encode(f"x{TOKEN}".encode()).decode(),
    ],
)
def test_it_is_masked_as_servers_may_encode_it(form: str) -> None:
    left = shown(form)
    assert "*" in left
    assert "ij" not in left.lower()
    assert len(left.replace("*", "")) <= 20


def test_a_part_of_it_is_masked_wherever_the_server_or_we_cut_it() -> None:
    assert shown(f"it began with {TOKEN[:12]}…") == "it began with *…"
    assert shown(f"it ended with …{TOKEN[-12:]}") == "it ended with …*"
    for left in shown_within(range(30), "........." + TOKEN):
        assert not set(left) - {".", "*"}


def test_words_that_any_text_may_hold_are_left_alone() -> None:
    cookie = "session=q1w2e3r4t5; theme=dark"
    text = "the session of theme dark at Bearer q1w2e3r4t5 is gone"
    assert shown(text, Cookie=cookie, Env="prod") == text.replace("q1w2e3r4t5", "*")


def test_a_password_is_masked_where_only_its_encoded_form_was_sent() -> None:
    credentials = base64.b64encode(b"bob:opensesame").decode()
    assert shown("opensesame is wrong for bob", Authorization=f"Basic {credentials}") == (
        "* is wrong for bob"
    )


def test_a_short_one_is_masked_as_a_whole() -> None:
    assert shown("1a2b3c, 1a2b3", Token="1a2b3c") == "*, 1a2b3"
