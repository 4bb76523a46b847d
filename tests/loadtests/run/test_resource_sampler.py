import os
import socket
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from loadtests.deployments import Usage
from loadtests.machine import process_name
from loadtests.run.resource_sampler import ResourceSampler, generator_usage
from reports.records.columns import RESOURCES
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter


def test_it_samples_each_second_until_it_is_stopped(tmp_path: Path) -> None:
    cpu = 0.0

    def deployment() -> list[Usage]:
        nonlocal cpu
        cpu += 0.5
        return [Usage("replica", "h:1", cpu, 1000, 7)]

    directory = RunDirectory(tmp_path)
    sampler = ResourceSampler(directory, deployment, os.getpid())
    sampler.start()
    time.sleep(2.5)
    sampler.stop()
    samples = directory.resources.read().to_pandas()
    assert set(samples["role"]) == {"replica", "generator", "others"}
    others = samples[samples["role"] == "others"]
    assert 0 <= others["cpu_cores"].max() <= (os.cpu_count() or 1) + 0.5
    replica = samples[samples["role"] == "replica"]
    assert len(replica) == 2
    assert replica["cpu_cores"].tolist() == pytest.approx([0.5, 0.5], rel=0.2)
    assert replica["memory_bytes"].tolist() == [1000, 1000]
    generator = samples[samples["role"] == "generator"].iloc[0]
    assert generator["memory_bytes"] > 1_000_000
    assert generator["open_files"] > 0


def test_a_part_that_cannot_be_read_does_not_end_the_sampling(tmp_path: Path) -> None:
    calls = 0

    def deployment() -> list[Usage]:
        nonlocal calls
        calls += 1
        raise RuntimeError("gone")

    sampler = ResourceSampler(RunDirectory(tmp_path), deployment, os.getpid())
    sampler.start()
    time.sleep(1.3)
    sampler.stop()
    assert calls == 2


def test_a_generator_that_is_gone_uses_nothing() -> None:
    assert generator_usage(2**22 + 1) == []


def test_how_late_a_generator_is_that_is_sampled_here_comes_from_what_it_says(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    writer = StreamWriter(directory.generator_usage, RESOURCES)
    sampler = ResourceSampler(directory, list, os.getpid())
    sampler.start()
    time.sleep(0.5)
    for lag_s in (0.02, 0.5, None, 0.01):
        row = {"at": time.time(), "role": "generator", "name": process_name(), "cpu_cores": 99.0}
        writer.append(pa.RecordBatch.from_pylist([row | {"lag_s": lag_s}], schema=RESOURCES))
    time.sleep(2)
    sampler.stop()
    samples = directory.resources.read().to_pandas()
    of_generator = samples[(samples["role"] == "generator") & (samples["name"] == process_name())]
    assert of_generator["lag_s"].dropna().tolist() == [0.5]
    assert len(of_generator) >= 2
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


def test_what_generators_elsewhere_say_of_themselves_is_taken_over(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    writer = StreamWriter(directory.generator_usage, RESOURCES)
    here, cores = f"{socket.gethostname()}:7", float(psutil.cpu_count() or 1) + 1

    def note(name: str) -> None:
        row = {"at": time.time(), "role": "generator", "name": name, "cpu_cores": cores}
        writer.append(pa.RecordBatch.from_pylist([row], schema=RESOURCES))

    sampler = ResourceSampler(directory, list, os.getpid())
    note("away:1")
    note(here)
    sampler.start()
    time.sleep(0.5)
    note("away:1")
    note(here)
    time.sleep(1)
    note("away:2")
    sampler.stop()
    samples = directory.resources.read().to_pandas()
    assert samples["name"].value_counts().to_dict() | {here: 2, "away:1": 2, "away:2": 1} == (
        samples["name"].value_counts().to_dict()
    )
    # More than there is: what runs here too is not counted twice.
    assert samples.loc[samples["role"] == "others", "cpu_cores"].tolist() == [0.0]
    assert not directory.generator_usage.exists()
