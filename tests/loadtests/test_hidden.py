import subprocess
import sys

PROGRAM = """
from loadtests.hidden import MASK, hide, without_secrets
assert without_secrets("Bearer abc.def-123") == "Bearer abc.def-123"
hide(["Bearer abc.def-123", "session=q1w2e3r4; path=/", "prod"])
print(without_secrets({text!r}).replace(MASK, "*"))
"""


def shown(text: str) -> str:
    """What is left of a text; in a process of its own, for what is hidden stays hidden."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(text=text)], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip("\n")


def test_a_header_s_value_is_masked_and_so_are_the_words_in_it() -> None:
    assert shown("no: Bearer abc.def-123, Token abc.def-123, q1w2e3r4") == "no: *, Token *, *"


def test_words_that_any_text_may_hold_are_left_alone() -> None:
    assert shown("Bearer of prod at /path") == "Bearer of prod at /path"
