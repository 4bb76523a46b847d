import hashlib
import json
import os
from pathlib import Path

from tests.loadtests.locust_python import locust_python

POLICY = "def act(observation, reward, step, rng):\n    return {'wait_seconds': 0.0}\n"

WORKER = """
import json, sys
from argparse import Namespace
from types import SimpleNamespace
from locust.env import Environment
from locust.runners import WorkerRunner
from loadtests.errors import LoadTestError
from loadtests.load.workers.carried import CarriedFiles

carried = CarriedFiles(Environment(), None)
for files in json.loads(sys.argv[1]):
    actions, trace = files["actions"], files.setdefault("trace", {})
    for each in filter(None, (actions, trace)):
        each["content"] = each["content"].encode()
    carried._receive(SimpleNamespace(data=files))
    options = Namespace(
        actions=actions.get("name", ""), policy=files["policy"].get("text", ""), shape=trace.get("name", "")
    )
    try:
        carried.apply(options)
    except LoadTestError as error:
        print(json.dumps({"error": str(error)}))
    else:
        read = open(options.actions).read() if options.actions else ""
        told = {"policy": options.policy, "actions": options.actions, "read": read}
        print(json.dumps(told | ({"shape": options.shape} if trace else {})))
"""
"""A worker that is told of files, one message after the other."""


def told(tmp_path: Path, *files: dict[str, object]) -> list[dict[str, str]]:
    environ = os.environ | {"LOADTEST_POLICY_FOLDER": str(tmp_path)}
    done = locust_python("-c", WORKER, json.dumps(files), environ=environ)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def policy(path: Path, source: str = POLICY) -> dict[str, object]:
    digest = hashlib.sha256(source.encode()).hexdigest()
    return {"policy": {"text": f"{path}:act", "sha256": digest}, "actions": {}}


def test_actions_are_carried(tmp_path: Path) -> None:
    files: list[dict[str, object]] = [
        {"policy": {}, "actions": {"name": "/elsewhere/actions.jsonl", "content": text}}
        for text in ("{}", "{} ")
    ]
    first, second, none = told(tmp_path, *files, {"policy": {}, "actions": {}})
    assert first["actions"] != "/elsewhere/actions.jsonl"
    assert (first["read"], second["read"]) == ("{}", "{} ")
    assert none == {"policy": "", "actions": "", "read": ""}


READS_TRACE = """
import sys
from argparse import Namespace
from types import SimpleNamespace
from locust.env import Environment
from loadtests.load.trace import load_trace
from loadtests.load.workers.carried import CarriedFiles, _files

sent = _files(Namespace(policy="", actions="", shape=sys.argv[1]))
carried = CarriedFiles(Environment(), None)
carried._receive(SimpleNamespace(data=sent))
options = Namespace(policy="", actions="", shape=sys.argv[1])
carried.apply(options)
trace = load_trace(options.shape)
print(options.shape != sys.argv[1], trace.sessions, trace.sha256 == load_trace(sys.argv[1]).sha256)
other = Namespace(policy="", actions="", shape="ramp:0:1")
carried._receive(SimpleNamespace(data=_files(other)))
carried.apply(other)
print(other.shape)
"""


def test_a_trace_is_carried(tmp_path: Path) -> None:
    (tmp_path / "trace.jsonl").write_text('{"at": 0, "session": 1}\n{"at": 1, "session": 2}\n')
    done = locust_python("-c", READS_TRACE, f"trace:{tmp_path}/trace.jsonl")
    assert done.stdout.splitlines() == ["True 2 True", "ramp:0:1"], done.stderr


def test_a_policy_is_looked_for_here_and_has_to_be_the_same(tmp_path: Path) -> None:
    here = tmp_path / "player.py"
    here.write_text(POLICY)
    same, in_this_folder, changed, missing = told(
        tmp_path,
        policy(here),
        policy(Path("/elsewhere/player.py")),
        policy(here, f"{POLICY}\n"),
        policy(Path("/elsewhere/nowhere.py")),
    )
    assert same["policy"] == in_this_folder["policy"] == f"{here}:act"
    assert "is not the same file as at the master" in changed["error"]
    assert f"neither this file is here nor {tmp_path}/nowhere.py" in missing["error"]
