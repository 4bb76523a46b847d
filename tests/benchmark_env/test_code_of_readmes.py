"""Every code block and command of the READMEs and docs/, run on real parts: one that nothing can run fails.

Python runs as it is written, but for the addresses of servers, which become those of servers that the tests
started; what has clients start containers is in test_containers_of_readmes.py. How commands of the harness
run, readme_walk.py says. Left out are commands that would run these tests within themselves, take minutes or
change the machine: see `DRY_RUN_ONLY` and `LEFT_TO_OTHERS`.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from benchmark_env.__main__ import main
from loadtests.commands import TARGETS, refusal_of_variable
from loadtests.experiment.config import resolve_settings
from tests.conftest import WITHOUT_GRADIO

from .conftest import ROOT, Server, step
from .readme_blocks import (
    READMES,
    Block,
    Command,
    all_commands,
    blocks_of,
    named_in_sentences,
    starts_container,
)
from .readme_walk import PAGES, RULES, Walk, is_on_the_walk

DRY_RUN_ONLY = (
    *("make bench", "make bench BENCH=scaling_out", "make calibrate", "make fuzz", "make kills"),
    *("make lock", "make soak", "make test", "make truth"),
)
LEFT_TO_OTHERS = {
    "docker build": "tests/benchmark_env/test_dockerfile.py",
    "docker compose": "tests/compose/test_compose_file.py",
    "docker stop": "tests/benchmark_env/test_dockerfile.py",
    "docker swarm": "tests/loadtests/deployments/test_stack.py",
    "make loadtest TARGET=compose GENERATORS=": "tests/loadtests/run/test_load_test.py",
    "make stack": "tests/loadtests/deployments/test_stack.py",
    "kubectl": "tests/kubernetes/test_kustomizations.py",
    "openenv build": "tests/benchmark_env/test_openenv_commands.py",
    "openenv init": "tests/loadtests/test_any_environment.py",
    "openenv push": "tests/benchmark_env/test_openenv_commands.py",
    "openenv validate": "tests/benchmark_env/test_openenv_commands.py",
    "openenv-loadtest": "tests/test_package.py",
    "pip install .": "tests/test_package.py",
    "pip install": "tests/benchmark_env/test_openenv_commands.py",
}
"""Beginnings of commands, and where the tests of these are."""

BLOCKS = [block for readme in READMES for block in blocks_of(readme)]
COMMANDS = all_commands()
ONCE_FOR_ALL_PORTS = {re.sub(r"--port \d+", "", each.text): each for each in reversed(COMMANDS)}
"""Servers get ports of their own here: of commands that differ in the port the first."""
GRIDS = [block for block in BLOCKS if block.language == "toml"]
PYTHON = [block for block in BLOCKS if block.language == "python"]


def environ() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{WITHOUT_GRADIO}:{ROOT}",
    }


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=environ(), capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, (
        f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def with_addresses(text: str, started: tuple[Server, ...]) -> str:
    for number, each in enumerate(started):
        text = re.sub(rf"(127\.0\.0\.1|localhost):800{number}\b", f"127.0.0.1:{each.port}", text)
    return text


def serve_as_written(command: Command, serve: Callable[..., Server]) -> None:
    program, *arguments = shlex.split(command.text)
    if program == "uvicorn":
        arguments += ["--port", "{port}"]
    started = serve(*arguments, command=(sys.executable, "-m", program), cwd=command.directory)
    with started.connect() as session:
        assert step(session)["host_url"] == started.url


@pytest.fixture(scope="module")
def walk(
    servers: tuple[Server, ...], generated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walk]:
    (grid,) = GRIDS
    with ExitStack() as stack:
        yield Walk(tmp_path_factory.mktemp("checkout"), servers, generated, grid.text, stack)


def as_parameter(command: Command) -> object:
    """A command for a test. Of load tests only the first takes containers where there are any."""
    docker = (pytest.mark.docker, pytest.mark.timeout(900)) if command.text == "make loadtest" else ()
    return pytest.param(command, id=str(command), marks=docker)


def test_every_block_is_in_a_language_that_is_run_here() -> None:
    assert {block.readme for block in BLOCKS} >= {"README.md", "benchmark_env/README.md"}
    unknown = [str(block) for block in BLOCKS if block.language not in {"bash", "python", "toml"}]
    assert not unknown, f"nothing in {__name__} runs blocks of their language: {unknown}"


def test_every_test_that_commands_are_left_to_is_there() -> None:
    missing = [path for path in LEFT_TO_OTHERS.values() if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("table", [LEFT_TO_OTHERS, DRY_RUN_ONLY, RULES, PAGES])
def test_every_rule_is_for_a_command_that_a_readme_has(table: Iterable[str]) -> None:
    unused = [
        each
        for each in table
        if not any(fnmatchcase(command.text, each) or command.text.startswith(each) for command in COMMANDS)
    ]
    assert not unused, f"no README has these commands any more: {unused}"


def test_make_knows_every_setting_that_a_readme_gives_it() -> None:
    given = {
        (target, match[1])
        for each in COMMANDS
        if each.text.startswith("make ")
        for target, *words in [shlex.split(each.text)[1:]]
        for word in words
        if (match := re.match(r"([A-Za-z_0-9]+)=", word))
    }
    assert len({name for _, name in given}) > 10
    refused = [refusal_of_variable(name, [target]) for target, name in given if target in TARGETS]
    assert [*filter(None, refused)] == []


def test_every_setting_that_a_sentence_gives_is_one() -> None:
    known = {setting.name for settings in TARGETS.values() for setting in settings}
    of_containers = set(re.findall(r"^(\w+)=", (ROOT / "compose" / ".env.example").read_text(), re.MULTILINE))
    given = {
        match[1]: f"{readme}:{each.line}"
        for readme in READMES
        for each in named_in_sentences(readme)
        if (match := re.match(r"([A-Z_0-9]+)=", each.text))
    }
    assert len(given) > 10
    assert not {name: place for name, place in given.items() if name not in known | of_containers}


@pytest.mark.servers
@pytest.mark.parametrize(
    "command", [as_parameter(each) for each in COMMANDS if each in ONCE_FOR_ALL_PORTS.values()]
)
def test_a_command_of_a_readme_does_as_it_says(
    command: Command, walk: Walk, servers: tuple[Server, ...], serve: Callable[..., Server]
) -> None:
    text = command.text
    program = text.split()[0]
    if any(text.startswith(beginning) for beginning in LEFT_TO_OTHERS):
        return
    if text in DRY_RUN_ONLY:
        run("make", "--dry-run", *shlex.split(text)[1:], cwd=command.directory)
    elif is_on_the_walk(text):
        walk.goes(text)
    elif program in {"gunicorn", "uvicorn"}:
        serve_as_written(command, serve)
    elif text.startswith("python -m benchmark_env "):
        assert main(shlex.split(with_addresses(text, servers))[3:]) == 0
    elif program in {"python", "python3"}:
        assert run(*shlex.split(with_addresses(text, servers)), cwd=command.directory)
    else:
        pytest.fail(
            f"{command.readme}:{command.line}: nothing knows how to run {text!r}. Say in readme_walk.py how "
            "it is shortened and what it says, or name in LEFT_TO_OTHERS the test that runs it."
        )


@pytest.mark.parametrize("block", GRIDS, ids=str)
def test_toml_of_a_readme_is_a_grid(block: Block, tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text(block.text)

    assert set(tomllib.loads(block.text)) <= {name.lower() for name in resolve_settings({}, grid)}


@pytest.mark.servers
@pytest.mark.parametrize("block", [each for each in PYTHON if not starts_container(each)], ids=str)
def test_python_of_a_readme_runs(
    block: Block, walk: Walk, servers: tuple[Server, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code = with_addresses(block.text, servers)
    if "<run_id>" in code:
        code = code.replace("results/<run_id>", str(walk.path / walk.runs()[0]))

    exec(compile(code, str(block), "exec"), {"__name__": "__main__"})

    assert capsys.readouterr().out
