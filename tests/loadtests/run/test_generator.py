import argparse
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from loadtests.actions.choice import actions_of_file
from loadtests.commands import DEPLOYMENT_SETTINGS, LOAD_SETTINGS
from loadtests.run.config import (
    LoadTestConfig,
    load_test_config,
)
from loadtests.run.generator import (
    Generator,
    load_order,
    locust_command,
    longest_run_time,
    most_sessions,
    stop_timeout,
)
from loadtests.settings import add_settings


def config(*arguments: str) -> LoadTestConfig:
    parser = argparse.ArgumentParser()
    add_settings(parser, DEPLOYMENT_SETTINGS + LOAD_SETTINGS)
    return load_test_config(vars(parser.parse_args(arguments)))


def test_its_open_files_limit_its_sessions() -> None:
    assert 19_000 < most_sessions(1, 20_000) < 20_000
    assert most_sessions(3, 20_000) == 3 * most_sessions(1, 20_000)
    assert most_sessions(1, 10) == 1


def test_the_command_says_all_that_was_configured(tmp_path: Path) -> None:
    command = locust_command(
        config("--users", "7", "--think-time", "uniform:0:1", "--action", '{"a": 1}', "--processes", "3"),
        "http://127.0.0.1:1",
        tmp_path,
    )
    for option, value in (
        ("--host", "http://127.0.0.1:1"),
        ("--users", "7"),
        ("--think-time", "uniform:0:1"),
        ("--action", '{"a": 1}'),
        ("--processes", "3"),
        ("--run-time", "20s"),
        ("--tls-verify", "1"),
    ):
        assert command[command.index(option) + 1] == value
    assert "--headless" in command


def test_several_actions_are_handed_over_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "given.jsonl").write_text('{"move": "e4"}\n{"move": "é"}\n')
    given = config("--actions", str(tmp_path / "given.jsonl"), "--action-order", "sample")

    command = locust_command(given, "http://127.0.0.1:1", tmp_path)

    handed_over = actions_of_file(command[command.index("--actions") + 1], "sample")
    assert handed_over.values == [{"move": "e4"}, {"move": "é"}]
    assert command[command.index("--action-order") + 1] == "sample"


def test_a_policy_is_named_so_that_locust_finds_it_from_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "play.py").write_text("def act(observation, reward, step, rng): return {}\n")
    monkeypatch.chdir(tmp_path)
    given = config("--policy", "play.py")
    program = "import os; print(os.environ['LOADTEST_POLICY_FOLDER'])"
    generator = Generator([sys.executable, "-c", program])

    command = locust_command(given, "http://127.0.0.1:1", tmp_path)
    with (tmp_path / "log").open("wb") as log:
        generator.start(log)
        generator.wait()

    assert command[command.index("--policy") + 1] == f"{tmp_path}/play.py:act"
    assert "--actions" not in command
    assert (tmp_path / "log").read_text() == f"{tmp_path}\n"


def test_locust_is_told_of_headers_where_others_cannot_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADERS", "Authorization: Bearer not-for-others")
    private = config()
    program = "import os; print(os.environ['LOADTEST_HEADERS'])"
    generator = Generator([sys.executable, "-c", program], private.options.access)

    with (tmp_path / "log").open("wb") as log:
        generator.start(log)
        generator.wait()

    assert (tmp_path / "log").read_text() == "Authorization: Bearer not-for-others\n"
    assert "not-for-others" not in str(locust_command(private, "http://127.0.0.1:1", tmp_path))
    assert "not-for-others" not in repr(private)


def test_the_page_is_not_headless(tmp_path: Path) -> None:
    assert "--headless" not in locust_command(config(), "http://127.0.0.1:1", tmp_path, web=True)


def test_a_batch_starts_all_users_at_once_and_ends_after_its_time_outs_at_the_latest(tmp_path: Path) -> None:
    batch = replace(config("--users", "3000", "--wait", "uniform:0:2"), scenario="batch")
    command = locust_command(batch, "http://127.0.0.1:1", tmp_path)
    assert command[command.index("--scenario") + 1] == "batch"
    assert command[command.index("--spawn-rate") + 1] == "3000"
    assert command[command.index("--run-time") + 1] == f"{longest_run_time(batch)}s"
    assert longest_run_time(batch) > 10 + 2 * 60 + 2
    assert longest_run_time(config("--duration", "90s")) == 90


@pytest.mark.parametrize(("wait", "seconds"), [("0.1", 6), ("10", 15), ("3600", 30)])
def test_steps_in_flight_get_time_to_finish_but_not_for_ever(wait: str, seconds: int) -> None:
    assert stop_timeout(config("--wait", wait)) == seconds


def with_a_worker(folder: Path) -> tuple[Generator, psutil.Process, list[psutil.Process]]:
    sleep = "import time; time.sleep(600)"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{sleep}']).wait()"
    generator = Generator([sys.executable, "-c", program])
    with (folder / "log").open("wb") as log:
        generator.start(log)
    process = psutil.Process(generator.pid)
    while not (workers := process.children()):
        assert generator.poll() is None
    return generator, process, workers


def test_a_generator_is_killed_with_its_workers(tmp_path: Path) -> None:
    generator, _, workers = with_a_worker(tmp_path)
    generator.kill()
    assert generator.poll() == -9
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
    generator.kill()


def test_a_trace_is_named_from_anywhere_and_lies_beside_the_records_of_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = '{"at": 0, "session": 1, "wait": 8}\n'
    (tmp_path / "given.jsonl").write_text(content)
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    given = config("--shape", "trace:given.jsonl")

    command = locust_command(given, "http://127.0.0.1:1", tmp_path)
    assert command[command.index("--shape") + 1] == f"trace:{tmp_path}/given.jsonl"
    assert stop_timeout(given) == 13

    order = load_order(given, "http://127.0.0.1:1", tmp_path / "run")
    copy = tmp_path / "run" / "replayed.jsonl"
    assert order.options[order.options.index("--shape") + 1] == f"trace:{copy}"
    assert copy.read_text() == content


def test_workers_whose_master_was_killed_are_killed_too(tmp_path: Path) -> None:
    generator, process, workers = with_a_worker(tmp_path)
    process.kill()
    assert generator.wait() == -9
    generator.kill()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
