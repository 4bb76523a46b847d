import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from tests.conftest import ROOT, free_port

pytestmark = [pytest.mark.servers, pytest.mark.browser]


def test_a_test_started_on_the_page_becomes_a_run_with_a_report(
    deployment: LocalDeployment, chromium_path: str, tmp_path: Path
) -> None:
    port = free_port()
    command = [
        *(sys.executable, "-m", "loadtests", "webui", "--target", deployment.url, "--duration", "60"),
        *("--web-port", str(port), "--results", str(tmp_path), "--users", "4"),
        *("--tag", "nightly"),
    ]
    served = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
            page = browser.new_page()
            for _ in range(120):
                try:
                    page.goto(f"http://127.0.0.1:{port}")
                    break
                except Exception:
                    time.sleep(0.5)
            page.get_by_text("Custom parameters").click()
            page.locator("input[name=wait]").fill("0.02")
            page.get_by_role("button", name="Start", exact=False).click()
            time.sleep(5)
            page.get_by_role("button", name="Stop", exact=False).first.click()
            browser.close()
        deadline = time.monotonic() + 60
        while not (reports := list(tmp_path.glob("*/report.html"))):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        served.send_signal(signal.SIGINT)
        output, _ = served.communicate(timeout=60)
    directory = RunDirectory(reports[0].parent)
    run = directory.read()
    assert (run["status"], run["config"]["wait"], run["config"]["users"]) == ("completed", "0.02", 4)
    assert run["stopped_on_page"]
    assert run["config"]["tags"] == ["nightly"]
    assert directory.path.name in (tmp_path / "index.html").read_text()
    assert json.loads(directory.report_json.read_text())["passed"]
    warnings = {
        warning["code"] for warning in json.loads(directory.report_json.read_text())["validity"]["warnings"]
    }
    assert "stopped_early" in warnings
    assert "shorter_than_planned" not in warnings
    assert directory.read_steps().num_rows > 100
    assert set(directory.resources.read()["role"].to_pylist()) == {"generator", "others"}
    assert f"http://127.0.0.1:{port}" in output
