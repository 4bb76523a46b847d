import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loadtests.deployments.url import UrlDeployment, base_url
from loadtests.errors import LoadTestError
from loadtests.protocol.access import Access
from tests.loadtests.json_server import Reply, Request, json_servers

OPENENV = {
    "/health": (200, {"status": "healthy"}),
    "/schema": (200, {"action": {}, "observation": {}, "state": {}}),
    "/metadata": (200, {"name": "echo_env", "version": "1.2"}),
}
Serve = Callable[[dict[str, tuple[int, Any]]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives these replies, and 404 elsewhere; 401 to who is not `wanted`."""
    with json_servers() as start:

        def start_server(replies: dict[str, tuple[int, Any]]) -> str:
            def answer(request: Request) -> Reply:
                status, body = replies.get(request.path, (404, {"detail": "Not Found"}))
                _, wanted = replies.get("wanted", (0, None))
                if wanted and request.headers["Authorization"] != wanted:
                    return Reply(401, {})
                return Reply(status, body, {"Location": body["location"]} if 300 <= status < 400 else {})

            return start(answer)

        yield start_server


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("ws://127.0.0.1:8000/ws", "http://127.0.0.1:8000"),
        ("wss://example.org/envs/echo/ws", "https://example.org/envs/echo"),
        ("https://example.org/envs/echo/", "https://example.org/envs/echo"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_takes_the_forms_in_which_people_write_a_url(written: str, url: str) -> None:
    assert base_url(written) == url


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "starts with http://"),
        ("127.0.0.1:8000", "starts with http://"),
        ("ftp://127.0.0.1", "starts with http://"),
        ("http://", "is not a URL"),
        ("http://127.0.0.1:99999", "is not a URL"),
        ("http://127.0.0.1:port", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://a b/", "is not a URL"),
    ],
)
def test_says_what_is_wrong_with_a_url(written: str, problem: str) -> None:
    with pytest.raises(LoadTestError, match=problem) as error:
        base_url(written)
    assert f"TARGET={written}" in str(error.value)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("http://me:secret@127.0.0.1:8000", "-H has a user or password in it"),
        ("http://127.0.0.1:8000/?token=secret", r"-H=http://127\.0\.0\.1:8000/…: a URL without \? and #"),
    ],
)
def test_does_not_repeat_what_may_be_a_secret(written: str, problem: str) -> None:
    with pytest.raises(LoadTestError, match=problem) as error:
        base_url(written, "-H")
    assert "secret" not in str(error.value)


def test_an_openenv_server_is_up(serve: Serve) -> None:
    deployment = UrlDeployment(serve(OPENENV))
    deployment.up()
    assert deployment.versions() == {"environment": "echo_env 1.2"}
    assert deployment.topology() == {"replicas": None, "workers": None, "hosts": [], "names": {}}
    assert (deployment.hosts(), deployment.resources(), deployment.most_sessions()) == ([], [], None)
    deployment.down()
    deployment.up()


def test_an_openenv_server_may_lie_under_a_path(serve: Serve) -> None:
    url = serve({"/envs/echo" + path: reply for path, reply in OPENENV.items()})
    UrlDeployment(url + "/envs/echo/").up()
    with pytest.raises(LoadTestError, match="GET /health gave 404"):
        UrlDeployment(url).up()


def test_an_older_server_is_known_by_its_routes(serve: Serve) -> None:
    openapi: dict[str, Any] = {"paths": {"/reset": {}, "/step": {}, "/health": {}}}
    UrlDeployment(serve({"/health": OPENENV["/health"], "/openapi.json": (200, openapi)})).up()


@pytest.mark.parametrize(
    ("replies", "found"),
    [
        ({}, "GET /health gave 404"),
        ({"/health": (500, {})}, "GET /health gave 500"),
        ({"/health": (200, "ok")}, "GET /schema gave 404"),
        ({"/health": (200, "ok"), "/schema": (200, [])}, "GET /schema gave something else"),
        ({"/health": (200, "ok"), "/openapi.json": (200, {"paths": {"/": {}}})}, "GET /schema gave 404"),
    ],
)
def test_says_what_is_no_openenv_server(
    serve: Serve, replies: dict[str, tuple[int, Any]], found: str
) -> None:
    url = serve(replies)
    with pytest.raises(LoadTestError, match=f"^{url} answers, but not as an OpenEnv server \\({found}\\)"):
        UrlDeployment(url).up()


def test_says_when_it_is_not_let_in_and_what_to_give(serve: Serve) -> None:
    url = serve({"/health": (401, {})})
    with pytest.raises(LoadTestError, match=r"\(GET /health gave 401\): give HEADERS='"):
        UrlDeployment(url).up()
    with pytest.raises(LoadTestError, match="it does not accept the HEADERS that were given") as error:
        UrlDeployment(url, Access(headers={"Authorization": "Bearer not-to-be-told"})).up()
    assert "not-to-be-told" not in str(error.value)


def test_asks_with_the_headers(serve: Serve) -> None:
    url = serve(OPENENV | {"wanted": (200, "Bearer sesame")})
    UrlDeployment(url, Access(headers={"Authorization": "Bearer sesame"})).up()
    with pytest.raises(LoadTestError, match="does not let us in"):
        UrlDeployment(url).up()


def test_a_redirect_is_told_and_not_followed(serve: Serve) -> None:
    there = serve(OPENENV)
    with pytest.raises(LoadTestError, match=f"redirects to {there}/health: give that URL"):
        UrlDeployment(serve({"/health": (307, {"location": f"{there}/health"})})).up()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, True), (503, False)])
def test_knows_whether_the_server_still_answers(serve: Serve, status: int, answers: bool) -> None:
    assert UrlDeployment(serve({"/health": (status, {})})).answers() is answers


def test_a_server_that_is_gone_answers_no_more() -> None:
    assert UrlDeployment("http://127.0.0.1:9").answers() is False


def test_says_when_nothing_answers() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(LoadTestError, match=f"^nothing answers at {url} \\(connection refused\\)"):
            UrlDeployment(url).up()


def test_says_when_what_answers_is_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(LoadTestError, match="does not speak HTTP"):
            UrlDeployment(f"http://127.0.0.1:{server.getsockname()[1]}").up()
