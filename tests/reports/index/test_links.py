import shlex
from pathlib import Path

import pytest

from reports.index.entries import Entry, Figures
from reports.index.links import argument_of, by_make, page_of


def entry(path: str) -> Entry:
    return Entry("run", path, "passed", 1.0, "", [], [], Figures(), has_page=True)


def test_a_link_leads_into_the_folder_whatever_its_name() -> None:
    assert page_of(entry("a")) == "a/report.html"
    assert page_of(entry("b/compare-a")) == "b/compare-a/report.html"
    assert page_of(entry("javascript:alert(1)")) == "javascript%3Aalert%281%29/report.html"
    assert page_of(entry("..#?é\udcff")) == "..%23%3F%C3%A9%FF/report.html"


def test_an_argument_is_one_word_for_the_shell(tmp_path: Path) -> None:
    written = argument_of(entry("it's; rm -rf $HOME"), tmp_path)
    assert written is not None
    assert shlex.split(written) == [f"{tmp_path}/it's; rm -rf $HOME"]
    assert not by_make(written)


def test_a_folder_below_is_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert argument_of(entry("a"), tmp_path / "results") == "results/a"
    assert argument_of(entry("a"), Path("results")) == "results/a"
    assert by_make("results/a")
