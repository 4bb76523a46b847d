"""The page at `/web`, driven in a real browser."""

import re
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from .conftest import Server, serving

pytestmark = [pytest.mark.servers, pytest.mark.browser]
PATIENCE = 60_000
"""Milliseconds."""


@pytest.fixture(scope="module")
def page_server() -> Iterator[Server]:
    with serving(ENABLE_WEB_INTERFACE="true", WORKERS="") as server:
        yield server


@pytest.fixture(scope="module")
def page(page_server: Server, browser: Browser) -> Page:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    for _ in range(3):
        page.goto(page_server.url)
        # On a busy machine gradio was seen to go on loading for ever, until the page is loaded again.
        with suppress(Error):
            page.get_by_role("button", name="Reset").click(trial=True, timeout=PATIENCE / 2)
            break
    return page


def test_one_resets_and_steps_by_hand(page: Page, page_server: Server) -> None:
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("body")).to_contain_text("session_hash")
    page.get_by_label("wait_seconds").fill("0.25")
    page.get_by_role("button", name="Run step").click()
    expect(page.locator("body")).to_contain_text(re.compile(r"reward\D*0\.8"))
    text = page.locator("body").inner_text()

    assert page_server.url in text
    assert re.search(r"waited_seconds\D*0\.25", text)
    state = httpx.get(f"{page_server.url}/web/state").json()
    assert state["step_count"] == 1


def test_the_page_says_what_the_environment_is_for(page: Page) -> None:
    expect(page.locator("body")).to_contain_text("An OpenEnv environment for testing infrastructure")


def test_the_environment_itself_is_served_beside_the_page(page_server: Server) -> None:
    with httpx.Client(base_url=page_server.url) as client:
        assert client.get("/health").json() == {"status": "healthy"}
        assert client.get("/metadata").json()["name"] == "benchmark_env"
        assert client.get("/schema").json()["action"]["properties"]["wait_seconds"]
        assert client.get("/state").json()["step_count"] == 0
        assert "swagger-ui" in client.get("/docs").text
        assert client.post("/step", json={"action": {}}).json()["reward"] == 1.0


def test_the_page_is_off_unless_asked_for(server: Server) -> None:
    assert httpx.get(f"{server.url}/web").status_code == 404
