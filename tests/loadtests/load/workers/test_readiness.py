"""For how many workers Locust waits, and which of them are there, as their master knows them."""

import json
from typing import Any

from tests.loadtests.locust_python import locust_python

WAIT = """
import json
from argparse import Namespace
from types import SimpleNamespace
from locust.env import Environment
from locust.runners import WorkerNode
from loadtests.deployments.ports import LOOPBACK, free_port
from loadtests.clock import now
from loadtests.load.workers.generators import Generators
from loadtests.load.workers.introduction import introduction

options = Namespace(headless=True, expect_workers=2)
environment = Environment(parsed_options=options)
runner = environment.create_master_runner(LOOPBACK, free_port())
sent = []
runner.send_message = lambda kind, data=None, client_id=None: sent.append([kind, client_id])
generators = Generators(environment)
generators._call = lambda worker: None


def connect(worker):
    runner.clients[worker] = WorkerNode(worker)
    environment.events.worker_connect.fire(client_id=worker)


def greet(worker, **changes):
    generators._greet(SimpleNamespace(node_id=worker, data=introduction() | changes))


def answer(worker, times):
    said = {"users": 0, "usage": {"lag_s": None}, "asked_at": now(), "received_at": now(), "at": now()}
    for _ in range(times):
        generators._hear(SimpleNamespace(node_id=worker, data=said))


found = {"waits_for": []}
look = lambda: found["waits_for"].append(options.expect_workers)
look()
connect("one")
look()
greet("one")
look()
answer("one", 7)
look()
answer("one", 1)
look()
connect("two")
greet("two", name="elsewhere:2")
answer("two", 8)
look()
connect("old")
look()
greet("old", name="elsewhere:3", locust="0", code="0")
look()
found["refused"] = len(generators.refused)
found["connected"] = sorted(runner.clients)
found["sent"] = sent
found["present"] = len(generators.present)
generators.known["two"].heard_at -= 3600
found["heard_lately"] = len(generators.present)
del runner.clients["one"]
found["still_connected"] = len(generators.present)
print(json.dumps(found))
"""
"""Two workers are expected that come one after the other, and a third that runs other code."""


def test_a_worker_is_ready_once_its_clock_is_known_and_one_that_is_refused_is_dismissed() -> None:
    done = locust_python("-c", WAIT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    # Locust counts all that are connected: each that is not ready is one more to wait for.
    assert found["waits_for"] == [2, 3, 3, 3, 2, 2, 3, 2]
    assert found["refused"] == 1
    assert found["connected"] == ["one", "two"]
    assert found["sent"] == [["openenv-refused", "old"], ["quit", "old"]]
    assert (found["present"], found["heard_lately"], found["still_connected"]) == (2, 1, 0)
