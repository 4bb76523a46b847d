"""The page of a comparison: all sections, honest empty states, nothing foreign taken for markup."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reports.comparison.page import render
from reports.comparison.report import Comparison
from tests.reports import sample_comparisons as samples
from tests.reports.run.test_page import Page
from tests.reports.sample_reports import HOSTILE

MAKERS = [
    samples.of_runs,
    samples.of_experiments,
    samples.of_the_same_run,
    samples.hostile,
    samples.of_batches,
]


@functools.cache
def page_from(make: Callable[[], Comparison]) -> Page:
    return Page(samples.page(make))


@pytest.mark.parametrize("make", MAKERS)
def test_every_comparison_is_one_sound_page(make: Callable[[], Comparison]) -> None:
    page = page_from(make)
    assert len(page.ids) == len(set(page.ids))
    assert {"changes", "errors", "distribution", "configuration"} <= set(page.ids)
    assert page.tags.count("article") == 4
    assert page.tags.count("table") == page.tags.count("caption")
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text.split()
    assert "window.hacked" not in [value for _, value in page.attributes]
    assert page.tags.count("script") == 1
    assert "img" not in page.tags


def test_two_runs_show_their_percentiles_and_what_one_run_a_side_cannot_tell() -> None:
    page = page_from(samples.of_runs)
    assert "curves" in page.ids
    assert "unmatched" not in page.ids
    assert "Each side is one run." in page.text
    assert "within these runs only" in page.text


def test_a_verdict_on_single_runs_says_so() -> None:
    assert "Slower, in these two runs" in page_from(samples.of_runs).text


def test_the_verdict_stands_first_in_words() -> None:
    text = page_from(samples.of_runs).text
    assert text.index("Slower") < text.index("What changed", text.index("Is B faster?"))
    assert "Not shown" in page_from(samples.of_the_same_run).text


def test_experiments_show_every_cell_and_what_was_left_out() -> None:
    page = page_from(samples.of_experiments)
    comparison = samples.of_experiments()
    assert all(row.name in page.text.replace("\u00a0", " ") for row in comparison.rows)
    assert "unmatched" in page.ids
    assert "from run to run" in page.text


def test_foreign_text_is_shown_as_text() -> None:
    page = page_from(samples.hostile)
    assert HOSTILE[:20] in page.text


def test_the_same_comparison_gives_the_same_bytes() -> None:
    assert render(samples.of_runs()) == samples.page(samples.of_runs)


def test_a_comparison_of_hundreds_of_cells_stays_bounded() -> None:
    comparison = samples.of_experiments()
    rows = [replace(comparison.rows[0], name=f"cell {n}") for n in range(400)]
    page = render(replace(comparison, rows=rows))
    assert "report.json</code> has all" in page
    assert "cell 399" not in page


def test_a_page_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(samples.page(samples.of_runs), encoding="utf-8")
