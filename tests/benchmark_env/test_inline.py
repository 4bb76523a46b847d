import threading

import pytest
from fastapi.testclient import TestClient
from openenv.core.env_server.http_server import HTTPEnvServer

from benchmark_env.server.app import build
from benchmark_env.server.benchmark_environment import BenchmarkEnvironment
from benchmark_env.server.inline import InlineExecutor
from benchmark_env.settings import Settings


def test_sessions_are_made_and_closed_by_the_thread_that_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    plain = BenchmarkEnvironment.__init__

    def noting(self: BenchmarkEnvironment) -> None:
        threads.append(threading.current_thread().name)
        plain(self)

    def close(_self: BenchmarkEnvironment) -> None:
        threads.append(threading.current_thread().name)

    monkeypatch.setattr(BenchmarkEnvironment, "__init__", noting)
    monkeypatch.setattr(BenchmarkEnvironment, "close", close)
    original = HTTPEnvServer.__init__
    app = build(Settings.from_environ({}))
    assert HTTPEnvServer.__init__ is original

    @app.get("/thread")
    async def thread() -> str:
        return threading.current_thread().name

    with TestClient(app) as client:
        serving = client.get("/thread").json()
        threads.clear()
        with client.websocket_connect("/ws") as session:
            session.send_json({"type": "reset", "data": {}})
            assert session.receive_json()["type"] == "observation"
    assert threads == [serving, serving]


def test_what_fails_inline_fails_where_it_is_waited_for() -> None:
    assert InlineExecutor().submit(pow, 2, exp=3).result() == 8
    assert isinstance(InlineExecutor().submit(int, "x").exception(), ValueError)
