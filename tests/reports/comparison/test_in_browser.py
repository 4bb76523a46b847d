"""Pages of comparisons in a real browser: nothing fails, is fetched, overflows or is too faint to read."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from reports.comparison.page import render
from tests.reports import sample_comparisons as samples
from tests.reports.run.test_in_browser import assert_loads_cleanly_and_fits, watch

pytestmark = pytest.mark.browser

PAGES = {
    "runs": samples.of_runs,
    "experiments": samples.of_experiments,
    "same": samples.of_the_same_run,
    "hostile": samples.hostile,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparisons")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(render(make()), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_a_comparison_loads_cleanly_and_fits(
    browser: Browser, pages: Path, name: str, width: int, scheme: str
) -> None:
    watched = watch(browser, pages / f"{name}.html", width, scheme)
    assert_loads_cleanly_and_fits(watched)


def test_the_four_answers_stand_on_the_first_screen(browser: Browser, pages: Path) -> None:
    page = watch(browser, pages / "experiments.html", 1440, "light").page
    answers = page.locator(".answer")
    assert answers.count() == 4
    for at in range(4):
        box = answers.nth(at).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900
    page.close()
