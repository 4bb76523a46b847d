import logging
from importlib.metadata import version

import pytest

from loadtests.load.workers.introduction import introduction, refusal
from loadtests.machine import code, process_name

MASTER = {"name": "a:1", "code": "c0de", "locust": "2.47.0"}


def test_a_process_says_who_it_is_and_what_it_runs() -> None:
    assert introduction() == {"name": process_name(), "code": code(), "locust": version("locust")}
    assert refusal(introduction(), introduction()) is None


@pytest.mark.parametrize(
    ("worker", "why"),
    [
        ({"code": "other"}, "b:2 runs another version of the load test (other, the master's is c0de)"),
        ({"locust": "2.46.9"}, "b:2 has Locust 2.46.9, the master 2.47.0: install the same on both"),
        ({"locust": "3.47.0"}, "b:2 has Locust 3.47.0"),
        ({"name": "b:\x1b2", "code": "x"}, "b: 2 runs another version"),
    ],
)
def test_a_worker_of_another_version_is_refused(worker: dict[str, str], why: str) -> None:
    assert (refusal({**MASTER, "name": "b:2", **worker}, MASTER) or "").startswith(why)
    assert refusal({"name": "b:2"}, MASTER)


def test_a_patch_of_locust_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert refusal({**MASTER, "name": "b:2", "locust": "2.47.3"}, MASTER) is None
    assert caplog.messages == ["b:2 has Locust 2.47.3, the master 2.47.0"]
