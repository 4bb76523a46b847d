import os
import socket
import subprocess
import sys

import pytest

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
    print(len(set(sources)), *sorted({address for address, _ in sources}))
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
            timeout=30,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if "unshare" in done.stderr or "ip:" in done.stderr:
        pytest.skip(f"no network of one's own may be made here: {done.stderr.strip()}")
    assert done.stdout.split() == ["50", "127.0.0.1", "127.0.0.2", "127.0.0.3"], done.stderr
