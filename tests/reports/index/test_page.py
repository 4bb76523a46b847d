import html
import os
import re
from pathlib import Path

from reports.index.page import MARK, render
from reports.index.report import report_index
from tests.reports.index.sample_results import SampleRun, write_results, write_run
from tests.reports.sample_reports import HOSTILE


def test_everything_in_the_folder_is_on_the_page(tmp_path: Path) -> None:
    write_results(tmp_path)
    (tmp_path / "notes").mkdir()
    index = report_index(tmp_path)
    page = render(index)
    text = html.unescape(page)
    assert all(entry.path in text for entry in index.entries)
    assert page.count("<tr data-kind") == len(index.entries) == 64
    assert "Slower since shifted-012" in text
    assert "since then openenv 0.10.0 → 0.10.1" in text
    assert "holds no run, experiment, comparison or calibration" in text
    assert MARK in page[:4096]
    assert "<td>None" not in page


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    write_results(tmp_path)
    assert render(report_index(tmp_path)) == render(report_index(tmp_path))


def test_every_link_leads_to_a_report_that_is_there(tmp_path: Path) -> None:
    write_results(tmp_path)
    links = set(re.findall(r'href="([^"#:]+)"', render(report_index(tmp_path))))
    assert len(links) > 60
    assert all((tmp_path / link).is_file() for link in links)


def test_an_empty_folder_has_a_page_too(tmp_path: Path) -> None:
    assert "There is no run here yet" in render(report_index(tmp_path))


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    nasty = HOSTILE.replace("/", "∕")[:200]
    write_run(tmp_path, SampleRun(nasty, tags=('"><script>',)))
    write_run(tmp_path, SampleRun(nasty + "2", at=2.0))
    (tmp_path / os.fsdecode(b"\xff<b>")).mkdir()
    page = render(report_index(tmp_path))
    page.encode()
    assert page.count("<script") == 1
    assert "<img" not in page
    assert "<b>\ufffd" not in page
