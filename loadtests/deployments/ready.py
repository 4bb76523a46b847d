"""Whether a replica is ready: each of its workers listens, and it answers.

Needs only the standard library: inside a container it runs as `python3 -c … PORT LISTENERS SECONDS`.
"""

import http.client
import sys
import time
from pathlib import Path

LISTEN = "0A"


def patience_s(replicas: int) -> float:
    """How many seconds a deployment has to get ready: a small machine starts replicas one after another."""
    return 60.0 + 10.0 * replicas


def listening_sockets(port: int) -> int:
    """How many sockets listen on this port."""
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            count += fields[3] == LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port
    return count


def is_ready(port: int, listeners: int, answer_s: float = 2.0) -> bool:
    """Whether at least `listeners` sockets listen on the port, and GET /health there gives 200 in time."""
    if listening_sockets(port) < listeners:
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=answer_s)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """Wait until the replica is ready; exit code 1 if that takes too long."""
    port, listeners, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    give_up = time.monotonic() + seconds
    while not is_ready(port, listeners):
        if time.monotonic() > give_up:
            sys.exit(1)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
