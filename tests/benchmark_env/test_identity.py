import os
import re
import socket
from contextvars import copy_context
from multiprocessing import get_context
from multiprocessing.queues import Queue

import pytest

from benchmark_env.server import identity

from .conftest import PATIENCE


def hash_of_stateless_request() -> str:
    def request() -> str:
        identity.answering_stateless_request.set(True)
        return identity.new_session_hash()

    return copy_context().run(request)


def test_a_session_hash_is_16_hex_digits_and_unique() -> None:
    hashes = {identity.new_session_hash() for _ in range(100)}

    assert len(hashes) == 100
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in hashes)


def test_stateless_requests_share_their_process_hash() -> None:
    assert hash_of_stateless_request() == hash_of_stateless_request()
    assert hash_of_stateless_request() != identity.new_session_hash()


def report_identity(queue: "Queue[tuple[int, str, bytes]]") -> None:
    queue.put((os.getpid(), hash_of_stateless_request(), identity.served_by()))


def test_a_forked_worker_has_an_identity_of_its_own() -> None:
    before = hash_of_stateless_request(), identity.served_by()
    fork = get_context("fork")
    queue: Queue[tuple[int, str, bytes]] = fork.Queue()
    child = fork.Process(target=report_identity, args=(queue,))
    child.start()
    pid, its_hash, its_header = queue.get(timeout=PATIENCE)
    child.join(PATIENCE)

    assert its_hash != before[0]
    assert its_header.endswith(f";pid={pid}".encode())
    assert before[1].endswith(f";pid={os.getpid()}".encode())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:18001"),
        ("::1", "http://[::1]:18001"),
        ("0.0.0.0", f"http://{socket.gethostname()}:18001"),
        ("::", f"http://{socket.gethostname()}:18001"),
    ],
)
def test_an_url_names_the_machine_where_every_interface_is_bound(host: str, url: str) -> None:
    assert identity.url_of(host, 18001) == url


def test_a_host_url_that_is_set_wins_over_the_bound_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_URL", "http://balancer.example")
    identity.note_address("127.0.0.1", 18001)

    assert identity.host_url() == "http://balancer.example"
    assert identity.served_by() == f"balancer.example;pid={os.getpid()}".encode()

    monkeypatch.setenv("HOST_URL", "")
    identity.note_address("127.0.0.1", 18001)

    assert identity.host_url() == "http://127.0.0.1:18001"
