import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from loadtests.run.metrics.otlp import endpoint, exported
from tests.conftest import free_port
from tests.loadtests.run.metrics.test_prometheus import metered


class Collector(HTTPServer):
    """Takes metrics as a collector does, and keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.took: list[tuple[str, ExportMetricsServiceRequest]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.took.append((self.path, ExportMetricsServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_collector_gets_the_metrics_at_the_end_at_the_latest(tmp_path: Path) -> None:
    (tmp_path / "here:1").write_text("0.25")
    told: list[str] = []
    with collector() as server:
        with exported(metered(tmp_path), server.url, told.append):
            pass
        [(path, request)] = server.took
    assert (path, told) == ("/v1/metrics", [])
    [resource] = request.resource_metrics
    assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == (
        "openenv-loadtest"
    )
    metrics = {
        metric.name.removeprefix("openenv.loadtest."): metric for metric in resource.scope_metrics[0].metrics
    }
    assert set(metrics) == {"run", "users", "sessions", "operations", "operation.duration", "generator.lag"}
    operations = metrics["operations"].sum
    assert operations.is_monotonic
    assert {
        tuple((each.key, each.value.string_value) for each in point.attributes): point.as_int
        for point in operations.data_points
    } == {
        (("openenv.operation", "step"), ("network.protocol.name", "websocket")): 2,
        (
            ("openenv.operation", "step"),
            ("network.protocol.name", "websocket"),
            ("error.type", "timeout"),
        ): 1,
    }
    [duration] = metrics["operation.duration"].histogram.data_points
    assert (duration.count, sum(duration.bucket_counts), duration.max) == (2, 2, 0.3)
    assert metrics["operation.duration"].unit == "s"
    assert metrics["generator.lag"].gauge.data_points[0].as_double == 0.25


def test_a_collector_that_is_not_there_is_told_of_once_and_harms_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    url = f"http://127.0.0.1:{free_port()}"
    with exported(metered(tmp_path), url, told.append):
        pass
    assert told == [f"OTLP={url} does not take the metrics: is a collector listening there for HTTP?"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a:4318", "http://a:4318/v1/metrics"),
        ("http://a:4318/", "http://a:4318/v1/metrics"),
        ("https://a/otlp/v1/metrics", "https://a/otlp/v1/metrics"),
    ],
)
def test_a_collector_is_named_with_or_without_the_path(url: str, expected: str) -> None:
    assert endpoint(url) == expected
