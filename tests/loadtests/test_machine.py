import os
import platform
from pathlib import Path

import pytest

from loadtests.machine import code, machine, machine_of, process_name, versions


def test_the_machine_is_described() -> None:
    described = machine()
    assert described["hostname"] == platform.node()
    assert described["cores"] >= 1
    assert described["memory_bytes"] > 100e6
    assert described["cpu_model"]


def test_versions_are_of_what_makes_the_load() -> None:
    assert {"python", "locust", "websockets", "pyarrow"} <= versions().keys()


def test_processes_are_named_by_their_machine_and_their_number() -> None:
    assert process_name(7) == f"{platform.node()}:7"
    assert process_name().endswith(f":{os.getpid()}")
    assert machine_of("a:b:7") == "a:b"


def test_code_that_differs_has_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {code()}
    for text in ("a = 1", "a = 2"):
        (tmp_path / "loadtests" / "load").mkdir(parents=True, exist_ok=True)
        (tmp_path / "loadtests" / "load" / "users.py").write_text(text)
        monkeypatch.setattr("loadtests.machine.PACKAGES", tmp_path)
        hashes.add(code.__wrapped__())
    assert len(hashes) == 3
