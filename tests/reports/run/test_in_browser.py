"""Reports in a real browser: nothing fails, is fetched or overflows; tables sort and themes switch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.reports import sample_reports

pytestmark = pytest.mark.browser

REPORTS = {
    "normal": sample_reports.normal,
    "with_errors": sample_reports.with_errors,
    "with_faults": sample_reports.with_faults,
    "hostile": sample_reports.hostile,
    "unknown_hosts": sample_reports.unknown_hosts,
    "turned_away": sample_reports.turned_away,
    "failed_steps": sample_reports.failed_steps,
    "without_steps": sample_reports.without_steps,
}

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgb = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const light = (colour) => {
    const part = (at) => {
      const c = rgb(colour)[at] / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2);
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (rgb(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const seen = [...document.querySelectorAll("main *")].filter((element) => element.checkVisibility());
  const words = (node) => node.nodeType === 3 && node.data.trim();
  const written = seen.filter((element) => [...element.childNodes].some(words));
  const faults = [];
  for (const element of written) {
    const style = getComputedStyle(element);
    const [one, other] = [light(element.closest("svg") ? style.fill : style.color), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faults.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return { checked: written.length, faults };
}
"""

CLIPPED_WORDS = """
() => [...document.querySelectorAll("figure svg")]
  .filter((svg) => svg.checkVisibility())
  .flatMap((svg) => {
    const box = svg.closest("figure").getBoundingClientRect();
    return [...svg.querySelectorAll("text")].filter((text) => {
      const own = text.getBoundingClientRect();
      return own.left < box.left - 1 || own.right > box.right + 1;
    }).map((text) => text.textContent);
  })
"""


@dataclass
class Watched:
    """A page and everything that went wrong on it."""

    page: Page
    uri: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, make in REPORTS.items():
        (folder / f"{name}.html").write_text(sample_reports.page(make), encoding="utf-8")
    return folder


