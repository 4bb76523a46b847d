"""Whatever arrives over WebSocket is answered, or ends its own session with the right code, and no other."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.bystander import Bystander
from tests.fuzz.conftest import Target
from tests.fuzz.effort import effort
from tests.fuzz.inputs import Input, fatal, harmless
from tests.fuzz.wire import TEXT, Wire, frame

pytestmark = pytest.mark.servers

PLACES = ("server", "nginx")
STATE = frame(TEXT, b'{"type": "state"}')


def expect_answers(wire: Wire, inputs: list[Input]) -> None:
    """Sends all at once. Each is answered, in its turn, and the session goes on."""
    wire.send(b"".join(each.data for each in inputs) + STATE)
    due = Counter(pong for each in inputs for pong in each.pongs)
    for _ in range(sum(each.replies for each in inputs)):
        assert wire.reply(due)["type"] in ("error", "observation", "state", "mcp")
    assert wire.reply(due)["type"] == "state"
    assert due.total() == 0


@pytest.mark.parametrize("place", PLACES)
def test_bad_messages_are_answered_and_the_session_goes_on(
    place: str, target: Target, bystander: Bystander, tell: list[str]
) -> None:
    tried = Counter[str]()

    @effort()
    @given(st.lists(harmless, min_size=1, max_size=4))
    def attempt(inputs: list[Input]) -> None:
        with Wire(target.ports[place]) as wire:
            expect_answers(wire.open(), inputs)
        bystander.step()
        target.check_logs()
        tried.update(each.kind for each in inputs)

    attempt()
    tell.append(f"{tried.total()} messages over WebSocket to the {place}, all answered: {shares(tried)}")


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_answered_closes_the_session_with_the_right_code(
    place: str, target: Target, bystander: Bystander, tell: list[str]
) -> None:
    tried = Counter[str]()

    @effort()
    @given(st.none() | harmless, fatal)
    def attempt(first: Input | None, last: Input) -> None:
        with Wire(target.ports[place]) as wire:
            wire.open()
            if first:
                expect_answers(wire, [first])
            wire.send(last.data)
            assert wire.close_code() in last.codes
        bystander.step()
        target.check_logs()
        tried[last.kind] += 1

    attempt()
    tell.append(f"{tried.total()} sessions over WebSocket to the {place}, all closed: {shares(tried)}")


@pytest.mark.parametrize("place", PLACES)
def test_bytes_that_are_no_frames_end_with_their_connection(
    place: str, target: Target, bystander: Bystander, tell: list[str]
) -> None:
    tried = 0

    @effort(0.5)
    @given(st.lists(st.binary(max_size=300), max_size=3))
    def attempt(pieces: list[bytes]) -> None:
        nonlocal tried
        with Wire(target.ports[place]) as wire:
            wire.open()
            for piece in pieces:
                wire.send(piece)
            wire.end()
            wire.read_to_the_end()
        bystander.step()
        target.check_logs()
        tried += 1

    attempt()
    tell.append(f"{tried} sessions over WebSocket to the {place} sent bytes that are no frames")


def shares(tried: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in tried.most_common())
