import os
import socket
from pathlib import Path

import pytest

from loadtests.deployments.ports import (
    REPLICA_PORTS,
    check_free,
    hold_balancer_port,
    hold_replica_ports,
    release,
    to_one_server,
)
from loadtests.deployments.registry import Record, Registry
from loadtests.errors import LoadTestError


def listener(port: int = 0, *, options: tuple[int, ...] = ()) -> socket.socket:
    server = socket.socket()
    for option in options:
        server.setsockopt(socket.SOL_SOCKET, option, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_names_the_process_that_has_the_port(registry: Registry) -> None:
    with listener() as server:
        port = server.getsockname()[1]
        with pytest.raises(
            LoadTestError, match=rf"^port {port} is taken by .+ \(pid {os.getpid()}\): choose"
        ):
            hold_balancer_port(port, registry)


def test_names_the_deployment_that_was_left_running(registry: Registry) -> None:
    with listener() as server:
        port = server.getsockname()[1]
        registry.create(
            Record(
                "up-1", "local", "up", None, left_running=True, url=f"http://127.0.0.1:{port}", ports=[port]
            )
        )
        with pytest.raises(LoadTestError, match=rf"TARGET=http://127.0.0.1:{port}, or `make down` first"):
            hold_balancer_port(port, registry)


def test_port_0_gives_a_free_one(registry: Registry) -> None:
    held = hold_balancer_port(0, registry)
    assert held.port > 0
    held.release()


@pytest.mark.parametrize("option", [socket.SO_REUSEADDR, socket.SO_REUSEPORT])
def test_a_server_can_listen_on_a_held_port(registry: Registry, option: int) -> None:
    held = hold_balancer_port(0, registry)
    with listener(held.port, options=(socket.SO_REUSEADDR, option)):
        socket.create_connection(("127.0.0.1", held.port)).close()
    held.release()


def test_a_port_of_lately_closed_connections_can_be_held(registry: Registry) -> None:
    with listener(options=(socket.SO_REUSEADDR,)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
    # Who closes first keeps the port for a minute.
    accepted.close()
    client.close()
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))
    hold_balancer_port(port, registry).release()


def test_two_deployments_get_different_replica_ports() -> None:
    first = hold_replica_ports(3)
    second = hold_replica_ports(3)
    ports = {held.port for held in first + second}
    release(first + second)
    assert len(ports) == 6
    assert ports <= set(REPLICA_PORTS)


def test_check_free_names_the_setting() -> None:
    with listener() as server:
        port = server.getsockname()[1]
        with pytest.raises(LoadTestError, match=f"WEB_PORT={port}: the port is taken by"):
            check_free(port, "WEB_PORT")
    check_free(port, "WEB_PORT")


def test_one_address_has_as_many_ports_to_one_server_as_the_system_hands_out() -> None:
    if not (file := Path("/proc/sys/net/ipv4/ip_local_port_range")).exists():
        pytest.skip("not Linux")
    first, last = map(int, file.read_text().split())
    with listener() as server, socket.create_connection(server.getsockname()) as client:
        assert first <= client.getsockname()[1] <= last
    assert to_one_server() == last + 1 - first
