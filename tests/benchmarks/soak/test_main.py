from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from benchmarks.soak.__main__ import SAMPLES, Load, main, run
from benchmarks.soak.samples import KINDS
from loadtests.deployments import local
from tests.benchmarks import leaking_server

SHORT = Load(duration_s=16, warmup_s=8, idle_s=10, arrivals=15, pool=4, steps=2, every_s=0.25)
LONGER = replace(SHORT, duration_s=30)
"""A trend is seen in it although a generator stands still for five seconds, and then catches up."""


def soaked(load: Load, results: Path) -> tuple[int, str, Path]:
    console = Console(width=160)
    with console.capture() as capture:
        code = run(load, results, console)
    (samples,) = results.glob(f"soak-*/{SAMPLES}")
    return code, capture.get(), samples


@pytest.mark.servers
def test_a_deployment_that_is_sound_neither_grows_nor_keeps_anything(tmp_path: Path) -> None:
    of_others = psutil.Process().children()
    code, said, path = soaked(SHORT, tmp_path)
    assert code == 0, said
    assert "nothing grows, and all came back" in said
    samples = pq.read_table(path).to_pandas()
    assert set(samples["kind"]) == set(KINDS)
    assert set(samples["phase"]) == {"warm-up", "idle before", "load", "idle after"}
    assert (samples[samples["kind"] == "server worker"].groupby("at").size() >= 4).all()
    assert (samples["memory_bytes"] > 0).all()
    left = [each for each in psutil.Process().children() if each not in of_others]
    assert not any("gunicorn" in " ".join(each.cmdline()) for each in left)


@pytest.mark.servers
def test_servers_that_leak_are_found_and_nobody_else_is_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "SERVER", leaking_server.SERVER)
    code, said, _ = soaked(LONGER, tmp_path)
    assert code == 1, said
    faults = [line for line in said.splitlines() if line.partition(":")[0] in KINDS]
    assert {line.partition(":")[0] for line in faults} == {"server worker"}
    assert any("descriptors grew by" in line for line in faults)
    assert any("descriptors did not come back" in line for line in faults)
    assert any("memory grew by" in line for line in faults)


def test_a_length_that_cannot_be_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--duration", "soon"]) == 2
    assert "DURATION=soon is not allowed" in capsys.readouterr().err
