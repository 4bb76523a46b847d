import asyncio
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark_env.models import BenchmarkAction, BenchmarkObservation
from benchmark_env.server.benchmark_environment import BenchmarkEnvironment

from .conftest import PATIENCE, ROOT


def test_steps_are_counted_from_the_last_reset() -> None:
    env = BenchmarkEnvironment()
    counts = [env.reset().metadata["step_count"]]
    counts += [env.step(BenchmarkAction()).metadata["step_count"] for _ in range(3)]
    counts.append(env.reset().metadata["step_count"])
    counts.append(env.step(BenchmarkAction()).metadata["step_count"])

    assert counts == [0, 1, 2, 3, 0, 1]


def test_an_observation_says_who_answered_and_when() -> None:
    env = BenchmarkEnvironment()
    before = time.time()
    seen = env.reset()

    assert seen.pid == os.getpid()
    assert seen.session_hash == env.step(BenchmarkAction()).session_hash
    assert seen.session_hash != BenchmarkEnvironment().reset().session_hash
    assert before <= seen.timestamp <= time.time()
    assert seen.done is False


@pytest.mark.parametrize(("wait", "reward"), [(0.0, 1.0), (0.25, 0.8)])
def test_the_reward_falls_with_the_wait_and_the_wait_is_measured(wait: float, reward: float) -> None:
    env = BenchmarkEnvironment()
    started = time.perf_counter()
    seen = env.step(BenchmarkAction(wait_seconds=wait))
    took = time.perf_counter() - started

    assert seen.reward == reward
    assert wait <= seen.waited_seconds <= took


def test_asynchronous_waits_overlap() -> None:
    async def steps() -> float:
        started = time.perf_counter()
        envs = [BenchmarkEnvironment() for _ in range(500)]
        await asyncio.gather(*(env.step_async(BenchmarkAction(wait_seconds=0.2)) for env in envs))
        return time.perf_counter() - started

    # One after another they would take 100 s.
    assert asyncio.run(steps()) < 50


@pytest.mark.parametrize("asynchronous", [False, True])
def test_steps_beyond_a_limit_queue_and_say_only_how_long_they_waited_themselves(asynchronous: bool) -> None:
    action, environment = BenchmarkAction(wait_seconds=0.05), BenchmarkEnvironment.limited_to(2)
    envs = [environment() for _ in range(6)]

    async def steps() -> list[BenchmarkObservation]:
        return await asyncio.gather(*(env.step_async(action) for env in envs))

    started = time.perf_counter()
    if asynchronous:
        seen = asyncio.run(steps())
    else:
        with ThreadPoolExecutor(6) as threads:
            seen = list(threads.map(lambda env: env.step(action), envs))
    took = time.perf_counter() - started

    waited = [each.waited_seconds for each in seen]
    assert took >= 3 * 0.05
    assert min(waited) >= 0.05
    # Two places: what all have waited fits into them.
    assert sum(waited) <= 2 * took


def test_a_step_that_is_cancelled_gives_its_place_up() -> None:
    environment = BenchmarkEnvironment.limited_to(1)

    async def next_step() -> BenchmarkObservation:
        long = asyncio.create_task(environment().step_async(BenchmarkAction(wait_seconds=600)))
        await asyncio.sleep(0.01)
        long.cancel()
        return await asyncio.wait_for(environment().step_async(BenchmarkAction()), PATIENCE)

    assert asyncio.run(next_step()).waited_seconds < PATIENCE


def test_a_reset_does_not_wait_for_steps() -> None:
    environment = BenchmarkEnvironment.limited_to(1)

    async def reset() -> BenchmarkObservation:
        long = asyncio.create_task(environment().step_async(BenchmarkAction(wait_seconds=600)))
        await asyncio.sleep(0.01)
        assert not long.done()
        return await asyncio.wait_for(environment().reset_async(), PATIENCE)

    assert asyncio.run(reset()).metadata["step_count"] == 0


def test_without_a_limit_it_is_the_plain_environment() -> None:
    assert BenchmarkEnvironment.limited_to(0) is BenchmarkEnvironment


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_timeout_cuts_the_wait_short(asynchronous: bool) -> None:
    env = BenchmarkEnvironment()
    action = BenchmarkAction(wait_seconds=600)
    if asynchronous:
        seen = asyncio.run(env.step_async(action, timeout_s=0.05))
    else:
        seen = env.step(action, timeout_s=0.05)

    assert 0.04 < seen.waited_seconds < PATIENCE


def test_the_state_follows_the_episode() -> None:
    env = BenchmarkEnvironment()
    env.reset(episode_id="one")
    env.step(BenchmarkAction())

    assert (env.state.episode_id, env.state.step_count) == ("one", 1)

    env.reset()

    assert env.state.episode_id != "one"
    assert env.state.step_count == 0


def test_an_episode_id_that_is_no_string_is_rejected() -> None:
    env = BenchmarkEnvironment()
    with pytest.raises(ValidationError):
        env.reset(episode_id=5)  # type: ignore[arg-type]


def run_as_file(path: Path, optimize: int = 0) -> None:
    """What `python` (with an `optimize` of 1 `python -O`) does with the file."""
    code = compile(path.read_text(), path, "exec", optimize=optimize)
    exec(code, {"__name__": "__main__", "__file__": str(path), "__package__": None})


@pytest.mark.usefixtures("own_imports")
def test_the_file_checks_itself(capsys: pytest.CaptureFixture[str]) -> None:
    run_as_file(ROOT / "benchmark_env" / "server" / "benchmark_environment.py")

    checked = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert checked == ["reset", "step", "step", "state", "identity", "all checks passed"]


@pytest.mark.usefixtures("own_imports")
@pytest.mark.parametrize("optimize", [0, 1])
def test_the_check_fails_where_the_environment_is_wrong(
    optimize: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "wrong"
    shutil.copytree(ROOT / "benchmark_env", copy, ignore=shutil.ignore_patterns("__pycache__"))
    environment = copy / "server" / "benchmark_environment.py"
    environment.write_text(environment.read_text().replace("_step_count += 1", "_step_count += 2"))

    with pytest.raises(AssertionError):
        run_as_file(environment, optimize)

    assert "all checks passed" not in capsys.readouterr().out
