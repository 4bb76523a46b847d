"""Metrics for Prometheus, served on 127.0.0.1 with its own client library."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from loadtests.deployments.ports import LOOPBACK
from loadtests.errors import LoadTestError
from loadtests.run.metrics.meter import BOUNDS, Latency, Meter

_PREFIX = "openenv_loadtest"


class MeterCollector(Collector):
    """Shows a meter's reading each time that Prometheus asks."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        reading = self._meter.read()
        run = InfoMetricFamily(f"{_PREFIX}_run", "The run that is going on, or was the last.")
        if reading.run:
            run.add_metric([], dict(reading.run))
        yield run
        yield GaugeMetricFamily(
            f"{_PREFIX}_users", "Simulated users of the run that have operated so far.", value=reading.users
        )
        sessions = GaugeMetricFamily(
            f"{_PREFIX}_sessions",
            "Sessions of the run on each worker that answered; over HTTP, users.",
            labels=["host", "pid"],
        )
        for (host, pid), number in reading.sessions.items():
            sessions.add_metric([host, "" if pid is None else str(pid)], number)
        yield sessions
        operations = CounterMetricFamily(
            f"{_PREFIX}_operations",
            "Operations that have ended; error is empty where they succeeded.",
            labels=["op", "transport", "error"],
        )
        for operation, number in reading.operations.items():
            operations.add_metric(list(operation), number)
        yield operations
        latency = HistogramMetricFamily(
            f"{_PREFIX}_latency_seconds", "Latency of successful operations.", labels=["op", "transport"]
        )
        for kind, found in reading.latencies.items():
            latency.add_metric(list(kind), _cumulative(found), sum_value=found.sum)
        yield latency
        lag = GaugeMetricFamily(
            f"{_PREFIX}_generator_lag_seconds",
            "How late a generator process's event loop was at worst in its last second.",
            labels=["generator"],
        )
        for generator, seconds in reading.lags.items():
            lag.add_metric([generator], seconds)
        yield lag


@contextmanager
def served(meter: Meter, port: int) -> Iterator[None]:
    """Serves the meter's metrics on 127.0.0.1:`port`. Raises LoadTestError where nothing can listen there."""
    registry = CollectorRegistry()
    registry.register(MeterCollector(meter))
    try:
        server, thread = start_http_server(port, LOOPBACK, registry)
    except OSError as error:
        raise LoadTestError(
            f"METRICS_PORT={port}: cannot listen on {LOOPBACK}: {error.strerror}; choose another port"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _cumulative(latency: Latency) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each counts all that are smaller too."""
    names = [*(f"{bound:g}" if bound < 1 else f"{bound:.1f}" for bound in BOUNDS), "+Inf"]
    return list(zip(names, map(float, np.cumsum(latency.counts)), strict=True))
