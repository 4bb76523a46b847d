"""Where the results of a command go besides its report: metrics while it runs, files at its end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loadtests.deployments.ports import LOOPBACK, check_free
from loadtests.errors import LoadTestError
from loadtests.scratch import scratch_folder
from loadtests.settings import whole
from reports.outputs.files import NO_FILES, OutputFiles

if TYPE_CHECKING:
    from loadtests.run.metrics.meter import Meter


@dataclass(frozen=True)
class Outlets:
    """What a command feeds; by default nothing but its report."""

    files: OutputFiles = NO_FILES
    meter: "Meter | None" = None


NO_OUTLETS = Outlets()


@contextmanager
def open_outlets(values: Mapping[str, str | None], say: Callable[[str], None]) -> Iterator[Outlets]:
    """The outlets that the settings ask for, open until the command ends.

    Raises LoadTestError or RunDirectoryError for what a person can fix, before anything is under load.
    """
    files = OutputFiles.named(values.get("JUNIT"), values.get("SUMMARY"))
    files.prepare()
    port, collector = values["METRICS_PORT"] or "", values["OTLP"] or ""
    if not port and not collector:
        yield Outlets(files)
        return
    with ExitStack() as stack:
        if port:
            check_free(whole({"METRICS_PORT": port}, "METRICS_PORT", 1, 65535), "METRICS_PORT")
        if collector:
            _check_collector(collector)
        from loadtests.run.metrics.meter import Meter

        meter = Meter(Path(stack.enter_context(scratch_folder())))
        if port:
            from loadtests.run.metrics.prometheus import served

            stack.enter_context(served(meter, int(port)))
            say(f"metrics for Prometheus are on http://{LOOPBACK}:{port}/metrics")
        if collector:
            from loadtests.run.metrics.otlp import endpoint, exported

            stack.enter_context(exported(meter, collector, say))
            say(f"metrics go to {endpoint(collector)}")
        yield Outlets(files, meter)


def _check_collector(url: str) -> None:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise LoadTestError(
            f"OTLP={url} is not the URL of a collector: give one such as http://127.0.0.1:4318"
        )
    if parts.username or parts.password:
        raise LoadTestError(
            "OTLP=… holds a name or a password, which others could read: give what the collector asks for in "
            "the variable OTEL_EXPORTER_OTLP_HEADERS"
        )
    try:
        import loadtests.run.metrics.otlp  # noqa: F401
    except ImportError as error:
        raise LoadTestError(
            f"OTLP={url} needs OpenTelemetry's SDK, which is not installed ({error}): "
            "pip install 'openenv-loadtest[otlp]'"
        ) from None
