import collections
import http.client
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from benchmark_env.settings import Settings
from loadtests.deployments import Balancing, DeploymentConfig, nginx
from loadtests.deployments.ports import HeldPort
from loadtests.errors import LoadTestError
from tests.conftest import ROOT

POLICIES: tuple[Balancing, ...] = get_args(Balancing)


def variables(
    home: Path, balancing: Balancing = "round_robin", *, access_log: bool = False, **others: str
) -> dict[str, str]:
    config = DeploymentConfig(balancing=balancing, access_log=access_log)
    common = nginx.common_variables(
        config, name="test", access_log=str(home / "access.log"), open_files=4096, environ={}
    )
    return {
        **common,
        "NGINX_DIR": str(home),
        "NGINX_ERROR_LOG": "stderr",
        "NGINX_LISTEN": "127.0.0.1:1",
        "RESOLVER_DIRECTIVE": "",
        "UPSTREAM_SERVERS": "server 127.0.0.1:1 max_fails=0;",
        "USER_DIRECTIVE": "user root;" if os.getuid() == 0 else "",
        **others,
    }


def write_configuration(home: Path, values: dict[str, str]) -> Path:
    configuration = home / "nginx.conf"
    configuration.write_text(nginx.render(nginx.TEMPLATE.read_text(), values))
    return configuration


def test_replaces_only_names_in_capitals() -> None:
    assert nginx.render("listen ${PORT}; $host ${host}", {"PORT": "1"}) == "listen 1; $host ${host}"


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="PORT"):
        nginx.render("listen ${PORT};", {})


def test_how_many_workers_it_has_may_be_said() -> None:
    def workers(environ: dict[str, str]) -> str:
        config = DeploymentConfig()
        return nginx.common_variables(config, name="test", access_log="", open_files=1, environ=environ)[
            "NGINX_WORKERS"
        ]

    assert workers({"NGINX_WORKERS": "3"}) == "3"
    assert workers({}) == str(min(os.cpu_count() or 1, nginx.MOST_WORKERS))


def test_it_has_more_workers_where_sessions_need_more_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert [nginx.workers_for(sessions, 20_000) for sessions in (0, 16_384, 32_768)] == [2, 2, 4]
    assert nginx.workers_for(1_000_000, 1024) == nginx.MOST_WORKERS


def test_replicas_are_reached_from_several_addresses_where_the_ports_of_one_would_not_do() -> None:
    assert nginx.source_directives(nginx.sources_for(12_000)) == ""
    sources = nginx.sources_for(30_000)
    assert sources == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert "33.33% 127.0.0.2; 33.33% 127.0.0.3; * 127.0.0.4;" in nginx.source_directives(sources)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "lots"])
def test_a_variable_that_is_no_whole_number_is_named(value: str) -> None:
    with pytest.raises(LoadTestError, match=f"MAX_MESSAGE_BYTES={value} is not allowed"):
        nginx.whole_variable({"MAX_MESSAGE_BYTES": value}, "MAX_MESSAGE_BYTES", 1)


def durations(directive: str) -> list[float]:
    """In seconds, in the order in which the template has them."""
    found = re.findall(rf"\b{directive} (\d+)([smhd]);", nginx.TEMPLATE.read_text())
    return [int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit] for number, unit in found]


@pytest.mark.parametrize(
    "directive", ["proxy_read_timeout", "proxy_send_timeout", "keepalive_timeout", "worker_shutdown_timeout"]
)
def test_nothing_ends_a_session_sooner_than_its_longest_step(directive: str) -> None:
    assert durations(directive)[-1] > Settings.from_environ({}).max_wait_seconds


def test_connections_to_replicas_are_closed_by_nginx_and_not_by_the_server() -> None:
    configuration = (ROOT / "benchmark_env" / "server" / "gunicorn.conf.py").read_text()
    (servers_s,) = re.findall(r"^keepalive = (\d+)$", configuration, re.MULTILINE)
    assert durations("keepalive_timeout")[0] < int(servers_s)


def test_connections_to_replicas_are_kept_for_as_many_requests_as_there_are() -> None:
    upstream = nginx.TEMPLATE.read_text().partition("upstream replicas {")[2].partition("\n    }")[0]
    for directive, least in (("keepalive", 1000), ("keepalive_requests", 1_000_000)):
        (number,) = re.findall(rf"^ *{directive} (\d+);$", upstream, re.MULTILINE)
        assert int(number) >= least


@pytest.mark.servers
@pytest.mark.parametrize("balancing", POLICIES)
def test_every_policy_finds_replicas_by_name(tmp_path: Path, balancing: Balancing) -> None:
    values = variables(
        tmp_path,
        balancing,
        RESOLVER_DIRECTIVE="resolver 127.0.0.11 valid=1s ipv6=off;",
        UPSTREAM_SERVERS="server env:8000 resolve max_fails=0;",
    )
    command = [*nginx.command(write_configuration(tmp_path, values)), "-t"]
    check = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert check.returncode == 0, check.stderr
    assert "warn" not in check.stderr


