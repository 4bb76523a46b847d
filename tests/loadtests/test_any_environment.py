"""Loads on environments that this project did not write, from one command to their reports."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from loadtests.protocol.access import OPEN
from loadtests.run.sessions_held import sessions_held
from reports.records.run_directory import RunDirectory
from tests.conftest import ROOT, WITHOUT_GRADIO
from tests.loadtests.foreign import TOKEN, private_front, serving
from tests.loadtests.harness import harness
from tests.loadtests.locust_python import LocustPython
from tests.loadtests.locust_runs import LOCUST, NO_REPORT, ended_when, rows_so_far

pytestmark = pytest.mark.servers

TOOLBOX = ROOT / "examples" / "toolbox"
SHORT = ["--users", "8", "--duration", "4", "--think-time", "0.1", "--slo-p99", "60"]


@pytest.fixture(scope="module")
def chatter(generated: Path) -> Iterator[str]:
    """The URL of an environment that `openenv init` wrote."""
    with serving("server.app:app", generated) as url:
        yield url


@pytest.fixture(scope="module")
def tools() -> Iterator[str]:
    with serving("server.app:app", TOOLBOX) as url:
        yield url


@pytest.fixture(scope="module")
def private(chatter: str, tools: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Both behind one private https address, and the folder of its certificate."""
    del tools
    folder = tmp_path_factory.mktemp("private")
    with private_front(folder, [chatter], tls=True) as url:
        yield url, folder


def load(command: str, results: Path, url: str, *options: str, **environ: str) -> tuple[int, str]:
    """The exit code of a command of the harness, and all that it printed."""
    done = harness(
        command, "--target", url, "--results", str(results), *options, environ=os.environ | environ
    )
    return done.returncode, done.stdout + done.stderr


