import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamReader
from tests.conftest import ROOT, free_port
from tests.loadtests.accounting import whose_lag_is_recorded
from tests.loadtests.locust_runs import wait_until
from tests.loadtests.run.metrics.test_prometheus import scrape

pytestmark = [pytest.mark.servers, pytest.mark.browser]

WHO = {"WEB_USER": "ada", "WEB_PASSWORD": "correct horse"}
PATIENCE_MS = 120_000


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield context


def test_a_test_on_the_page_is_seen_live_and_becomes_a_run_with_a_report(
    deployment: LocalDeployment, context: BrowserContext, tmp_path: Path
) -> None:
    port, metrics_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "loadtests", "webui", "--target", deployment.url, "--duration", "60"),
        *("--web-port", str(port), "--results", str(tmp_path), "--users", "40", "--processes", "2"),
        *("--web-login", "1", "--tag", "nightly", "--metrics-port", str(metrics_port), "--slo-p99", "60"),
    ]
    served = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | WHO,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        page = context.new_page()
        faults = watch(page)
        log_in(page, url)
        start(page, {"wait": "0.1"}, run_time="600s")
        see_the_distribution(page)
        wait_until(lambda: lags_so_far(tmp_path) == 2)
        page.get_by_role("button", name="Stop").first.click()
        report_is_opened(page)
        saved = downloaded(page, tmp_path)
        metrics = metrics_of(metrics_port, lines(saved["steps.csv"]))
        workers_are_back(page, url)
        page.get_by_role("button", name="New").first.click()
        localhost = deployment.url.replace("127.0.0.1", "localhost")
        start(page, {"shape": "steps:4"}, run_time="8s", host=localhost)
        page.get_by_role("tab", name="Runs").click()
        expect(page.get_by_role("link", name="Open the report")).to_have_count(2)
        assert faults == []
        workers_are_back(page, url)  # Locust tells only those to quit: the others would wait a minute for it
    finally:
        served.send_signal(signal.SIGINT)
        output, _ = served.communicate(timeout=200)
    assert url in output
    assert WHO["WEB_PASSWORD"] not in output

    first, second = (RunDirectory(path.parent) for path in sorted(tmp_path.glob("*/run.json")))
    run, report = first.read(), json.loads(first.report_json.read_text())
    config = run["config"]
    assert (run["status"], config["wait"], config["users"], config["duration_s"]) == (
        "completed",
        "0.1",
        40,
        600,
    )
    assert (config["url"], config["processes"]) == (deployment.url, 2)
    assert run["stopped_on_page"]
    assert config["tags"] == ["nightly"]
    assert first.path.name in (tmp_path / "index.html").read_text()
    assert report["passed"]
    warnings = {warning["code"] for warning in report["validity"]["warnings"]}
    assert "stopped_early" in warnings
    assert "shorter_than_planned" not in warnings
    rows = first.read_steps().num_rows
    assert rows >= 40
    assert sum(value for (name, _), value in metrics.items() if name == "operations_total") == rows
    assert metrics["users", ()] == 40
    assert [pq.read_metadata(saved["steps.parquet"]).num_rows, lines(saved["steps.csv"])] == [rows, rows]
    assert json.loads(saved["report.json"].read_text()) == report
    assert set(first.resources.read()["role"].to_pylist()) == {"generator", "others"}
    assert whose_lag_is_recorded(first) == set(first.read_steps()["generator"].to_pylist())

    changed = second.read()["config"]
    assert (changed["url"], changed["duration_s"]) == (localhost, 8)
    assert (config.get("shape"), changed.get("shape")) == (None, "steps:4")
    connects = second.read_steps().to_pandas().query("op == 'connect'")
    since_start = connects["started_at"] - second.read()["started_at"]
    # A quarter of the 40 users comes every two seconds, not all at once.
    assert sum(since_start < 5.5) <= 30
    assert 10 < len(connects) <= 40


def watch(page: Page) -> list[str]:
    """What goes wrong on the page from now on."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    return faults


def log_in(page: Page, url: str) -> None:
    for _ in range(240):
        try:
            page.goto(url)
            break
        except Exception:
            time.sleep(0.25)
    page.locator("input[name=username]").fill(WHO["WEB_USER"])
    page.locator("input[name=password]").fill(WHO["WEB_PASSWORD"])
    page.get_by_role("button", name="Login").click()


def start(page: Page, parameters: dict[str, str], *, run_time: str, host: str | None = None) -> None:
    form = page.locator("form").last
    form.get_by_text("Advanced options").click()
    form.locator("input[name=runTime]").fill(run_time)
    if host is not None:
        form.locator("input[name=host]").fill(host)
    if parameters:
        form.get_by_text("Custom parameters").click()
    for name, value in parameters.items():
        form.locator(f"input[name={name}]").fill(value)
    form.get_by_role("button", name="Start").click()


def see_the_distribution(page: Page) -> None:
    page.get_by_role("tab", name="Distribution").click()
    answer = page.locator("#loadtest-tab .answer")
    expect(answer.filter(has_text="Are sessions kept apart?")).to_contain_text("Yes, so far")
    expect(answer.filter(has_text="Is the load spread evenly?")).to_contain_text("40 on 4 of 4")
    expect(answer.filter(has_text="Do operations succeed?")).to_contain_text("All, so far")
    workers = page.locator("#loadtest-tab table").filter(has_text="Workers: sessions and steps")
    expect(workers.locator("tbody tr")).to_have_count(4)
    steps = workers.locator("tbody tr").first.locator("td").nth(3)
    before = steps.inner_text()
    expect(steps).not_to_have_text(before)  # it is live
    processes = page.locator("#loadtest-tab table").filter(has_text="Locust's own processes")
    expect(processes.locator("tbody tr")).to_have_count(3)


def report_is_opened(page: Page) -> None:
    page.get_by_role("tab", name="Runs").click()
    expect(page.locator("#loadtest-tab .run.good")).to_contain_text("passed")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    faults = watch(report)
    report.reload()
    expect(report.locator("main#content h2").filter(has_text="Distribution")).to_be_visible()
    report.get_by_role("button", name="Switch to the dark theme").click()  # its script may run
    assert faults == []
    report.close()


def downloaded(page: Page, folder: Path) -> dict[str, Path]:
    saved = {}
    for name in ("steps.parquet", "steps.csv", "report.json"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        saved[name] = folder / download.value.suggested_filename
        download.value.save_as(saved[name])
    return saved


def lags_so_far(results: Path) -> int:
    """Of how many generators it is recorded by now how late they were."""
    (stream,) = results.glob("*/resources.arrows")
    rows = [row for batch in StreamReader(stream).read() for row in batch.to_pylist()]
    return len({row["name"] for row in rows if row["lag_s"] is not None})


def metrics_of(port: int, rows: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The metrics when all rows of a test that is over are in them."""
    found = {}

    def are_complete() -> bool:
        found.update(scrape(port))
        return sum(value for (name, _), value in found.items() if name == "operations_total") >= rows

    wait_until(are_complete)
    return found


def workers_are_back(page: Page, url: str) -> None:
    """Locust's workers leave after each test, and its page sees only when it loads that they are back."""
    wait_until(lambda: page.request.get(f"{url}/worker-count").json()["worker_count"] == 2)
    page.goto(url)


def lines(path: Path) -> int:
    with path.open(newline="") as file:
        return sum(1 for _ in csv.DictReader(file))
