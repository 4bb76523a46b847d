"""The tabs of Locust's page on a hostile server, in a real browser: its words stay words."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Error, expect

from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter
from tests.conftest import free_port
from tests.loadtests.batches import run_json
from tests.loadtests.locust_python import LocustPython
from tests.loadtests.rows import batch
from tests.reports.hostile_directories import PAYLOADS, Hostile

pytestmark = [pytest.mark.servers, pytest.mark.browser]

LONG_MS = 60_000

SERVE = """
import json, sys
from pathlib import Path
from locust import User
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.web import WebUI
import gevent
from loadtests.load.page.pulses import Pulses
from loadtests.load.page.tabs import Tabs
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamReader

path, port = json.loads(sys.argv[1])
environment = Environment(user_classes=[User], parsed_options=get_parser().parse_args([]), host="http://x")
environment.create_local_runner()
page = WebUI(environment, "127.0.0.1", port)
tabs = Tabs(environment, Pulses(environment))
directory = RunDirectory(Path(path))
tabs.begin(directory, directory.read())
for recorded in StreamReader(directory.steps.stream).read():
    tabs.add(recorded)
directory.compact()
tabs.end(directory, None)
environment.runner.state = "stopped"
gevent.sleep(300)
"""


@pytest.fixture
def page_of_a_hostile_run(tmp_path: Path) -> Iterator[str]:
    """The address of Locust's page after a run; the run's report has a script that is not its own."""
    directory = RunDirectory.create(tmp_path / "results", "ws", at=0)
    directory.write(run_json(directory.path.name, users=4, workers=2))
    hostile = Hostile()
    hostile.rewrite(directory.json_path)
    writer = StreamWriter(directory.steps.stream, STEPS)
    for payload in PAYLOADS:
        said = {"host": payload, "session_hash": payload, "generator": payload}
        writer.append(batch(said, said | {"error": payload, "error_detail": payload}))
    writer.close()
    report = {
        "status": "completed",
        "passed": False,
        "totals": {"throughput_steps_per_s": 1.0, "success_rate": 0.5},
        "latency": {},
        "slo": {"passed": False, "criteria": [{"passed": False, "sentence": hostile.text("why")}]},
        "validity": {"warnings": [], "reasons": []},
    }
    policy = "default-src 'none'; script-src 'sha256-x'"
    theirs = '<p>Seen.</p><img src="data:," onerror="window.__pwned=1"><script>window.__pwned=1</script>'
    directory.write_report(
        report, f'<!doctype html>\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n{theirs}'
    )
    port = free_port()
    locust = LocustPython("-c", SERVE, json.dumps([str(directory.path), port]))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        locust.kill()


def test_what_a_server_says_runs_nothing_on_locusts_page(
    browser: Browser, page_of_a_hostile_run: str
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(LONG_MS)
    page = context.new_page()
    dialogs: list[str] = []
    requests: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.on("request", lambda request: requests.append(request.url))
    give_up = time.monotonic() + 120
    while True:
        try:
            page.goto(page_of_a_hostile_run)
            break
        except Error:
            assert time.monotonic() < give_up
            time.sleep(0.25)
    tab = page.locator("#loadtest-tab")
    for name, table in (("Distribution", "Errors by category"), ("Runs", "Open the report")):
        page.get_by_role("tab", name=name).click()
        expect(tab).to_contain_text(table, timeout=LONG_MS)
        expect(tab).to_contain_text("window.__pwned=1", timeout=LONG_MS)
        assert page.locator(".theirs, iframe, base, object, [onerror], [onload], [autofocus]").count() == 0
        assert page.evaluate("window.__pwned") is None
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    expect(report.locator("p")).to_have_text("Seen.", timeout=LONG_MS)
    assert report.evaluate("window.__pwned") is None
    assert dialogs == []
    assert [url for url in requests if not url.startswith((page_of_a_hostile_run, "data:"))] == []
    context.close()
