import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pyarrow as pa
import pytest

from loadtests.deployments import Usage
from loadtests.machine import process_name
from loadtests.run import resource_sampler
from loadtests.run.resource_sampler import ResourceSampler, generator_usage
from reports.records.columns import RESOURCES
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter

MACHINE_CORES = 3.0


class Seconds:
    """The time of a sampler, which goes on by what the sampler waits, when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self._waiting: SimpleQueue[None] = SimpleQueue()
        self._going_on: SimpleQueue[bool] = SimpleQueue()
        monkeypatch.setattr(resource_sampler, "now", lambda: self.now)
        monkeypatch.setattr(resource_sampler, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(resource_sampler, "machine_cpu_seconds", lambda: MACHINE_CORES * self.now)

    @contextmanager
    def of(self, sampler: ResourceSampler) -> Iterator[Callable[[], None]]:
        """Starts it, which takes a sample, and stops it in the end; gives what lets it take the next one."""
        sampler._stopped = SimpleNamespace(wait=self._wait, set=lambda: self._going_on.put(False))  # type: ignore[assignment]
        sampler.start()
        self._waiting.get(timeout=60)
        yield self._go_on
        sampler.stop()

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self._waiting.put(None)
        is_over = not self._going_on.get()
        self.now += seconds
        return is_over

    def _go_on(self) -> None:
        self._going_on.put(True)
        self._waiting.get(timeout=60)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    return Seconds(monkeypatch)


def test_it_samples_each_second_until_it_is_stopped(tmp_path: Path, seconds: Seconds) -> None:
    cpu = 0.0

    def deployment() -> list[Usage]:
        nonlocal cpu
        cpu += 0.5
        seconds.now += 0.25  # it takes its time
        return [Usage("replica", "h:1", cpu, 1000, 7)]

    directory = RunDirectory(tmp_path)
    with seconds.of(ResourceSampler(directory, deployment, os.getpid())) as next_sample:
        next_sample()
        next_sample()
    assert seconds.waits == [0.75, 0.75, 0.75]
    samples = directory.resources.read().to_pandas()
    assert set(samples["role"]) == {"replica", "generator", "others"}
    others = samples[samples["role"] == "others"]
    assert ((others["cpu_cores"] >= 0) & (others["cpu_cores"] <= MACHINE_CORES - 0.5)).all()
    replica = samples[samples["role"] == "replica"]
    assert replica["cpu_cores"].tolist() == [0.5, 0.5]
    assert replica["at"].tolist() == [1001.25, 1002.25]
    assert replica["memory_bytes"].tolist() == [1000, 1000]
    generator = samples[samples["role"] == "generator"].iloc[0]
    assert generator["memory_bytes"] > 1_000_000
    assert generator["open_files"] > 0


def test_a_part_that_cannot_be_read_does_not_end_the_sampling(tmp_path: Path, seconds: Seconds) -> None:
    calls = 0

    def deployment() -> list[Usage]:
        nonlocal calls
        calls += 1
        raise RuntimeError("gone")

    with seconds.of(ResourceSampler(RunDirectory(tmp_path), deployment, os.getpid())) as next_sample:
        next_sample()
    assert calls == 2


def test_a_generator_that_is_gone_uses_nothing() -> None:
    assert generator_usage(2**22 + 1) == []


def test_how_late_a_generator_is_that_is_sampled_here_comes_from_what_it_says(
    tmp_path: Path, seconds: Seconds
) -> None:
    directory = RunDirectory(tmp_path)
    writer = StreamWriter(directory.generator_usage, RESOURCES)
    with seconds.of(ResourceSampler(directory, list, os.getpid())) as next_sample:
        for lag_s in (0.02, 0.5, None, 0.01):
            row = {"at": time.time(), "role": "generator", "name": process_name(), "cpu_cores": 99.0}
            writer.append(pa.RecordBatch.from_pylist([row | {"lag_s": lag_s}], schema=RESOURCES))
        next_sample()
        next_sample()
    samples = directory.resources.read().to_pandas()
    of_generator = samples[(samples["role"] == "generator") & (samples["name"] == process_name())]
    assert of_generator["lag_s"].dropna().tolist() == [0.5]
    assert len(of_generator) == 2
    assert of_generator["cpu_cores"].max() < 99
    assert samples.loc[samples["role"] == "others", "lag_s"].isna().all()


def test_what_a_generator_says_last_is_recorded_too(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    writer = StreamWriter(directory.generator_usage, RESOURCES)
    for name in (process_name(), "away:1"):
        row = {"at": time.time(), "role": "generator", "name": name, "lag_s": 0.03}
        writer.append(pa.RecordBatch.from_pylist([row], schema=RESOURCES))
    sampler = ResourceSampler(directory, list, os.getpid())
    sampler.start()
    sampler.stop()
    samples = directory.resources.read().to_pandas().dropna(subset="lag_s")
    assert dict(zip(samples["name"], samples["lag_s"], strict=True)) == {process_name(): 0.03, "away:1": 0.03}


def test_what_generators_elsewhere_say_of_themselves_is_taken_over(tmp_path: Path, seconds: Seconds) -> None:
    directory = RunDirectory(tmp_path)
    writer = StreamWriter(directory.generator_usage, RESOURCES)
    here, cores = f"{socket.gethostname()}:7", MACHINE_CORES + 1

    def note(name: str) -> None:
        row = {"at": time.time(), "role": "generator", "name": name, "cpu_cores": cores}
        writer.append(pa.RecordBatch.from_pylist([row], schema=RESOURCES))

    note("away:1")
    note(here)
    with seconds.of(ResourceSampler(directory, list, os.getpid())) as next_sample:
        note("away:1")
        note(here)
        next_sample()
        note("away:2")
    samples = directory.resources.read().to_pandas()
    assert samples["name"].value_counts().to_dict() | {here: 2, "away:1": 2, "away:2": 1} == (
        samples["name"].value_counts().to_dict()
    )
    # More than there is: what runs here too is not counted twice.
    assert samples.loc[samples["role"] == "others", "cpu_cores"].tolist() == [0.0]
    assert not directory.generator_usage.exists()
