"""Sessions that are made and closed in the event loop, not in a thread.

OpenEnv makes and closes each session in a thread, since some environments take long for it. The Benchmark
environment takes microseconds, less than handing it over: a fifth of what a short session costs.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from openenv.core.env_server.http_server import HTTPEnvServer

T = TypeVar("T")
P = ParamSpec("P")


class InlineExecutor(Executor):
    """Runs what it is given at once, where it is given."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The future is done when it is returned."""
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


@contextmanager
def sessions_made_inline() -> Iterator[None]:
    """For building applications whose environment's constructor and `close` do not wait for anything."""
    plain = HTTPEnvServer.__init__

    @wraps(plain)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        self._shared_session_executor = InlineExecutor()

    HTTPEnvServer.__init__ = init
    try:
        yield
    finally:
        HTTPEnvServer.__init__ = plain
