"""Users whose actions a policy picks, against real servers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.records.run_directory import RunDirectory
from tests.conftest import ROOT
from tests.loadtests.foreign import serving
from tests.loadtests.harness import harness
from tests.loadtests.locust_python import LocustPython, locust_python
from tests.loadtests.locust_runs import ended_when, foreign_environment

pytestmark = pytest.mark.servers

EXAMPLE = ROOT / "examples" / "connect_four"


@pytest.fixture(scope="module")
def connect_four() -> Iterator[str]:
    with serving("server.app:app", EXAMPLE) as url:
        yield url


def load(url: str, results: Path, *options: str) -> tuple[int, str]:
    """The exit code of a short load test, and all that it printed."""
    load = ("--users", "4", "--duration", "5", "--think-time", "0.02", "--slo-p99", "60")
    done = harness("run", "--target", url, "--results", str(results), *load, *options)
    return done.returncode, done.stdout + done.stderr


def only_run(results: Path) -> tuple[dict[str, Any], RunDirectory]:
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    directory = RunDirectory(path)
    return json.loads(directory.report_json.read_text()), directory


def test_a_policy_plays_a_game_to_the_end_of_its_episodes(connect_four: str, tmp_path: Path) -> None:
    code, printed = load(connect_four, tmp_path, "--policy", str(EXAMPLE / "policy.py"))
    report, directory = only_run(tmp_path)

    assert code == 0, printed
    assert report["totals"]["failures"] == 0
    assert report["config"]["policy"]["name"] == "policy.py:act"
    assert report["policy_time"]["calls"] >= report["totals"]["steps"]
    assert 0 < report["policy_time"]["p50_s"] <= report["policy_time"]["max_s"]
    played = report["episodes"]
    assert f"episodes: {played['finished']:,} finished" in printed
    assert 4 <= played["steps"]["min"] <= played["steps"]["max"] <= 21
    steps = directory.read_steps().to_pandas()
    ends = steps[steps["done"].fillna(False).astype(bool)]
    assert played["finished"] == len(ends)
    assert played["reward"]["mean"] == pytest.approx(ends["reward"].mean())
    assert {1.0} <= set(ends["reward"]) <= {0.0, 0.5, 1.0}
    episodes = pd.read_parquet(directory.episodes)
    assert episodes["done"].sum() == played["finished"]
    assert episodes["user"].nunique() == 4
    assert 'id="episodes"' in directory.report_html.read_text()


def test_a_policy_that_fails_ends_the_run_and_says_where(connect_four: str, tmp_path: Path) -> None:
    policy = tmp_path / "broken.py"
    policy.write_text(
        "def act(observation, reward, step, rng):\n"
        "    assert (reward is None) == (step == 0)\n"
        "    return {'column': [3, 2, 1][step]}\n"
    )
    results = tmp_path / "results"

    options = ("--transport", "http", "--processes", "2", "--duration", "60")
    code, printed = load(connect_four, results, "--policy", str(policy), *options)
    report, _ = only_run(results)

    assert code == 1, printed
    message = "the policy raised IndexError: list index out of range (broken.py, line 3)"
    assert f"This run failed: {message}" in printed
    assert (report["status"], report["passed"], report["validity"]["valid"]) == ("failed", False, False)
    assert report["totals"]["steps"] >= 3


def test_users_of_ones_own_act_and_are_recorded(tmp_path: Path) -> None:
    own = tmp_path / "own_users.py"
    own.write_text(
        "from loadtests.locustfile import OpenEnvWebSocketUser\n"
        "class Player(OpenEnvWebSocketUser):\n"
        "    def act(self, observation, reward, step):\n"
        "        return {'seen': observation['text'], 'reward': reward, 'step': step}\n"
    )
    with foreign_environment(episode=2) as (url, messages):
        locust = LocustPython(
            *("-m", "locust", "-f", str(own), "-H", url, "--headless", "-u", "2"),
            *("--think-time", "0.02", "--results", str(tmp_path / "results")),
            cwd=tmp_path,
        )
        done = ended_when(locust, lambda: len(messages) >= 40)

    assert done.returncode == 0, done.stderr
    assert [each["data"] for each in messages if each["type"] == "step"][:1] == [
        {"seen": "hi", "reward": None, "step": 0}
    ]
    assert {"type": "step", "data": {"seen": "hi", "reward": 0.0, "step": 1}} in messages
    report, directory = only_run(tmp_path / "results")
    assert report["config"]["policy"]["name"] == "own_users.py:Player.act"
    assert report["episodes"]["steps"]["max"] == 2
    assert set(directory.read_steps().to_pandas()["done"].dropna()) == {True, False}


_NAMED_ON_THE_PAGE = """
from types import SimpleNamespace
from loadtests import locustfile
from loadtests.errors import LoadTestError

options = SimpleNamespace(policy="/tmp/other.py")
try:
    locustfile._check_policy(SimpleNamespace(parsed_options=options, runner=None), "mine.py")
except LoadTestError as error:
    print(options.policy, error)
"""


def test_no_page_can_name_code_to_run() -> None:
    # In a process of its own: Locust patches the standard library.
    done = locust_python("-c", _NAMED_ON_THE_PAGE)
    assert done.stdout == "mine.py the page cannot change the policy: start Locust with another --policy\n"


_TRACE_ON_THE_PAGE = """
from types import SimpleNamespace
from loadtests import locustfile
from loadtests.errors import LoadTestError

both = [("trace:a", "trace:/etc/passwd"), ("", "trace:a"), ("trace:a", "trace:a"), ("trace:a", "")]
for started, asked in both:
    options = SimpleNamespace(shape=asked)
    try:
        locustfile._check_trace(SimpleNamespace(parsed_options=options, runner=None), started)
        print(options.shape or "none")
    except LoadTestError as error:
        print(options.shape or "none", error)
"""


def test_a_page_may_keep_or_drop_the_trace_and_name_no_other() -> None:
    done = locust_python("-c", _TRACE_ON_THE_PAGE)
    refused = "the page cannot name a trace: start Locust with another --shape"
    assert done.stdout.splitlines() == [f"trace:a {refused}", f"none {refused}", "trace:a", "none"]
