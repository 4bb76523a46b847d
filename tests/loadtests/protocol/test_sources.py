import os
import socket
import subprocess
import sys

import pytest

from loadtests.protocol import sources
from loadtests.protocol.sources import begin_to_connect

IN_A_NETWORK_OF_ITS_OWN = ["unshare", "--map-root-user", "--net", "sh", "-ec"]
WITH_TWENTY_PORTS = """
ip link set lo up
echo 40000 40019 > /proc/sys/net/ipv4/ip_local_port_range
exec "$@"
"""
CONNECTIONS = """
import socket, sys
from loadtests.protocol.sources import begin_to_connect
with socket.create_server(("127.0.0.1", 9)) as listener:
    open = [begin_to_connect("127.0.0.1", 9) for _ in range(50)]
    sources = [listener.accept()[1] for _ in open]
    print(len(set(sources)), *(address for address, _ in sources[::20]))
"""


def test_it_connects_to_an_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = begin_to_connect(*listener.getsockname()[:2])
        accepted, (source, _) = listener.accept()
        assert source == "127.0.0.1"
        accepted.close()
        connection.close()


def test_what_cannot_be_reached_is_told() -> None:
    with pytest.raises(OSError, match=r"unreachable|denied"):
        begin_to_connect("255.255.255.255", 9)


def test_another_address_is_taken_where_ports_are_used_up() -> None:
    try:
        done = subprocess.run(
            [*IN_A_NETWORK_OF_ITS_OWN, WITH_TWENTY_PORTS, "sh", sys.executable, "-c", CONNECTIONS],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if "unshare" in done.stderr or "ip:" in done.stderr:
        pytest.skip(f"no network of one's own may be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    count, first, second, third = done.stdout.split()
    assert count == "50"
    assert first == "127.0.0.1"
    assert len({first, second, third}) == 3


def test_no_address_has_more_than_some_thousand_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_CONNECTIONS_EACH", 3)
    monkeypatch.setattr(sources, "_SOURCES", sources._Sources())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        came_from = []
        for _ in range(9):
            connection = begin_to_connect(*listener.getsockname()[:2])
            accepted, (source, _) = listener.accept()
            came_from.append(source)
            accepted.close()
            connection.close()
    assert came_from[:3] == ["127.0.0.1"] * 3
    assert {came_from.count(source) for source in came_from} == {3}
