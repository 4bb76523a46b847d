"""The workflow in examples/ci: GitHub can read it, its commands exist, and it does what it says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtests.__main__ import _parse
from tests.conftest import ROOT
from tests.reports.comparison.simulated import write_experiment

WORKFLOW = ROOT / "examples" / "ci" / "load-test.yml"
DOCUMENT: dict[str, Any] = yaml.load(WORKFLOW.read_text(), Loader=yaml.BaseLoader)  # "on" stays a word
STEPS: list[dict[str, Any]] = DOCUMENT["jobs"]["load-test"]["steps"]
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}


def commands() -> list[list[str]]:
    """Every command of ours in the workflow, as words."""
    lines = "\n".join(SCRIPTS.values()).replace("\\\n", " ").splitlines()
    words = [shlex.split(line) for line in lines if line.strip().startswith("openenv-loadtest")]
    return [[_filled(word) for word in line] for line in words]


def _filled(word: str) -> str:
    return re.sub(r"\$(\w+)", lambda found: DOCUMENT["env"].get(found[1], found[0]), word)


def test_it_runs_for_pull_requests_and_may_only_read() -> None:
    assert DOCUMENT["on"] == "pull_request"
    assert DOCUMENT["permissions"] == {"contents": "read"}
    assert all(("uses" in step) != ("run" in step) for step in STEPS)
    assert {step["if"] for step in STEPS[-2:]} == {"${{ !cancelled() }}"}


def test_every_command_exists_and_has_the_options_that_it_is_given() -> None:
    found = commands()
    assert [words[1] for words in found] == ["scaling", "compare"]
    for words in found:
        _parse(words[1:])


def test_every_script_is_one_that_bash_reads() -> None:
    for script in SCRIPTS.values():
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("slowdown", "exit_code"), [(1.5, 1), (1.0, 0)])
def test_a_slower_pull_request_fails_and_the_job_says_why(
    tmp_path: Path, slowdown: float, exit_code: int
) -> None:
    write_experiment(tmp_path / "results" / "base" / "a", 1)
    write_experiment(tmp_path / "results" / "head" / "b", 2, slow=slowdown)
    page = tmp_path / "page.md"
    page.write_text("before\n")
    environment = {
        **os.environ,
        **DOCUMENT["env"],
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(page),
    }
    codes = [
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPTS[name]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        ).returncode
        for name in ("Compare", "Write the summary")
    ]
    assert codes == [exit_code, 0]
    lines = page.read_text().splitlines()
    assert lines[0] == "before"
    assert re.match(r"## \d+ regressions?\. " if exit_code else r"## No regression\. ", lines[1])
    for name in ("junit.xml", "comparison/report.html"):
        assert (tmp_path / name).stat().st_size > 500
