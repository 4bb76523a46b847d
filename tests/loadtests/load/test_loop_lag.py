import json
from pathlib import Path

import pytest

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
loop_lag = LoopLag(environment, folder, every_s=0.1)

def lag():
    for path in folder.iterdir():
        path.unlink()
    with gevent.Timeout(60):
        while not (lags := read_lags(folder)):
            gevent.sleep(0.01)
    [(generator, seconds)] = lags.items()
    assert generator.endswith(f":{os.getpid()}")
    return seconds

longest_turn = 0.0

def look_at_turns():
    global longest_turn
    while True:
        before = time.monotonic()
        gevent.sleep(0.001)
        longest_turn = max(longest_turn, time.monotonic() - before)

gevent.spawn(look_at_turns)
environment.events.test_start.fire(environment=environment)
lag()
at_ease = lag()
gevent.sleep(0.002)
turn_at_ease = longest_turn
until = time.monotonic() + 0.3
while time.monotonic() < until:
    pass
held_up = lag()
loop_lag.take_p99_s()
gevent.sleep(0.2)
until = time.monotonic() + 0.3
while time.monotonic() < until:
    pass
gevent.sleep(0.05)
p99 = loop_lag.take_p99_s()
environment.events.test_stop.fire(environment=environment)
for path in folder.iterdir():
    path.unlink()
gevent.sleep(0.2)
print(json.dumps([at_ease, turn_at_ease, held_up, p99, loop_lag.take_p99_s(), len(list(folder.iterdir()))]))
"""
"""Watches an event loop that has nothing to do, then one that is held up for 0.3 s, then none.

How long the turns of a loop take that has nothing to do is up to the machine.
"""


def test_a_loop_that_is_held_up_is_late_by_as_much(tmp_path: Path) -> None:
    done = locust_python("-c", WATCH, str(tmp_path))
    assert done.returncode == 0, done.stderr
    at_ease, turn_at_ease, held_up, p99, p99_of_none, files_of_none = json.loads(done.stdout)
    assert at_ease < 2 * turn_at_ease + 0.05
    assert 0.2 < held_up < 60
    assert 0.2 < p99 < 60
    assert p99_of_none is None
    assert files_of_none == 0


MOMENTS = """
import json, time
import gevent
from locust.env import Environment
from loadtests.load.loop_lag import LoopLag

environment = Environment()
loop_lag = LoopLag(environment, None)
environment.events.test_start.fire(environment=environment)
gevent.sleep(0.1)
loop_lag.take_p99_s()
until = time.monotonic() + 1
while time.monotonic() < until:
    pass
gevent.sleep(0.02)
late = sorted(loop_lag._moments)
environment.events.test_stop.fire(environment=environment)
print(json.dumps([len(late), late[len(late) // 2]]))
"""
"""What is known of a loop that is held up for a whole second."""


def test_what_falls_due_while_the_loop_is_held_up_counts_too() -> None:
    done = locust_python("-c", MOMENTS)
    assert done.returncode == 0, done.stderr
    moments, median = json.loads(done.stdout)
    assert moments >= 99
    assert 0.2 < median < 60


BY_HAND = """
import json, sys
from pathlib import Path
from locust.env import Environment
from loadtests.load import loop_lag
from loadtests.run.metrics.lags import read_lags

class Clock:
    now = 0.0

    def monotonic(self):
        return self.now

clock = loop_lag.time = Clock()
environment = Environment()
folder = Path(sys.argv[1])
lag = loop_lag.LoopLag(environment, folder)
environment.events.test_start.fire(environment=environment)
written = []
for held_up_s in (0.3, 0.02):
    for step_s in (0.01, 0.01 + held_up_s, *[0.01] * 100):
        clock.now += step_s
        before, lag.worst_s = lag.worst_s, None
        lag._look()
        if lag.worst_s is not None:
            written.append([lag.worst_s, *read_lags(folder).values()])
lag._moments.clear()
lag._moments.extend(n / 1000 for n in reversed(range(101)))
p99s = [lag.take_p99_s(), lag.take_p99_s()]
lag._moments.append(1.0)
environment.events.test_stop.fire(environment=environment)
after_the_end = lag.take_p99_s()
lag._moments.append(2.0)
environment.events.test_start.fire(environment=environment)
print(json.dumps([written, p99s, after_the_end, lag.take_p99_s()]))
"""
"""What is known by a clock that is set by hand of a loop that is held up once in each of two seconds."""


def test_each_second_has_its_own_worst_moment_and_p99_is_of_what_came_since_it_was_asked(
    tmp_path: Path,
) -> None:
    done = locust_python("-c", BY_HAND, str(tmp_path))
    assert done.returncode == 0, done.stderr
    written, p99s, after_the_end, of_the_next_test = json.loads(done.stdout)
    assert [seconds for seconds, _ in written] == pytest.approx([0.3, 0.02])
    assert [in_file for _, in_file in written] == pytest.approx([0.3, 0.02])
    assert p99s == [pytest.approx(0.099), None]
    assert after_the_end == 1.0
    assert of_the_next_test is None


OUT_OF_STEP = """
import json, time
from statistics import median
import gevent
from locust.env import Environment
from loadtests.load.loop_lag import LoopLag

environment = Environment()
loop_lag = LoopLag(environment, None)
environment.events.test_start.fire(environment=environment)
later = []

def look_at_clock():
    while True:
        due = time.monotonic() + 0.01
        gevent.sleep(0.01)
        others.append(max(time.monotonic() - due, 0.0))

others = []
gevent.spawn(look_at_clock)
for _ in range(20):
    until = time.monotonic() + 0.037
    while time.monotonic() < until:
        pass
    gevent.sleep(0.03)
    loop_lag.take_p99_s()
    others.clear()
    gevent.sleep(0.2)
    later.append(median(loop_lag._moments) - median(others))
print(json.dumps(median(later)))
"""
"""What is known of a loop that was held up a while ago: how much later than what sleeps in it."""


def test_a_loop_that_was_held_up_once_is_not_called_late_from_then_on() -> None:
    done = locust_python("-c", OUT_OF_STEP)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) < 0.004
