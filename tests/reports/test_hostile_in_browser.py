"""Reports on a hostile server in a real browser: its words stay words, and otherwise would not run.

The first wall is escaping, the second the content security policy of each page.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page

from tests.reports.hostile_directories import write_pages

pytestmark = pytest.mark.browser

KINDS = ("run", "experiment", "comparison of runs", "comparison of experiments", "index")

WATCH = """
window.__refused = [];
document.addEventListener("securitypolicyviolation", (event) => __refused.push(event.effectiveDirective));
"""

THEIRS = """
() => [...document.querySelectorAll("*")].filter((element) =>
  element.matches(".theirs, iframe, object, embed, base, form, [srcdoc], [autofocus], [http-equiv=refresh]")
  || element.getAttributeNames().some((name) => name.startsWith("on"))
  || /^(?!data:)[^/?#]*:/.test(element.getAttribute("href") ?? element.getAttribute("xlink:href") ?? "")
).map((element) => element.outerHTML.slice(0, 100))
"""
"""What no page of ours has: elements, handlers and addresses that only a payload makes."""

MORE = """
<script>window.__pwned = 1</script>
<script src="{lure}/script.js"></script>
<img src="data:," onerror="window.__pwned = 1">
<svg onload="window.__pwned = 1"></svg>
<img src="{lure}/image.png">
<link rel="stylesheet" href="{lure}/sheet.css">
<style>@import "{lure}/import.css"; main {{ background: url({lure}/background.png) }}</style>
<iframe src="{lure}/frame.html"></iframe>
<iframe srcdoc="<script>parent.__pwned = 1</script>"></iframe>
<object data="{lure}/object"></object>
<base href="{lure}/base/">
<form action="{lure}/form"><button id="their-form">send</button></form>
<a id="their-link" href="javascript:void(window.__pwned = 1)">a link</a>
<button id="their-button" onclick="window.__pwned = 1">a button</button>
"""
"""What a payload that got past the escaping could be."""


@dataclass
class Seen:
    """A page, and what went on while it was used."""

    page: Page
    uri: str
    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def refuse(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def requested(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("data:", "about:"))]


@contextmanager
def opened(browser: Browser, path: Path) -> Iterator[Seen]:
    """The page as it is once all of it was shown, pointed at and focused."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    seen = Seen(page, path.as_uri())
    page.on("dialog", seen.refuse)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.faults.append(str(error)))
    page.add_init_script(WATCH)
    try:
        page.goto(seen.uri)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        for drawing in page.locator("figure .wide svg:visible").all():
            drawing.scroll_into_view_if_needed()
            drawing.hover(force=True)
        page.evaluate("document.querySelectorAll('a, button, [tabindex]').forEach((each) => each.focus())")
        yield seen
    finally:
        page.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_pages(tmp_path_factory.mktemp("results"))


@pytest.fixture
def lure() -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_server_says_runs_nothing_loads_nothing_and_makes_no_element(
    browser: Browser, pages: dict[str, Path], kind: str
) -> None:
    with opened(browser, pages[kind]) as seen:
        page = seen.page
        assert page.locator("body").inner_text().count("window.__pwned=1") > 5
        assert page.evaluate("window.__pwned") is None
        assert page.evaluate(THEIRS) == []
        assert page.evaluate("window.__refused") == []
        assert (seen.dialogs, seen.faults, seen.requested()) == ([], [], [seen.uri])
        assert page.url.partition("#")[0] == seen.uri


REFUSED = [
    "script-src-elem", "script-src-attr", "img-src", "style-src-elem", "frame-src", "object-src",
    "form-action", "base-uri",
]  # fmt: skip
"""What the policy has to refuse of these."""


def use(page: Page) -> None:
    """Clicks what needs a click to run; returns when everything was refused."""
    for name in ("#their-button", "#their-link", "#their-form"):
        page.locator(name).dispatch_event("click")
    page.wait_for_function("(all) => all.every((each) => __refused.includes(each))", arg=REFUSED)


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_of_a_page_lets_nothing_run_or_load_that_is_not_its_own(
    browser: Browser, pages: dict[str, Path], kind: str, tmp_path: Path, lure: tuple[str, list[str]]
) -> None:
    url, asked = lure
    text = pages[kind].read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("</main>", MORE.format(lure=url) + "</main>", 1), encoding="utf-8")
    with opened(browser, broken) as seen:
        use(seen.page)
        assert seen.page.evaluate("window.__pwned") is None
        assert seen.page.url.partition("#")[0] == seen.uri
        assert seen.page.locator("button.theme").is_visible()  # our own script has run
    assert asked == []
    assert seen.dialogs == []


def test_without_the_policy_it_would_run_and_load(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, lure: tuple[str, list[str]]
) -> None:
    url, asked = lure
    head, policy, rest = pages["index"].read_text(encoding="utf-8").partition('<meta http-equiv="Content-')
    broken = tmp_path / "broken.html"
    text = head + rest.partition(">")[2].replace("</main>", MORE.format(lure=url) + "</main>", 1)
    broken.write_text(text, encoding="utf-8")
    with opened(browser, broken) as seen:
        assert policy
        assert seen.page.evaluate("window.__pwned") == 1
        assert {"/script.js", "/image.png", "/frame.html"} <= set(asked)
