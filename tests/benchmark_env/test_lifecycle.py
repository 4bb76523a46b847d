import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Scope, Send

from benchmark_env.server.lifecycle import Lifecycle, LifecycleMiddleware

from .conftest import PATIENCE

SCOPE: Scope = {"type": "websocket", "path": "/ws", "server": ("127.0.0.1", 8000), "extensions": {}}
STEP: Message = {"type": "websocket.receive", "text": "{}"}
REPLY: Message = {"type": "websocket.send", "text": "reply"}


class Peer:
    """The server's side of one connection: what the client sends, and what it got."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.gone = False

    async def receive(self) -> Message:
        return await self.inbox.get()

    async def send(self, message: Message) -> None:
        if self.gone:
            raise ConnectionResetError
        self.sent.append(message)

    @property
    def close_codes(self) -> list[int]:
        return [message["code"] for message in self.sent if message["type"] == "websocket.close"]


class Application:
    """Answers each message when `finish` is set, until the client disconnects."""

    def __init__(self) -> None:
        self.finish = asyncio.Event()
        self.received: list[Message] = []

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        while True:
            self.received.append(await receive())
            if self.received[-1]["type"] == "websocket.disconnect":
                return
            await self.finish.wait()
            await send(REPLY)


Scenario = Callable[[Lifecycle, Peer, Application], Awaitable[None]]


def play(scenario: Scenario, *, idle_timeout: float = 0.0) -> None:
    async def connection() -> None:
        lifecycle, peer, application = Lifecycle(), Peer(), Application()
        middleware = LifecycleMiddleware(application, lifecycle=lifecycle, idle_timeout=idle_timeout)
        served = asyncio.create_task(middleware(SCOPE, peer.receive, peer.send))
        await scenario(lifecycle, peer, application)
        peer.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        application.finish.set()
        await served
        assert lifecycle.in_flight == 0
        assert not lifecycle.connections

    asyncio.run(asyncio.wait_for(connection(), PATIENCE))


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_message_is_in_flight_until_it_is_answered() -> None:
    async def scenario(lifecycle: Lifecycle, peer: Peer, application: Application) -> None:
        peer.inbox.put_nowait(STEP)
        await settled()
        assert lifecycle.in_flight == 1
        application.finish.set()
        await settled()
        assert lifecycle.in_flight == 0
        assert peer.sent[-1] == REPLY

    play(scenario)


def test_draining_closes_an_idle_connection_at_once() -> None:
    async def scenario(lifecycle: Lifecycle, peer: Peer, application: Application) -> None:
        await settled()
        await lifecycle.drain()
        assert peer.close_codes == [1012]
        peer.inbox.put_nowait(STEP)
        await settled()
        assert [message["type"] for message in application.received] == ["websocket.disconnect"]

    play(scenario)


def test_draining_lets_a_step_in_flight_be_answered_first() -> None:
    async def scenario(lifecycle: Lifecycle, peer: Peer, application: Application) -> None:
        peer.inbox.put_nowait(STEP)
        await settled()
        await lifecycle.drain()
        assert lifecycle.in_flight == 1
        assert peer.close_codes == []
        application.finish.set()
        await settled()
        assert [message["type"] for message in peer.sent[1:]] == ["websocket.send", "websocket.close"]
        assert lifecycle.in_flight == 0

    play(scenario)


def test_an_idle_session_is_closed() -> None:
    async def scenario(_: Lifecycle, peer: Peer, __: Application) -> None:
        while not peer.close_codes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert peer.close_codes == [1001]

    play(scenario, idle_timeout=0.05)


def test_a_session_with_a_step_in_flight_is_not_idle() -> None:
    async def scenario(_: Lifecycle, peer: Peer, application: Application) -> None:
        peer.inbox.put_nowait(STEP)
        await asyncio.sleep(0.3)
        assert peer.close_codes == []
        application.finish.set()
        await settled()
        assert REPLY in peer.sent

    play(scenario, idle_timeout=0.1)


def test_a_client_that_left_in_mid_step_is_no_error() -> None:
    async def scenario(lifecycle: Lifecycle, peer: Peer, application: Application) -> None:
        peer.inbox.put_nowait(STEP)
        await settled()
        peer.gone = True
        application.finish.set()
        await settled()
        assert lifecycle.in_flight == 0

    play(scenario)


def test_a_message_that_openenv_would_not_survive_is_answered_here() -> None:
    async def scenario(_: Lifecycle, peer: Peer, application: Application) -> None:
        peer.inbox.put_nowait({"type": "websocket.receive", "text": "[1]"})
        await settled()
        assert "VALIDATION_ERROR" in peer.sent[-1]["text"]
        assert application.received == []

    play(scenario)


def test_a_connection_that_comes_while_draining_is_refused() -> None:
    async def connection() -> Peer:
        lifecycle, peer = Lifecycle(), Peer()
        await lifecycle.drain()
        peer.inbox.put_nowait({"type": "websocket.connect"})
        scope = {**SCOPE, "extensions": {"websocket.http.response": {}}}
        await LifecycleMiddleware(Application(), lifecycle=lifecycle)(scope, peer.receive, peer.send)
        return peer

    assert asyncio.run(connection()).sent[0]["status"] == 503
