"""Metrics for OpenTelemetry, sent over OTLP to a collector every few seconds, where its SDK is installed."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from loadtests.places import version
from loadtests.run.metrics.meter import BOUNDS, Meter, Reading

EXPORT_SECONDS = 5.0
_TIMEOUT_SECONDS = 3.0
_PROTOCOLS = {"ws": "websocket", "http": "http"}

Attributes = Mapping[str, str | int]


@contextmanager
def exported(meter: Meter, url: str, say: Callable[[str], None]) -> Iterator[None]:
    """Sends the meter's metrics to `url` every few seconds, and a last time at the end.

    A collector that does not answer is told of once, and does not hold the load up.
    """
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    logging.getLogger("opentelemetry").propagate = False
    exporter = _Exporter(meter, url, say)
    exporter.start()
    try:
        yield
    finally:
        exporter.stop()


def endpoint(url: str) -> str:
    """Where metrics go on a collector that is named without a path, as OTEL_EXPORTER_OTLP_ENDPOINT is."""
    return url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/v1/metrics"


class _Exporter(threading.Thread):
    def __init__(self, meter: Meter, url: str, say: Callable[[str], None]) -> None:
        super().__init__(name="otlp", daemon=True)
        self._meter = meter
        self._url = url
        self._say = say
        self._exporter = OTLPMetricExporter(endpoint(url), timeout=_TIMEOUT_SECONDS)
        self._resource = Resource.create(
            {
                "service.name": "openenv-loadtest",
                "service.version": version(),
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        )
        self._began_ns = time.time_ns()
        self._ending = threading.Event()
        self._failed = False

    def run(self) -> None:
        while not self._ending.wait(EXPORT_SECONDS):
            self._export()
        self._export()

    def stop(self) -> None:
        self._ending.set()
        self.join()
        self._exporter.shutdown()

    def _export(self) -> None:
        data = metrics_data(self._meter.read(), self._resource, self._began_ns, time.time_ns())
        if self._exporter.export(data) is not MetricExportResult.SUCCESS and not self._failed:
            self._failed = True
            self._say(f"OTLP={self._url} does not take the metrics: is a collector listening there for HTTP?")


def metrics_data(reading: Reading, resource: Resource, began_ns: int, now_ns: int) -> MetricsData:
    """A reading as OpenTelemetry has it: counts since `began_ns`, names as its conventions ask."""

    def points(values: Sequence[tuple[Attributes, float]]) -> list[NumberDataPoint]:
        return [NumberDataPoint(attributes, began_ns, now_ns, value) for attributes, value in values]

    run = {f"openenv.{name.replace('_', '.')}": value for name, value in reading.run.items()}
    operations = [
        (_of_operation(each.op, each.transport) | ({"error.type": each.error} if each.error else {}), number)
        for each, number in reading.operations.items()
    ]
    sessions = [
        ({"server.address": host} | ({} if pid is None else {"process.pid": pid}), number)
        for (host, pid), number in reading.sessions.items()
    ]
    durations = [
        HistogramDataPoint(
            attributes=_of_operation(*kind),
            start_time_unix_nano=began_ns,
            time_unix_nano=now_ns,
            count=latency.count,
            sum=latency.sum,
            bucket_counts=latency.counts.tolist(),
            explicit_bounds=BOUNDS,
            min=latency.least,
            max=latency.most,
        )
        for kind, latency in reading.latencies.items()
    ]
    lags = [({"openenv.generator": name}, seconds) for name, seconds in reading.lags.items()]
    cumulative = AggregationTemporality.CUMULATIVE

    def sums(values: Sequence[tuple[Attributes, float]], *, only_grow: bool) -> Sum:
        return Sum(points(values), cumulative, is_monotonic=only_grow)

    metrics = [
        _metric("run", "The run that is going on, or was the last.", "1", Gauge(points([(run, 1)]))),
        _metric(
            "users",
            "Users of the run that have operated.",
            "{user}",
            sums([({}, reading.users)], only_grow=False),
        ),
        _metric("sessions", "Sessions on each worker.", "{session}", sums(sessions, only_grow=False)),
        _metric("operations", "Operations that have ended.", "{operation}", sums(operations, only_grow=True)),
        _metric(
            "operation.duration", "Latency of successful operations.", "s", Histogram(durations, cumulative)
        ),
        _metric(
            "generator.lag",
            "How late a generator process's event loop was at worst in its last second.",
            "s",
            Gauge(points(lags)),
        ),
    ]
    scope = ScopeMetrics(InstrumentationScope("openenv_loadtest", version()), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(name: str, description: str, unit: str, data: Sum | Gauge | Histogram) -> Metric:
    return Metric(f"openenv.loadtest.{name}", description, unit, data)


def _of_operation(op: str, transport: str) -> dict[str, str]:
    return {"openenv.operation": op, "network.protocol.name": _PROTOCOLS.get(transport, transport)}
