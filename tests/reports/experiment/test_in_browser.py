"""Pages of experiments in a real browser: nothing fails, is fetched or overflows; answers at once."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Position

from tests.reports import sample_experiments as samples
from tests.reports.run.test_in_browser import assert_loads_cleanly_and_fits, watch
from tests.reports.sample_experiments import write_sample_experiment

pytestmark = pytest.mark.browser

SAMPLES = ("grid", "four groups", "dozens of groups", "all failing", "capacity")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("experiments")
    found = {}
    for name in SAMPLES:
        directory = write_sample_experiment(folder / name, samples.SAMPLES[name])
        directory.report_html.write_text(samples.page(name), encoding="utf-8")
        found[name] = directory.report_html
    return found


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_report_loads_cleanly_and_fits(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    watched = watch(browser, pages[name], width, scheme)
    watched.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert_loads_cleanly_and_fits(watched)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_answers_are_seen_without_scrolling(browser: Browser, pages: dict[str, Path], name: str) -> None:
    page = watch(browser, pages[name], 1440, "light").page
    lowest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.answer')]"
        ".map((each) => each.getBoundingClientRect().bottom))"
    )
    assert lowest <= page.evaluate("innerHeight")
    page.close()


def test_a_cell_leads_to_the_report_of_its_run(browser: Browser, pages: dict[str, Path]) -> None:
    page = watch(browser, pages["grid"], 1440, "light").page
    link = page.locator("#cells tbody a").first
    run = link.get_attribute("href")
    link.click()
    page.wait_for_url(f"**/{run}")
    assert page.title() == "A run"
    page.close()


def test_the_table_of_cells_sorts_with_unknown_figures_last(browser: Browser, pages: dict[str, Path]) -> None:
    page = watch(browser, pages["grid"], 1440, "light").page
    table = page.locator("#cells table")
    heading = table.locator("thead th").filter(has_text="Steps/s")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert "failed" in (table.locator("tbody tr").last.text_content() or "")
    page.close()


@pytest.mark.parametrize("name", ["grid", "capacity"])
def test_every_figure_answers_to_the_pointer_and_the_keyboard(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    watched = watch(browser, pages[name], 1440, "light")
    page = watched.page
    drawings = page.locator("figure .wide:has(svg[tabindex])")
    assert drawings.count() >= 2
    for drawing in drawings.all():
        reading = drawing.locator(".reading")
        drawing.locator("svg").focus()
        page.keyboard.press("ArrowRight")
        assert reading.locator("dt").first.inner_text()
        assert page.get_by_role("status").inner_text()
        page.keyboard.press("Escape")
        assert reading.is_hidden()
    for drawing in drawings.all():
        box = drawing.locator("svg").bounding_box()
        assert box
        across = (box["width"] * part / 25 for part in range(1, 25))
        places = (Position(x=x, y=box["height"] * part) for x in across for part in (0.3, 0.5, 0.7))
        assert any(_is_read(drawing, place) for place in places)
    assert watched.faults == []
    page.close()


def _is_read(drawing: Locator, place: Position) -> bool:
    drawing.locator("svg").hover(position=place)
    return drawing.locator(".reading").is_visible()
