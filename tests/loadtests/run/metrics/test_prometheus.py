import socket
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loadtests.errors import LoadTestError
from loadtests.run.live_statistics import LiveStatistics
from loadtests.run.metrics.meter import Meter
from loadtests.run.metrics.prometheus import served
from tests.conftest import free_port
from tests.loadtests.rows import batch
from tests.reports.sample_reports import run_json

NASTY = 'a"\\\n} 1'


def metered(folder: Path) -> Meter:
    meter, statistics = Meter(folder), LiveStatistics()
    meter.begin(run_json(2, 2))
    records = [batch({"host": NASTY}, {"host": NASTY, "latency_s": 0.3}, {"error": "timeout"})]
    statistics.update(records)
    meter.update(records, statistics.snapshot())
    return meter


def scrape(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
        text = reply.read().decode()
    return {
        (sample.name.removeprefix("openenv_loadtest_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_the_metrics_of_the_moment(tmp_path: Path) -> None:
    (tmp_path / "here:1").write_text("0.25")
    port = free_port()
    with served(metered(tmp_path), port):
        found = scrape(port)
    step = (("op", "step"), ("transport", "ws"))
    assert found["operations_total", (("error", ""), *step)] == 2
    assert found["operations_total", (("error", "timeout"), *step)] == 1
    assert found["latency_seconds_bucket", (("le", "0.1"), *step)] == 1
    assert (
        found["latency_seconds_bucket", (("le", "+Inf"), *step)] == found["latency_seconds_count", step] == 2
    )
    assert found["latency_seconds_sum", step] == pytest.approx(0.4)
    assert found["users", ()] == 1
    assert found["sessions", (("host", 'a"\\ } 1'), ("pid", "1"))] == 1
    assert found["generator_lag_seconds", (("generator", "here:1"),)] == 0.25
    [run] = [dict(labels) for name, labels in found if name == "run_info"]
    assert run["run_id"] == run_json(2, 2)["run_id"]


def test_nothing_listens_but_on_this_machine_and_nothing_after_it(tmp_path: Path) -> None:
    port = free_port()
    with served(Meter(tmp_path), port), socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        assert client.getpeername() == ("127.0.0.1", port)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=60).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=60).close()


def test_a_port_that_is_taken_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(LoadTestError, match=f"METRICS_PORT={port}: .* choose another"),
            served(Meter(tmp_path), port),
        ):
            pass
