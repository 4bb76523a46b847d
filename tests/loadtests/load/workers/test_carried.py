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
    actions = files["actions"]
    if actions:
        actions["content"] = actions["content"].encode()
    carried._receive(SimpleNamespace(data=files))
    options = Namespace(actions=actions.get("name", ""), policy=files["policy"].get("text", ""))
    try:
        carried.apply(options)
    except LoadTestError as error:
        print(json.dumps({"error": str(error)}))
    else:
        read = open(options.actions).read() if options.actions else ""
        print(json.dumps({"policy": options.policy, "actions": options.actions, "read": read}))
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