def only_run(results: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """report.json and the steps table of the one run in a folder."""
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    directory = RunDirectory(path)
    return json.loads(directory.report_json.read_text()), directory.read_steps().to_pandas()


def one_session_a_process(generated: Path, folder: Path) -> Path:
    """An environment just as `openenv init` writes it."""
    environment = shutil.copytree(generated, folder / "chatter")
    app = environment / "server" / "app.py"
    app.write_text(app.read_text().replace("max_concurrent_envs=64,", "max_concurrent_envs=1,"))
    return environment


def test_an_environment_directory_is_deployed_and_who_answered_is_known(
    generated: Path, tmp_path: Path
) -> None:
    environment = one_session_a_process(generated, tmp_path)
    results = tmp_path / "results"
    done = harness(
        *("run", "--target", "local", "--env", str(environment), "--env-python", sys.executable),
        *("--replicas", "2", "--workers", "1", "--port", "0", "--duration", "4", "--think-time", "0.1"),
        *("--slo-p99", "60", "--results", str(results)),
        environ=os.environ | {"PYTHONPATH": WITHOUT_GRADIO},
    )
    report, steps = only_run(results)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "each worker holds one session: 2 users instead of 64; to hold more" in done.stdout
    assert report["config"]["users"] == 2
    assert report["config"]["environment"]["name"] == "chatter"
    assert report["config"]["environment"]["directory"] == str(environment)
    assert set(steps["host"]) == set(report["topology"]["hosts"])
    workers = report["distribution"]["workers"]
    assert [worker["sessions"] for worker in workers] == [1, 1]
    assert {worker["pid"] for worker in workers} == set(steps["pid"].dropna())
    assert not (environment / ".venv").exists()


def test_a_server_that_holds_several_sessions_is_told_apart(chatter: str) -> None:
    assert sessions_held(chatter, OPEN, 2) is None


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_an_environment_directory_is_deployed_in_containers(tmp_path: Path) -> None:
    # What it needs is in that image, and its code in the command: no layer is made.
    app = (TOOLBOX / "server" / "app.py").read_text()
    serve = (
        f"import sys; sys.modules['gradio'] = None\n{app}\nimport uvicorn; uvicorn.run(app, host='0.0.0.0')"
    )
    dockerfile = f"FROM benchmark-env:latest\nCMD {json.dumps(['python', '-c', serve])}\n"
    environment, results = tmp_path / "tested", tmp_path / "results"
    (environment / "server").mkdir(parents=True)
    (environment / "openenv.yaml").write_text("name: tested\napp: server.app:app\n")
    (environment / "server" / "Dockerfile").write_text(dockerfile)
    image = "openenv-loadtest-tested:latest"
    done = harness(
        *("run", "--target", "compose", "--env", str(environment), "--replicas", "1", "--port", "0"),
        *(*SHORT, "--results", str(results)),
    )
    subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report, _ = only_run(results)
    assert "1 worker a replica instead of WORKERS=2: the image starts `python -c" in done.stdout
    assert report["config"]["environment"]["image"] == image
    assert report["config"]["environment"]["digest"].startswith("sha256:")
    assert [replica["sessions"] for replica in report["distribution"]["replicas"]] == [8]
    assert {"env-1", "nginx"} <= {part["name"] for part in report["resources"]}


def test_one_command_loads_an_environment_that_openenv_generated(chatter: str, tmp_path: Path) -> None:
    code, printed = load("run", tmp_path, chatter, *SHORT)
    report, steps = only_run(tmp_path)

    assert code == 0, printed
    assert "256 actions made from the server's schema" in printed
    assert report["totals"]["steps"] >= 8
    assert report["totals"]["failures"] == 0
    assert report["config"]["actions"]["source"] == "schema"
    assert set(report["config"]["actions"]["example"]) == {"message"}
    assert steps[["host", "pid", "session_hash", "waited_s"]].isna().all().all()
    assert report["distribution"]["workers"] == report["distribution"]["replicas"] == []


def test_an_environment_of_tools_is_called_with_their_arguments(tools: str, tmp_path: Path) -> None:
    code, printed = load("run", tmp_path, tools, *SHORT)
    report, _ = only_run(tmp_path)

    assert code == 0, printed
    assert "made from the schemas of its tools" in printed
    assert report["totals"]["failures"] == 0
    assert report["config"]["actions"]["example"]["tool_name"] in ("total", "reversed_text")


def test_a_file_of_actions_is_taken_in_turn(tools: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    calls = [
        {"type": "call_tool", "tool_name": "reversed_text", "arguments": {"text": "hi"}},
        {"type": "call_tool", "tool_name": "unknown", "arguments": {}},
    ]
    file.write_text("".join(json.dumps(call) + "\n" for call in calls))

    code, printed = load(
        "run", tmp_path / "results", tools, *SHORT, "--users", "1", "--actions", str(file)
    )  # fmt: skip
    report, steps = only_run(tmp_path / "results")

    assert code == 1, printed
    taken = steps[steps["op"] == "step"]
    assert list(taken["error"].notna()) == [number % 2 == 1 for number in range(len(taken))]
    assert report["errors"][0]["category"] == "validation"
    assert "tool_not_found" in report["errors"][0]["example"]
    assert report["config"]["actions"] == {
        "source": "file",
        "order": "cycle",
        "count": 2,
        "example": calls[0],
        "file": "calls.jsonl",
    }


def test_a_server_that_meets_the_objective_up_to_the_largest_batch_gives_a_lower_bound(
    chatter: str, tmp_path: Path
) -> None:
    batch = ("--start", "4", "--most", "4", "--tries", "1", "--slo-p99", "60")
    code, printed = load("capacity", tmp_path, chatter, *batch)
    assert code == 0, printed
    assert "256 actions made from the server's schema" in printed
    assert "capacity: at least 4 sessions at once" in printed
    (path,) = tmp_path.glob("*/experiment.json")
    capacity = json.loads(path.read_text())["capacity"]
    assert (capacity["limit"], capacity["cores"], capacity["server_cap"]) == ("cap", None, None)


def test_several_servers_are_compared(chatter: str, tools: str, tmp_path: Path) -> None:
    code, printed = load(
        "scaling", tmp_path, f"one={chatter},other={tools}",
        *("--users", "2", "--duration", "3", "--warmup", "0", "--think-time", "0.05", "--repetitions", "1"),
    )  # fmt: skip
    assert code == 0, printed
    (path,) = tmp_path.glob("*/experiment.json")
    experiment = json.loads(path.read_text())
    assert {cell["wait"] for cell in experiment["cells"]} == {"0"}
    assert {cell["status"] for cell in experiment["cells"]} == {"completed"}


@pytest.mark.parametrize("transport", ["ws", "http"])
def test_a_private_server_is_loaded_and_its_token_is_nowhere(
    private: tuple[str, Path], tmp_path: Path, transport: str
) -> None:
    url, folder = private
    code, printed = load(
        "run", tmp_path, url, *SHORT, "--transport", transport,
        HEADERS=f"Authorization: Bearer {TOKEN}", SSL_CERT_FILE=str(folder / "certificate.pem"),
    )  # fmt: skip
    report, steps = only_run(tmp_path)

    assert code == 0, printed
    assert report["config"]["tls_verified"] is True
    assert report["config"]["actions"]["source"] == "schema"
    assert report["totals"]["steps"] >= 8
    assert report["totals"]["failures"] == 0
    assert steps[["pid", "session_hash", "waited_s"]].isna().all().all()
    (replica,) = report["distribution"]["replicas"]
    assert replica["host"] == steps["host"].dropna().unique()[0]
    assert report["distribution"]["workers"] == []
    assert TOKEN not in printed
    assert not [
        file for file in tmp_path.rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()
    ]


@pytest.mark.parametrize("transport", ["ws", "http"])
def test_what_a_server_says_of_a_wrong_token_is_told_without_it(
    private: tuple[str, Path], tmp_path: Path, transport: str
) -> None:
    url, folder = private
    wrong = "Authorization: Bearer wrong-0123456789"
    locust = LocustPython(
        *(*LOCUST, "-H", url, "-u", "2", "--transport", transport, "--actions", "wait"),
        *("--results", str(tmp_path)),
        environ=os.environ | {"LOADTEST_HEADERS": wrong, "SSL_CERT_FILE": str(folder / "certificate.pem")},
        without=NO_REPORT,
    )
    done = ended_when(locust, lambda: len(rows_so_far(tmp_path)) >= 4)
    (path,) = tmp_path.iterdir()
    steps = RunDirectory(path).read_steps().to_pandas()

    assert steps["error_detail"].str.contains("HTTP 401").all()
    assert "wrong-0123456789" not in done.stdout + done.stderr
    assert not [
        file for file in tmp_path.rglob("*") if file.is_file() and b"wrong-0123456789" in file.read_bytes()
    ]


def test_who_is_not_let_in_is_told_what_to_give(private: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = private
    certificate = str(folder / "certificate.pem")

    code, printed = load("run", tmp_path, url, *SHORT, SSL_CERT_FILE=certificate)
    assert (code, "does not let us in" in printed, "HEADERS" in printed) == (2, True, True)

    wrong = "Authorization: Bearer wrong-token"
    code, printed = load("run", tmp_path, url, *SHORT, SSL_CERT_FILE=certificate, HEADERS=wrong)
    assert (code, "does not let us in" in printed, "wrong-token" in printed) == (2, True, False)
    assert not list(tmp_path.iterdir())


def test_a_certificate_that_nobody_vouches_for_stops_the_load_unless_told_otherwise(
    private: tuple[str, Path], tmp_path: Path
) -> None:
    url, _ = private
    token = f"Authorization: Bearer {TOKEN}"

    code, printed = load("run", tmp_path, url, *SHORT, HEADERS=token)
    assert code == 2
    assert "its certificate is not trusted (self-signed certificate)" in printed

    code, printed = load("run", tmp_path, url, *SHORT, HEADERS=token, TLS_VERIFY="0")
    report, _ = only_run(tmp_path)
    assert code == 0, printed
    assert report["config"]["tls_verified"] is False
