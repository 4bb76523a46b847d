from pathlib import Path

from reports.records.run_directory import RunDirectory
from tests.loadtests.locust_python import locust_python

_PAGE = """
from argparse import Namespace
from types import SimpleNamespace
from locust.env import Environment
from flask import Flask
from loadtests.load.loop_lag import LoopLag
from loadtests.load.recording import Recording

app = Flask("page")
for path in ("/swarm", "/stop"):
    app.add_url_rule(path, path, lambda: "", methods=["POST"])
environment = Environment()
environment.web_ui = SimpleNamespace(app=app)
options = Namespace(run_time=60, run_directory="", run_template="", lag_folder="")
Recording(environment, options, LoopLag(environment, None))
page = app.test_client()
page.post("/stop")
page.get("/swarm")
assert options.run_time == 60
page.post("/swarm", data={"user_count": "1", "run_time": ""})
assert options.run_time is None
"""


_HOSTS = """
import json, sys
from argparse import Namespace
from pathlib import Path
from locust import User
from locust.env import Environment
from loadtests.commands import USER_SETTINGS
from loadtests.load.loop_lag import LoopLag
from loadtests.load.options import load_options
from loadtests.load.recording import Recording
from loadtests.load.run_json import UNKNOWN
from loadtests.load.users import OpenEnvUser

results = Path(sys.argv[1])
slo = {"success_rate": 0.5, "total_p99_s": 1}
known = UNKNOWN | {"deployment": "local", "balancing": "random", "slo": slo}
(results / "template").write_text(json.dumps(known))
environment = Environment(user_classes=[User], host="http://a")
environment.create_local_runner()
OpenEnvUser.options = load_options({setting.name: setting.default for setting in USER_SETTINGS})
options = Namespace(
    run_time=5, run_directory="", run_template=str(results / "template"), results=str(results),
    transport="ws", scenario="sustained", processes=1, spawn_rate=1, lag_folder="", shape="",
)
Recording(environment, options, LoopLag(environment, None))
for host in ("http://a", "http://b"):
    environment.host = host
    environment.events.test_start.fire(environment=environment)
"""


def test_a_run_time_that_the_page_does_not_name_is_none() -> None:
    # In a process of its own: Locust patches the standard library.
    done = locust_python("-c", _PAGE)
    assert done.returncode == 0, done.stderr


def test_of_a_server_that_the_page_names_nothing_is_claimed_but_the_objective(tmp_path: Path) -> None:
    done = locust_python("-c", _HOSTS, str(tmp_path))
    assert done.returncode == 0, done.stderr
    own, other = (RunDirectory(path.parent).read()["config"] for path in sorted(tmp_path.glob("*/run.json")))
    assert (own["url"], own["deployment"], own["balancing"]) == ("http://a", "local", "random")
    assert (other["url"], other["deployment"], other["balancing"]) == ("http://b", "url", None)
    assert own["slo"] == other["slo"] == {"success_rate": 0.5, "total_p99_s": 1}
