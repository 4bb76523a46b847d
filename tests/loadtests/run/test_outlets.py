import json
import sys
import time
from pathlib import Path

import pytest

from loadtests.__main__ import main
from loadtests.deployments.local import LocalDeployment
from loadtests.errors import LoadTestError
from loadtests.run.outlets import NO_OUTLETS, open_outlets
from tests.conftest import free_port
from tests.loadtests.harness import Harness
from tests.loadtests.run.metrics.test_prometheus import scrape
from tests.reports.outputs.junit_schema import checked, results

NOTHING: dict[str, str | None] = {"JUNIT": "", "SUMMARY": None, "METRICS_PORT": "", "OTLP": ""}


def test_nothing_is_open_where_nothing_is_asked_for() -> None:
    told: list[str] = []
    with open_outlets(NOTHING, told.append) as outlets:
        assert outlets == NO_OUTLETS
    assert told == []


def test_a_command_says_where_its_metrics_are_and_leaves_nothing_behind() -> None:
    told: list[str] = []
    port = free_port()
    with open_outlets({**NOTHING, "METRICS_PORT": str(port)}, told.append) as outlets:
        assert outlets.meter is not None
        assert outlets.meter.lag_folder.is_dir()
        assert scrape(port)["users", ()] == 0
    assert told == [f"metrics for Prometheus are on http://127.0.0.1:{port}/metrics"]
    assert not outlets.meter.lag_folder.exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--metrics-port", "0", "METRICS_PORT=0 is not allowed: give a whole number from 1 to 65535"),
        ("--otlp", "here:4318", "OTLP=here:4318 is not the URL of a collector: give one such as http://"),
        ("--otlp", "http://[", "OTLP=http://[ is not the URL of a collector"),
        ("--otlp", "http://me:secret@here", "OTLP=… holds a name or a password, which others could read"),
        ("--summary", "/nowhere/summary.md", "/nowhere is not a folder; make it, or name a file elsewhere"),
    ],
)
@pytest.mark.parametrize("command", ["run", "scaling", "capacity"])
def test_what_cannot_be_is_refused_before_anything_is_under_load(
    command: str, option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, option, value]) == 2
    assert message in capsys.readouterr().err


def test_without_opentelemetry_its_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "loadtests.run.metrics.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics.export", None)
    wanted = {**NOTHING, "OTLP": "http://127.0.0.1:4318"}
    with (
        pytest.raises(LoadTestError, match=r"not installed .*: pip install 'openenv-loadtest\[otlp\]'"),
        open_outlets(wanted, print),
    ):
        pass


@pytest.mark.servers
def test_a_run_shows_its_metrics_while_it_goes_on_and_a_missed_objective_to_everyone(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    port = free_port()
    load = ["--users", "8", "--duration", "10", "--wait", "0.1", "--processes", "2", "--slo-p99", "0.001"]
    files = ["--junit", str(tmp_path / "junit.xml"), "--summary", str(tmp_path / "summary.md")]
    target = ["--target", deployment.url, "--results", str(tmp_path / "results")]
    process = Harness("run", *target, *load, *files, "--metrics-port", str(port), "--tag", "nightly,main")
    try:
        found: dict[str, float] = {}
        names = {"operations_total", "sessions", "generator_lag_seconds"}
        while not names <= found.keys() or found.get("users") != 8:
            assert process.goes_on()
            time.sleep(0.1)
            try:
                found = {name: value for (name, _), value in scrape(port).items()}
            except OSError:
                continue
        assert 0 <= found["generator_lag_seconds"] < 60
        done = process.wait(200)
    finally:
        process.kill()
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    (path,) = (tmp_path / "results").glob("*/run.json")
    assert json.loads(path.read_text())["config"]["tags"] == ["nightly", "main"]
    assert f'href="{path.parent.name}/report.html"' in (tmp_path / "results" / "index.html").read_text()
    suite = results(checked((tmp_path / "junit.xml").read_text()))
    assert suite == {
        "success rate": "passed",
        "p99 of total time": "failure",
        "isolation": "passed",
        "validity": "passed",
    }
    assert (tmp_path / "summary.md").read_text().startswith("## Load test failed: 8 WebSocket users on http")
