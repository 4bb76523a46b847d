import json
from pathlib import Path

from tests.loadtests.locust_python import locust_python

WATCH = """
import json, os, sys, time
from pathlib import Path
import gevent
from locust.env import Environment
from loadtests.load.loop_lag import LoopLag
from loadtests.run.metrics.lags import read_lags

folder = Path(sys.argv[1])
environment = Environment()
LoopLag(environment, folder, every_s=0.1)

def lag():
    for path in folder.iterdir():
        path.unlink()
    with gevent.Timeout(20):
        while not (lags := read_lags(folder)):
            gevent.sleep(0.01)
    [(generator, seconds)] = lags.items()
    assert generator.endswith(f":{os.getpid()}")
    return seconds

environment.events.test_start.fire(environment=environment)
lag()
at_ease = lag()
until = time.monotonic() + 0.3
while time.monotonic() < until:
    pass
held_up = lag()
environment.events.test_stop.fire(environment=environment)
for path in folder.iterdir():
    path.unlink()
gevent.sleep(0.2)
print(json.dumps([at_ease, held_up, len(list(folder.iterdir()))]))
"""
"""Watches an event loop that has nothing to do, then one that is held up for 0.3 s, then none."""


def test_a_loop_that_is_held_up_is_late_by_as_much(tmp_path: Path) -> None:
    done = locust_python("-c", WATCH, str(tmp_path))
    assert done.returncode == 0, done.stderr
    at_ease, held_up, files_of_none = json.loads(done.stdout)
    assert at_ease < 0.2 < held_up < 5
    assert files_of_none == 0