def watch(browser: Browser, path: Path, width: int, scheme: str, script: bool = True) -> Watched:
    page = browser.new_page(
        viewport={"width": width, "height": 844 if width < 500 else 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
    )
    watched = Watched(page, path.as_uri())
    page.on("console", lambda message: watched.faults.append(message.text))
    page.on("pageerror", lambda error: watched.faults.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.goto(watched.uri)
    return watched


def assert_loads_cleanly_and_fits(watched: Watched) -> None:
    """In both themes nothing fails, overflows, is fetched, cut off or too faint; then closes the page."""
    page = watched.page
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert page.evaluate(CLIPPED_WORDS) == []
        contrast = page.evaluate(CONTRAST)
        assert contrast["checked"] > 50
        assert contrast["faults"] == []
    assert page.evaluate("window.hacked") is None
    assert watched.faults == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [watched.uri]
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_loads_cleanly_and_fits(
    browser: Browser, pages: Path, name: str, width: int, scheme: str
) -> None:
    watched = watch(browser, pages / f"{name}.html", width, scheme)
    assert_loads_cleanly_and_fits(watched)


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", ["normal", "with_errors", "unknown_hosts"])
def test_the_four_answers_are_on_the_first_screen(
    browser: Browser, pages: Path, name: str, width: int
) -> None:
    page = watch(browser, pages / f"{name}.html", width, "light").page
    lowest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.answer')]"
        ".map((each) => each.getBoundingClientRect().bottom))"
    )
    assert lowest <= page.evaluate("innerHeight")
    page.close()


def test_a_table_sorts_by_click_and_by_keyboard(browser: Browser, pages: Path) -> None:
    page = watch(browser, pages / "normal.html", 1440, "light").page
    table = page.locator("#latency table").first
    heading = table.locator("thead th").filter(has_text="p99").first
    names = table.locator("tbody th")

    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert names.all_text_contents() == ["total", "step", "connect", "overhead", "reset"]

    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert names.all_text_contents() == ["reset", "overhead", "connect", "step", "total"]

    table.locator("thead button").first.focus()
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") is None
    assert names.all_text_contents() == ["connect", "overhead", "reset", "step", "total"]
    page.close()


def test_what_is_unknown_sorts_last_both_ways(browser: Browser, pages: Path) -> None:
    page = watch(browser, pages / "with_errors.html", 1440, "light").page
    page.locator("details summary").click()
    table = page.locator("#distribution details table").nth(1)
    process = table.locator("thead th").filter(has_text="Process")
    for order in ("descending", "ascending"):
        process.locator("button").click()
        assert process.get_attribute("aria-sort") == order
        assert table.locator("tbody tr").last.locator("td").first.text_content() == "none seen"
    page.close()


def test_the_theme_follows_the_system_until_switched_and_is_remembered(browser: Browser, pages: Path) -> None:
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.goto((pages / "normal.html").as_uri())
    ground = "getComputedStyle(document.body).backgroundColor"
    line = "getComputedStyle(document.querySelector('#latency svg path[style*=\"--blue\"]')).stroke"
    light = page.evaluate(ground), page.evaluate(line)

    page.get_by_role("button", name="Switch to the dark theme").click()
    dark = page.evaluate(ground), page.evaluate(line)
    assert dark[0] != light[0]
    assert dark[1] != light[1]

    page.reload()
    page.wait_for_function(f"{ground} === '{dark[0]}'")
    page.get_by_role("button", name="Switch to the light theme").click()
    assert page.evaluate(ground) == light[0]
    context.close()


def test_pages_that_are_open_follow_the_theme(browser: Browser, pages: Path) -> None:
    context = browser.new_context(color_scheme="light")
    page, other = context.new_page(), context.new_page()
    for each, name in ((page, "normal"), (other, "with_errors")):
        each.goto((pages / f"{name}.html").as_uri())
    page.get_by_role("button", name="Switch to the dark theme").click()
    other.get_by_role("button", name="Switch to the light theme").click()
    page.get_by_role("button", name="Switch to the dark theme").wait_for()
    context.close()


def test_the_theme_switches_where_nothing_can_be_stored(browser: Browser, pages: Path) -> None:
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', "
        "{ get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    page.goto((pages / "normal.html").as_uri())
    page.get_by_role("button", name="Switch to the dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert faults == []
    page.close()


def test_a_pointer_on_one_time_line_reads_all_of_them_at_the_same_instant(
    browser: Browser, pages: Path
) -> None:
    watched = watch(browser, pages / "with_errors.html", 1440, "light")
    page = watched.page
    stacked = page.locator("#throughput .wide").first
    stacked.locator("svg").hover(position={"x": 300, "y": 100})
    reading = stacked.locator(".reading")
    assert "since the start" in reading.locator("p").inner_text()
    assert reading.locator("dt").all_inner_texts() == ["Steps per second", "Failures per second", "Users"]
    places = stacked.locator("svg .hair").evaluate_all(
        "(lines) => lines.map((line) => line.getAttribute('x1'))"
    )
    assert len(places) == 3
    assert len(set(places)) == 1
    for other in ("#resources .wide", "#errors .wide", "#latency figure:nth-of-type(2) .wide"):
        assert page.locator(f"{other} svg .hair").count() >= 1, other

    for x in (60, 890):
        stacked.locator("svg").hover(position={"x": x, "y": 100})
        inside, around = reading.bounding_box(), stacked.bounding_box()
        assert inside
        assert around
        assert around["x"] <= inside["x"]
        assert inside["x"] + inside["width"] <= around["x"] + around["width"] + 1
    page.mouse.move(2, 2)
    assert reading.is_hidden()
    assert watched.faults == []
    page.close()


def test_a_line_is_hidden_by_its_name_and_points_are_read_by_the_keyboard(
    browser: Browser, pages: Path
) -> None:
    page = watch(browser, pages / "normal.html", 1440, "light").page
    drawing = page.locator("#latency figure").nth(1).locator(".wide")
    line, name = drawing.locator("[data-series='0'] path").first, drawing.get_by_role("button", name="p99")
    name.click()
    assert line.is_hidden()
    drawing.locator("svg").focus()
    page.keyboard.press("ArrowRight")
    names = drawing.locator(".reading dt")
    assert names.all_inner_texts() == ["p90", "p50"]
    spoken = page.get_by_role("status")
    assert spoken.inner_text().replace("\u00a0", " ").startswith("500 ms since the start: p90 ")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert spoken.inner_text().replace("\u00a0", " ").startswith("1.50 s since the start: p50 ")
    page.keyboard.press("Escape")
    assert drawing.locator(".reading").is_hidden()
    name.focus()
    page.keyboard.press("Enter")
    assert line.is_visible()
    page.close()


def test_a_hostile_name_is_read_out_as_text(browser: Browser, pages: Path) -> None:
    page = watch(browser, pages / "hostile.html", 390, "dark").page
    drawing = page.locator("#distribution .narrow").first
    drawing.locator("svg").hover(position={"x": 150, "y": 55})
    assert "<script>" in drawing.locator(".reading").inner_text()
    assert drawing.locator(".reading script, .reading img").count() == 0
    assert page.evaluate("window.hacked") is None
    page.close()


def test_the_page_is_whole_without_scripts(browser: Browser, pages: Path) -> None:
    page = watch(browser, pages / "normal.html", 1440, "light", script=False).page
    assert page.locator("table").count() >= 5
    assert page.locator(".theme").is_hidden()
    assert page.locator("thead button").count() == 0
    assert page.locator("svg[tabindex], .reading, [role='status']").count() == 0
    page.close()


def test_paper_is_light_shows_every_table_and_no_buttons(browser: Browser, pages: Path) -> None:
    page = watch(browser, pages / "with_errors.html", 1440, "dark").page
    page.get_by_role("button", name="Switch to the light theme").click()
    page.get_by_role("button", name="Switch to the dark theme").click()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page.locator("nav").is_hidden()
    assert page.locator(".narrow").first.is_hidden()
    assert page.locator("figure .wide").first.is_visible()
    assert page.locator("details table").last.evaluate("(table) => table.checkVisibility()")
    assert len(page.pdf(format="A4")) > 20_000
    page.close()


def test_the_way_to_a_section_is_marked_where_one_reads(browser: Browser, pages: Path) -> None:
    page = watch(browser, pages / "normal.html", 1440, "light").page
    page.locator(".answer").nth(2).click(position={"x": 20, "y": 60})
    page.wait_for_selector("nav [href='#distribution'][aria-current]")
    page.close()