@pytest.fixture(scope="module")
def upstreams() -> Iterator[list[str]]:
    """Three servers that answer HTTP and WebSocket."""

    statuses = {"/missing": HTTPStatus.NOT_FOUND, "/failing": HTTPStatus.INTERNAL_SERVER_ERROR}

    def answer(_connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/ws":
            return None
        status = statuses.get(request.path, HTTPStatus.OK)
        return Response(status.value, status.phrase, Headers({"Content-Length": "0", "Connection": "close"}))

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    servers = [serve(echo, "127.0.0.1", 0, process_request=answer) for _ in range(3)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"127.0.0.1:{server.socket.getsockname()[1]}" for server in servers]
    for server in servers:
        server.shutdown()


class Balancer:
    """A running nginx in front of the upstreams."""

    def __init__(
        self, home: Path, upstreams: list[str], balancing: Balancing, *, access_log: bool = False
    ) -> None:
        self.held = HeldPort(0)
        self.port = self.held.port
        values = variables(
            home,
            balancing,
            access_log=access_log,
            NGINX_LISTEN=f"127.0.0.1:{self.port}",
            UPSTREAM_SERVERS=" ".join(f"server {upstream} max_fails=0;" for upstream in upstreams),
        )
        self.log = home / "nginx.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(nginx.command(write_configuration(home, values)), stderr=log)
        for _ in range(1200):
            if nginx.answers(f"http://127.0.0.1:{self.port}", "test"):
                return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(self.log.read_text())

    def get(self, path: str = "/", *, source: str = "127.0.0.1") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=60, source_address=(source, 0)
        )
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        return response

    def http_spread(self, sources: list[str]) -> collections.Counter[str]:
        return collections.Counter(self.get(source=source).headers["X-Upstream"] for source in sources)

    def websocket_spread(self, sources: list[str]) -> collections.Counter[str]:
        spread = collections.Counter[str]()
        for source in sources:
            url = f"ws://127.0.0.1:{self.port}/ws"
            with connect(url, compression=None, open_timeout=60, source_address=(source, 0)) as connection:
                connection.send("ping")
                assert connection.recv(timeout=60) == "ping"
                assert connection.response is not None
                spread[connection.response.headers["X-Upstream"]] += 1
        return spread

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.held.release()


@pytest.fixture
def balancer(tmp_path: Path, upstreams: list[str], request: pytest.FixtureRequest) -> Iterator[Balancer]:
    balancer = Balancer(tmp_path, upstreams, getattr(request, "param", "round_robin"))
    yield balancer
    balancer.stop()


ONE_CLIENT = ["127.0.0.1"] * 100
MANY_CLIENTS = [f"127.0.{number}.1" for number in range(100)]


@pytest.mark.servers
@pytest.mark.parametrize(
    ("balancer", "sources", "least"),
    [
        ("round_robin", ONE_CLIENT, 33),
        # Connections are made one after another, so that ties are usual.
        ("least_conn", ONE_CLIENT, 20),
        ("random", ONE_CLIENT, 8),
        ("ip_hash", MANY_CLIENTS, 12),
    ],
    indirect=["balancer"],
)
def test_spreads_connections(
    balancer: Balancer, upstreams: list[str], sources: list[str], least: int
) -> None:
    for spread in (balancer.http_spread(sources), balancer.websocket_spread(sources)):
        assert set(spread) == set(upstreams)
        assert min(spread.values()) >= least
        assert sum(spread.values()) == 100


@pytest.mark.servers
@pytest.mark.parametrize("balancer", ["ip_hash"], indirect=True)
def test_ip_hash_sends_one_client_to_one_replica(balancer: Balancer) -> None:
    assert len(balancer.http_spread(ONE_CLIENT[:30]) + balancer.websocket_spread(ONE_CLIENT[:30])) == 1


@pytest.mark.servers
def test_errors_say_which_upstream_answered(balancer: Balancer, upstreams: list[str]) -> None:
    response = balancer.get("/missing")
    assert response.status == 404
    assert response.headers["X-Upstream"] in upstreams


@pytest.mark.servers
def test_a_request_that_failed_is_not_sent_to_another_replica(
    balancer: Balancer, upstreams: list[str]
) -> None:
    response = balancer.get("/failing")
    assert response.status == 500
    assert response.headers["X-Upstream"] in upstreams


@pytest.mark.servers
def test_a_client_may_send_any_number_of_requests_over_one_connection(balancer: Balancer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", balancer.port, timeout=60)
    try:
        for _ in range(1100):
            connection.request("GET", nginx.HEALTH_PATH)
            response = connection.getresponse()
            response.read()
            assert response.getheader("Connection") == "keep-alive"
    finally:
        connection.close()
    assert response.headers["Server"] == "nginx"


@pytest.mark.servers
@pytest.mark.parametrize(("surplus", "status"), [(0, 200), (1, 413)])
def test_a_body_may_be_as_long_as_a_message_and_no_longer(
    balancer: Balancer, surplus: int, status: int
) -> None:
    length = nginx.DEFAULT_MAX_MESSAGE_BYTES + surplus
    connection = http.client.HTTPConnection("127.0.0.1", balancer.port, timeout=60)
    try:
        # What says its own answer reads no body.
        connection.putrequest("POST", nginx.HEALTH_PATH)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        if status == 200:
            connection.send(bytes(length))
        assert connection.getresponse().status == status
    finally:
        connection.close()


@pytest.mark.servers
@pytest.mark.parametrize("access_log", [False, True])
def test_writes_an_access_log_only_where_asked(
    tmp_path: Path, upstreams: list[str], access_log: bool
) -> None:
    balancer = Balancer(tmp_path, upstreams, "round_robin", access_log=access_log)
    upstream = balancer.get("/asked").headers["X-Upstream"]
    balancer.stop()
    log = tmp_path / "access.log"
    assert log.exists() == access_log
    if access_log:
        (line,) = [line for line in log.read_text().splitlines() if "/asked" in line]
        assert f"upstream={upstream}" in line
    assert balancer.log.read_text() == ""
