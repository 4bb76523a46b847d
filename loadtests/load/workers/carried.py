"""Files that a test's options name, for workers on other machines: policies are compared, others carried."""

import hashlib
import os
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.actions.policy import FOLDER, load_policy
from loadtests.errors import LoadTestError
from loadtests.load.trace import KIND, is_trace, load_trace
from loadtests.load.workers.generators import Generators
from loadtests.scratch import scratch_folder

_FILES = "openenv-files"


class CarriedFiles:
    """Listens to one Locust environment.

    The master sends what the options name over Locust's channel, on which it arrives before the order to
    start. A worker that is its child finds the files where they are.
    """

    def __init__(self, environment: Environment, generators: Generators | None) -> None:
        """`generators` are a master's workers."""
        self._environment = environment
        self._generators = generators
        self._policy: dict[str, str | None] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._actions: dict[str, str] = {}
        """Where this worker has the files of actions that the master names."""
        self._traces: dict[str, str] = {}
        """The same of traces, as values of SHAPE."""
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(_FILES, self._receive)
        elif isinstance(environment.runner, MasterRunner):
            environment.events.test_start.add_listener(self._send_to_all)

    def apply(self, options: Namespace) -> None:
        """Makes a worker's options name its own files. Raises LoadTestError where one is missing."""
        options.actions = self._actions.get(options.actions, options.actions)
        options.shape = self._traces.get(options.shape, options.shape)
        if not self._policy:
            return
        text = str(self._policy["text"])
        where, _, function = text.rpartition(":")
        path = Path(where)
        if path.suffix == ".py" and not path.is_file():
            here = Path(os.environ.get(FOLDER) or Path.cwd()) / path.name
            if not here.is_file():
                raise LoadTestError(
                    f"POLICY={text}: neither this file is here nor {here}: start the worker in a folder that "
                    f"has {path.name}"
                )
            text = f"{here}:{function}"
        options.policy = text
        described = load_policy(text).described()
        if described["sha256"] != self._policy["sha256"]:
            raise LoadTestError(f"POLICY={text} is not the same file as at the master: copy it from there")

    def _send_to_all(self, **_: Any) -> None:
        runner, options = self._environment.runner, self._environment.parsed_options
        assert isinstance(runner, MasterRunner)
        if options is None or self._generators is None:
            return
        files = _files(options)
        for worker, generator in self._generators.known.items():
            if generator.process is None:
                runner.send_message(_FILES, files, worker)

    def _receive(self, msg: Any, **_: Any) -> None:
        self._policy, actions, trace = (msg.data[each] for each in ("policy", "actions", "trace"))
        self._actions.clear()
        self._traces.clear()
        if actions:
            self._actions[actions["name"]] = str(self._written(actions["content"]))
        if trace:
            self._traces[trace["name"]] = f"{KIND}{self._written(trace['content'])}"

    def _written(self, content: bytes) -> Path:
        self._folder = self._folder or scratch_folder()
        file = Path(self._folder.name) / f"{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
        file.write_bytes(content)
        return file


def _files(options: Namespace) -> dict[str, Any]:
    """What workers elsewhere need of the files that the options name; the master has checked these."""
    policy: dict[str, str | None] = {}
    if options.policy:
        loaded = load_policy(options.policy)
        policy = {"text": loaded.text, "sha256": loaded.described()["sha256"]}
    actions = {}
    if options.actions not in ("", "wait", "schema"):
        content = Path(options.actions).expanduser().read_bytes()
        actions = {"name": options.actions, "content": content}
    trace = {}
    if is_trace(options.shape):
        trace = {"name": options.shape, "content": load_trace(options.shape).path.read_bytes()}
    return {"policy": policy, "actions": actions, "trace": trace}
