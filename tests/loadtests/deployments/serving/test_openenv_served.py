import asyncio
import os
from collections.abc import MutableMapping
from typing import Any

import pytest

from loadtests.deployments.serving.openenv_served import Message, Receive, Send, Signed

SIGNATURE = (b"x-served-by", f"127.0.0.1:18001;pid={os.getpid()}".encode())


def sent_by(scope_type: str, *messages: Message) -> list[Message]:
    """What leaves the server when an application sends these messages."""

    async def app(_scope: MutableMapping[str, Any], _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async def nothing() -> Message:
        return {}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Signed(app, "127.0.0.1:18001")({"type": scope_type}, nothing, send))
    return sent


@pytest.mark.parametrize(
    ("scope_type", "message_type"),
    [
        ("http", "http.response.start"),
        ("websocket", "websocket.accept"),
        ("websocket", "websocket.http.response.start"),
    ],
)
def test_the_beginning_of_a_reply_says_who_sends_it(scope_type: str, message_type: str) -> None:
    [sent] = sent_by(scope_type, {"type": message_type, "headers": [(b"a", b"b")]})
    assert sent["headers"] == [(b"a", b"b"), SIGNATURE]
    [sent] = sent_by(scope_type, {"type": message_type})
    assert sent["headers"] == [SIGNATURE]


def test_all_else_stays_as_it_is() -> None:
    body: Message = {"type": "http.response.body", "body": b"x"}
    frame: Message = {"type": "websocket.send", "text": "x"}
    assert sent_by("http", body) == [body]
    assert sent_by("websocket", frame) == [frame]
    started: Message = {"type": "lifespan.startup.complete"}
    assert sent_by("lifespan", started) == [started]
