import platform

from loadtests.machine import machine, versions


def test_the_machine_is_described() -> None:
    described = machine()
    assert described["hostname"] == platform.node()
    assert described["cores"] >= 1
    assert described["memory_bytes"] > 100e6
    assert described["cpu_model"]


def test_versions_are_of_what_makes_the_load() -> None:
    assert {"python", "locust", "websockets", "pyarrow"} <= versions().keys()
