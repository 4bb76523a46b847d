import json
from pathlib import Path

from tests.loadtests.locust_python import locust_python

SHORT = """
import json, sys
from argparse import Namespace
from pathlib import Path
import gevent
from locust.env import Environment
from loadtests.load.loop_lag import LoopLag
from loadtests.load.workers.usage_recording import UsageRecording
from reports.records.run_directory import RunDirectory

environment = Environment()
lag = LoopLag(environment, None)
options = Namespace(lag_folder="", run_directory="", run_template="")
recording = UsageRecording(None, options, lag)
directory = RunDirectory(Path(sys.argv[1]))
environment.events.test_start.fire(environment=environment)
recording.start(directory)
gevent.sleep(0.3)
environment.events.test_stop.fire(environment=environment)
recording.stop()
recording.stop()
print(json.dumps(directory.resources.read().select(["role", "lag_s"]).to_pylist()))
"""


def test_of_a_test_shorter_than_a_second_the_lag_is_known_too(tmp_path: Path) -> None:
    done = locust_python("-c", SHORT, str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert any(row["role"] == "generator" and row["lag_s"] > 0 for row in rows)
