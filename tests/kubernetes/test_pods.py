"""The pods of kubernetes/ do what they are for, as containers of a Docker engine.

What that leaves out, containers.py says."""

import io
import os
import secrets
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from reports.records.run_directory import RunDirectory
from tests.conftest import ROOT

from .containers import Node, address, docker, exit_code, logs
from .page import copy_out
from .rendering import Pod, Rendered

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("kubectl", "docker_engine"),
]

SHORT_RUN = """
resources: [{base}]
configMapGenerator:
  - name: loadtest
    behavior: merge
    literals: [LOCUST_USERS=20, LOCUST_SPAWN_RATE=20, LOCUST_RUN_TIME=3s, LOADTEST_WAIT=0.05]
"""


@pytest.fixture
def objects(tmp_path: Path) -> Rendered:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    base = os.path.relpath(ROOT / "kubernetes" / "base", overlay)
    (overlay / "kustomization.yaml").write_text(SHORT_RUN.format(base=base))
    return Rendered(overlay)


@pytest.fixture
def node(objects: Rendered, tmp_path: Path) -> Iterator[Node]:
    image = objects.pods["locust-worker"].containers[0]["image"]
    docker("build", "--tag", image, "--file", f"{ROOT}/compose/Dockerfile.locust", str(ROOT), timeout=600)
    node = Node(f"kubernetes-test-{secrets.token_hex(4)}", objects, tmp_path)
    try:
        yield node
    finally:
        node.remove()


def eventually(what: str, condition: Callable[[], bool], container: str) -> None:
    for _ in range(900):
        with suppress(httpx.TransportError):
            if condition():
                return
        time.sleep(0.2)
    pytest.fail(f"{what}: not after minutes: {logs(container)[-3000:]}")


def start_all(node: Node, objects: Rendered, name: str) -> list[str]:
    """As many containers of a Deployment's pods as it has replicas."""
    pod, replicas = objects.pods[name], objects.workloads[name]["spec"]["replicas"]
    return [node.start(pod, pod.containers[0], f"{name}-{number}") for number in range(replicas)]


def has_started(pod: Pod, container: str) -> bool:
    """What the startup probe says; a node asks from outside the pod, too."""
    probe = pod.containers[0]["startupProbe"]["httpGet"]
    url = f"http://{address(container)}:{pod.ports[probe['port']]}{probe['path']}"
    return httpx.get(url, timeout=5).status_code == 200


def is_ready(pod: Pod, container: str) -> bool:
    command = pod.containers[0]["readinessProbe"]["exec"]["command"]
    done = subprocess.run(["docker", "exec", container, *command], capture_output=True, check=False)
    return done.returncode == 0


def copied_out(container: str, folder: Path) -> RunDirectory:
    """The one run, by the command of docs/kubernetes.md."""
    command = ["docker", "exec", container, *copy_out()]
    packed = subprocess.run(command, check=True, capture_output=True, timeout=240).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    (run,) = folder.glob("results/*/run.json")
    return RunDirectory(run.parent)


def test_a_load_test_goes_from_pods_to_a_run_directory(objects: Rendered, node: Node, tmp_path: Path) -> None:
    master, worker = objects.pods["locust-master"], objects.pods["locust-worker"]
    waiting = node.start(master, master.container("wait-for-replicas"), "wait")
    for name in ("env", "nginx"):
        for each in start_all(node, objects, name):
            eventually(f"{name} starts", partial(has_started, objects.pods[name], each), each)
    workers = start_all(node, objects, "locust-worker")
    assert not any(is_ready(worker, each) for each in workers)
    assert exit_code(waiting) == 0, logs(waiting)

    locust = node.start(master, master.container("locust"), "locust")
    results = node.start(master, master.container("results"), "results")
    for each in workers:
        eventually("a worker finds the master", partial(is_ready, worker, each), each)
    assert exit_code(locust) == 0, logs(locust)

    run = copied_out(results, tmp_path / "out")
    assert run.read()["status"] == "completed"
    with pa.OSFile(str(run.steps.stream)) as source:
        rows = pa.ipc.open_stream(source).read_all().to_pandas()
    assert rows["error"].isna().all()
    assert rows["generator"].nunique() == len(workers)
    sessions = rows.dropna(subset="host").groupby("host")["session_hash"].nunique()
    assert sessions.to_list() == [10, 10]
    docker("stop", "--time", "60", results)
    assert exit_code(results) == 0
