"""Every code block of the READMEs, run on real parts: a block that nothing here knows how to run fails.

Blocks run as they are written, but for the addresses of servers, which become those of servers that the tests
started. Commands that take long or change the machine are left to the tests that `LEFT_TO_OTHERS` names.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from benchmark_env.__main__ import main
from loadtests.experiment_config import resolve_settings

from .conftest import ROOT, Server, step

READMES = ("README.md", "benchmark_env/README.md")
NOT_CODE = ("",)
LEFT_TO_OTHERS = {
    "make": "tests/loadtests",
    ".venv/bin/python -m loadtests": "tests/loadtests",
    ".venv/bin/python -m reports": "tests/reports",
    ".venv/bin/locust": "tests/loadtests",
    "docker build": "tests/benchmark_env/test_dockerfile.py",
    "openenv build": "tests/benchmark_env/test_openenv_commands.py",
    "openenv push": "tests/benchmark_env/test_openenv_commands.py",
    "openenv validate": "tests/benchmark_env/test_openenv_commands.py",
}
"""Beginnings of commands, and where the tests of these are. Of a `make` command the dry run must succeed."""


@dataclass(frozen=True)
class Block:
    readme: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.readme}:{self.line}"

    @property
    def directory(self) -> Path:
        """Where a reader of this README runs its commands."""
        return (ROOT / self.readme).parent

    def commands(self) -> list[str]:
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in (re.sub(r"(^|\s+)# .*$", "", each).strip() for each in lines) if line]


def blocks_of(readme: str) -> Iterator[Block]:
    text = (ROOT / readme).read_text()
    for match in re.finditer(r"^( *)```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        if match[2] not in NOT_CODE:
            yield Block(readme, text.count("\n", 0, match.start()) + 1, match[2], match[3])


BLOCKS = [block for readme in READMES for block in blocks_of(readme)]
COMMANDS = [(block, command) for block in BLOCKS if block.language == "bash" for command in block.commands()]
GRIDS = [block for block in BLOCKS if block.language == "toml"]
PYTHON = [block for block in BLOCKS if block.language == "python"]


def environ() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=environ(), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, (
        f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def with_addresses(text: str, started: tuple[Server, ...]) -> str:
    for number, each in enumerate(started):
        text = re.sub(rf"(127\.0\.0\.1|localhost):800{number}\b", f"127.0.0.1:{each.port}", text)
    return text


def serve_as_written(block: Block, command: str, serve: Callable[..., Server]) -> None:
    program, *arguments = shlex.split(command)
    if program == "uvicorn":
        arguments += ["--port", "{port}"]
    started = serve(*arguments, command=(sys.executable, "-m", program), cwd=block.directory)
    with started.connect() as session:
        assert step(session)["host_url"] == started.url


def test_every_block_is_in_a_language_that_is_run_here() -> None:
    assert {block.readme for block in BLOCKS} == {*READMES}
    unknown = [str(block) for block in BLOCKS if block.language not in {"bash", "python", "toml"}]
    assert not unknown, f"nothing in {__name__} runs blocks of their language: {unknown}"


def test_every_test_that_blocks_are_left_to_is_there() -> None:
    missing = [path for path in LEFT_TO_OTHERS.values() if not (ROOT / path).exists()]
    assert not missing
    unused = [each for each in LEFT_TO_OTHERS if not any(command.startswith(each) for _, command in COMMANDS)]
    assert not unused, f"no README has these commands any more: {unused}"


@pytest.mark.servers
@pytest.mark.parametrize(
    ("block", "command"), COMMANDS, ids=[f"{block} {command.split()[0]}" for block, command in COMMANDS]
)
def test_a_command_of_a_readme_does_as_it_says(
    block: Block,
    command: str,
    servers: tuple[Server, ...],
    serve: Callable[..., Server],
) -> None:
    command = (
        command.removeprefix(".venv/bin/")
        if command.startswith(".venv/bin/python -m benchmark_env")
        else command
    )
    program = command.split()[0]
    if program == "make":
        run("make", "--dry-run", *shlex.split(command)[1:], cwd=block.directory)
    elif any(command.startswith(beginning) for beginning in LEFT_TO_OTHERS):
        return
    elif program in {"gunicorn", "uvicorn"}:
        serve_as_written(block, command, serve)
    elif command.startswith("python -m benchmark_env "):
        assert main(shlex.split(with_addresses(command, servers))[3:]) == 0
    elif program in {"python", "python3"}:
        assert run(*shlex.split(with_addresses(command, servers)), cwd=block.directory)
    else:
        pytest.fail(
            f"{block}: nothing in {__name__} knows how to run {command!r}. Teach it there, or name in "
            "LEFT_TO_OTHERS the test that runs it."
        )


@pytest.mark.parametrize("block", GRIDS, ids=str)
def test_toml_of_a_readme_is_a_grid(block: Block, tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text(block.text)

    assert set(tomllib.loads(block.text)) <= {name.lower() for name in resolve_settings({}, grid)}


@pytest.mark.servers
@pytest.mark.parametrize("block", [each for each in PYTHON if "from_docker_image" not in each.text], ids=str)
def test_python_of_a_readme_runs(
    block: Block, servers: tuple[Server, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = with_addresses(block.text, servers).replace("results/<run_id>/", f"{tmp_path}/")
    rows = {"host": ["a", "a", "b"], "pid": [1, 1, 2], "latency_s": [0.1, 0.2, 0.3]}
    pd.DataFrame(rows).to_parquet(tmp_path / "steps.parquet")

    exec(compile(code, str(block), "exec"), {"__name__": "__main__"})

    assert capsys.readouterr().out


@pytest.mark.docker
@pytest.mark.parametrize("block", [each for each in PYTHON if "from_docker_image" in each.text], ids=str)
def test_python_of_a_readme_that_starts_a_container_runs(
    block: Block, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert image in block.text

    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})

    assert capsys.readouterr().out
