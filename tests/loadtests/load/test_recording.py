import subprocess
import sys

from tests.conftest import ROOT

_PAGE = """
from argparse import Namespace
from types import SimpleNamespace
from locust.env import Environment
from flask import Flask
from loadtests.load.recording import Recording

app = Flask("page")
for path in ("/swarm", "/stop"):
    app.add_url_rule(path, path, lambda: "", methods=["POST"])
environment = Environment()
environment.web_ui = SimpleNamespace(app=app)
options = Namespace(run_time=60)
Recording(environment, options)
page = app.test_client()
page.post("/stop")
page.get("/swarm")
assert options.run_time == 60
page.post("/swarm", data={"user_count": "1", "run_time": ""})
assert options.run_time is None
"""


def test_a_run_time_that_the_page_does_not_name_is_none() -> None:
    # In a process of its own: Locust patches the standard library.
    subprocess.run([sys.executable, "-c", _PAGE], cwd=ROOT, check=True)
