"""The page of a calibration in a real browser: nothing fails, is fetched, overflows or is too faint."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from reports.calibration.page import render
from reports.calibration.report import report_calibration
from tests.reports.calibration.sample_calibrations import write_calibration
from tests.reports.calibration.test_page import LOADS
from tests.reports.run.test_in_browser import assert_loads_cleanly_and_fits, watch

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrations")
    path = folder / "page.html"
    path.write_text(render(report_calibration(write_calibration(folder, LOADS))), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_a_calibration_loads_cleanly_and_fits(browser: Browser, page: Path, width: int, scheme: str) -> None:
    assert_loads_cleanly_and_fits(watch(browser, page, width, scheme))
