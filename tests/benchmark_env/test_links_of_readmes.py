"""Links and pictures of the READMEs and docs/ lead somewhere."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from .conftest import ROOT
from .readme_blocks import PAGES, READMES

MOST_BYTES = 200_000
"""Of a picture."""
MOST_LINES = 120
"""Of README.md: it is the first screen, and docs/ has the manual."""

_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:src|srcset|href)=\"([^\"]+)\"")
_PICTURE = re.compile(r"!\[([^]]+)\]\(([\w-]+\.png)\)")


def links_of(readme: str) -> Iterator[str]:
    for match in _LINK.finditer(_BLOCK.sub("", (ROOT / readme).read_text())):
        if "://" not in (link := match[1] or match[2]):
            yield link


def anchors_of(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("readme", [*READMES, "CHANGELOG.md"])
def test_every_link_leads_somewhere(readme: str) -> None:
    broken = []
    for link in links_of(readme):
        path, _, anchor = unquote(link).partition("#")
        target = (ROOT / readme).parent / path if path else ROOT / readme
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text())):
            broken.append(link)
    assert not broken


def test_readme_leads_to_every_page() -> None:
    assert {*PAGES, "benchmark_env/README.md"} <= {*links_of("README.md")}


def test_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/how-it-works.md"])
def test_every_page_of_a_task_shows_what_one_gets(page: str) -> None:
    assert _PICTURE.search((ROOT / page).read_text())


def test_every_picture_is_small_and_used() -> None:
    pictures = {*(ROOT / "docs").glob("*.png")}
    used = {(ROOT / each).parent / link for each in READMES for link in links_of(each) if ".png" in link}
    assert pictures == used
    assert not [picture.name for picture in pictures if picture.stat().st_size > MOST_BYTES]
