"""A small HTTP server that answers as a test likes."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    headers: Message
    body: Any
    """The JSON of a POST; None of a GET."""


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Answering = Callable[[Request], Reply]
Start = Callable[[Answering], str]


@contextmanager
def json_server(answer: Answering) -> Iterator[str]:
    """A server on 127.0.0.1; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(None)

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body: Any) -> None:
            reply = answer(Request(self.path, self.headers, body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(reply.body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def json_servers() -> Iterator[Start]:
    """Starts servers that all end with the context."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(json_server(answer))
