"""The event loop that runs all clients in a thread of its own, and the replies that come from it.

With its connection there, one client serves synchronous code, threads, asynchronous code and notebooks alike,
and answers the server's pings even while the code that uses it is busy.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _background_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process, started when first asked for."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="benchmark-env-clients", daemon=True).start()
        return _loop


def _start_afresh() -> None:
    global _lock, _loop
    _lock, _loop = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    # A forked child has the loop but not the thread that runs it.
    os.register_at_fork(after_in_child=_start_afresh)


class Reply(Coroutine[Any, Any, T], Generic[T]):
    """A result on its way: await it, or use it as if it were the result, which blocks until it is there.

    The operation runs in either case, even if nobody asks for the result; an error that nobody can get any
    more is then logged, as asyncio does.
    """

    def __init__(self, future: "Future[T]") -> None:
        self._asked_for = False
        self._future = future
        self._awaiting: Coroutine[Any, Any, T] | None = None

    def __del__(self) -> None:
        if not self._asked_for:
            self._future.add_done_callback(_report_error)

    async def _arrival(self) -> T:
        self._asked_for = True
        return await asyncio.wrap_future(self._future)

    def __await__(self) -> Generator[Any, None, T]:
        return self._arrival().__await__()

    def _coroutine(self) -> Coroutine[Any, Any, T]:
        if self._awaiting is None:
            self._awaiting = self._arrival()
        return self._awaiting

    def send(self, value: Any) -> Any:
        return self._coroutine().send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine().throw(*error)

    def close(self) -> None:
        if self._awaiting is not None:
            self._awaiting.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.result(), name)

    def __repr__(self) -> str:
        return repr(self.result()) if self._future.done() else f"<{type(self).__name__} on its way>"

    def result(self) -> T:
        """Wait for it, blocking the calling thread."""
        self._asked_for = True
        return wait_for(self._future)


def _report_error(future: "Future[Any]") -> None:
    if not future.cancelled() and (error := future.exception()):
        _background_loop().call_exception_handler(
            {"message": "An operation failed, and nobody awaited it", "exception": error}
        )


def carry_out(work: Callable[[], Coroutine[Any, Any, T]], reply: type[Reply[T]] = Reply) -> Any:
    """Do `work` on the background loop.

    Returns its result; a `reply` where an event loop runs in the calling thread; and the coroutine where that
    is the background loop itself.
    """
    loop = _background_loop()
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return block(work)
    if running is loop:
        return work()
    return reply(asyncio.run_coroutine_threadsafe(work(), loop))


def block(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do `work` on the background loop, and block the calling thread until it is done."""
    return wait_for(asyncio.run_coroutine_threadsafe(work(), _background_loop()))


def wait_for(future: "Future[T]") -> T:
    """The result, once it is there. Interrupting the wait cancels the work."""
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a thread that never keeps the interpreter from exiting, and return its result."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="benchmark-env-blocking", daemon=True).start()
    return await asyncio.wrap_future(future)
