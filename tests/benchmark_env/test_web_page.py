"""The page at `/web`, driven in a real browser."""

import re
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from .conftest import PATIENCE, Server, serving

pytestmark = [pytest.mark.servers, pytest.mark.browser]
PATIENCE_MS = PATIENCE * 1000


@pytest.fixture(scope="module")
def page_server() -> Iterator[Server]:
    with serving(ENABLE_WEB_INTERFACE="true", WORKERS="") as server:
        yield server


@pytest.fixture(scope="module")
def page(page_server: Server, browser: Browser) -> Page:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    for _ in range(3):
        # On a busy machine gradio was seen to go on loading for ever, until the page is loaded again.
        with suppress(Error):
            page.goto(page_server.url)
            page.get_by_role("button", name="Reset").click(trial=True, timeout=PATIENCE_MS / 2)
            break
    return page


def test_one_resets_and_steps_by_hand(page: Page, page_server: Server) -> None:
    body = page.locator("body")
    page.get_by_role("button", name="Reset").click()
    expect(body).to_contain_text("new episode")
    expect(body).to_contain_text("session_hash")
    page.get_by_label("wait_seconds").fill("0.25")
    page.get_by_role("button", name="Run step").click()

    expect(body).to_contain_text(re.compile(r"reward\D*0\.8"))
    expect(body).to_contain_text(re.compile(r"waited_seconds\D*0\.25"))
    expect(body).to_contain_text(page_server.url)
    assert page_server.get("/web/state").json()["step_count"] == 1


def test_the_page_says_what_the_environment_is_for(page: Page) -> None:
    expect(page.locator("body")).to_contain_text("An OpenEnv environment for testing infrastructure")


def test_the_environment_itself_is_served_beside_the_page(page_server: Server) -> None:
    with httpx.Client(base_url=page_server.url, timeout=PATIENCE) as client:
        assert client.get("/health").json() == {"status": "healthy"}
        assert client.get("/metadata").json()["name"] == "benchmark_env"
        assert client.get("/schema").json()["action"]["properties"]["wait_seconds"]
        assert client.get("/state").json()["step_count"] == 0
        assert "swagger-ui" in client.get("/docs").text
        assert client.post("/step", json={"action": {}}).json()["reward"] == 1.0


def test_the_page_is_off_unless_asked_for(server: Server) -> None:
    assert server.get("/web").status_code == 404
