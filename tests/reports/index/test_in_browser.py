"""The index of a results folder in a real browser: it loads cleanly, filters, and names the comparison."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from reports.index.report import report_index
from reports.write import write_index
from tests.reports.index.sample_results import SampleRun, write_results, write_run
from tests.reports.run.test_in_browser import assert_loads_cleanly_and_fits, watch
from tests.reports.sample_reports import HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    write_results(results)
    for number in range(2):
        nasty = HOSTILE.replace("/", "∕")[:200] + str(number)
        write_run(results, SampleRun(nasty, at=float(number), users=7, tags=('"><b>',)))
    (results / "notes").mkdir()
    return write_index(report_index(results))


@pytest.fixture
def page(browser: Browser, index: Path) -> Iterator[Page]:
    page = watch(browser, index, 1440, "light").page
    yield page
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_the_index_loads_cleanly_and_fits(browser: Browser, index: Path, width: int, scheme: str) -> None:
    assert_loads_cleanly_and_fits(watch(browser, index, width, scheme))


def test_filters_leave_what_has_all_that_is_asked_for(page: Page) -> None:
    rows = page.locator("#entries tbody tr:visible")
    everything = rows.count()
    assert page.locator(".shown").text_content() == f"all {everything}"
    page.locator("#words").fill("HTTP main")
    assert rows.count() == 12
    page.locator("#words").fill("")
    page.locator("#tag").select_option("nightly")
    page.locator("#words").fill("shifted")
    assert rows.count() == 11
    assert page.locator(".shown").text_content() == f"11 of {everything}"
    page.locator("#tag").select_option("")
    page.locator("#words").fill("")
    page.locator("#verdict").select_option("invalid")
    assert [name.strip() for name in rows.locator(".name").all_text_contents()] == ["limited"]


def test_two_that_are_ticked_show_the_command_that_compares_them(page: Page, index: Path) -> None:
    page.get_by_label("Compare shifted-012", exact=True).check()
    assert page.locator(".chosen code").is_hidden()
    page.get_by_label("Compare shifted-011", exact=True).check()
    results = index.parent
    command = f"make compare A={results}/shifted-011 B={results}/shifted-012"
    assert page.locator(".chosen code").text_content() == command
    page.get_by_label("Compare scaling-compose", exact=True).check()
    assert page.locator(".chosen p").text_content() == "A run and an experiment cannot be compared."
    assert page.locator("#entries input:checked").count() == 2


def test_without_script_everything_is_there_but_what_needs_it(browser: Browser, index: Path) -> None:
    page = watch(browser, index, 1440, "light", script=False).page
    assert page.locator("#entries tbody tr:visible").count() > 60
    assert page.locator(".filters").is_hidden()
    assert page.locator("#entries input[type=checkbox]").count() == 0
    assert page.locator(".chart a").first.get_attribute("href") == "shifted-000/report.html"
    page.close()
