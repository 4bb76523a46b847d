import json

import pytest

from loadtests.load.workers.usage import Rates
from tests.loadtests.locust_python import locust_python

USES = """
import json, os, time
from dataclasses import asdict
import psutil
from loadtests.load.workers.usage import usage_of
from loadtests.machine import process_name

before = usage_of(psutil.Process())
until = time.process_time() + 0.2
while time.process_time() < until:
    pass
with open(os.devnull) as _, open(os.devnull) as _other:
    after = usage_of(psutil.Process())
print(json.dumps([process_name(), asdict(before), asdict(after)]))
"""
"""A process that nothing else goes on in."""


def test_a_process_uses_what_it_does() -> None:
    done = locust_python("-c", USES)
    assert done.returncode == 0, done.stderr
    name, before, after = json.loads(done.stdout)
    assert (after["role"], after["name"]) == ("generator", name)
    assert 0.15 <= after["cpu_seconds"] - before["cpu_seconds"] < 5
    assert after["memory_bytes"] > 10e6
    assert before["open_files"] is not None
    assert after["open_files"] == before["open_files"] + 2


def test_cores_are_cpu_time_over_time() -> None:
    rates = Rates()
    assert rates.cores(("generator", "a:1"), 10.0, 100.0) is None
    assert rates.cores(("generator", "a:2"), 10.0, 5.0) is None
    assert rates.cores(("generator", "a:1"), 12.0, 101.0) == pytest.approx(0.5)
    assert rates.cores(("generator", "a:1"), 12.0, 101.5) is None
