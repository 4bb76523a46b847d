"""What a figure's points say: where they lie, in which words, and that foreign text stays data."""

import html
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.page import drawing, formatting, parts, readings
from reports.page.drawing import NARROW, WIDE, Floats
from tests.reports.sample_reports import HOSTILE


class Attributes(HTMLParser):
    """The attributes of the first element, as a browser would read them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, str | None] = {}
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found = self.found or dict(attrs)
        self.tags.append(tag)


def said(svg: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Attributes(svg).found["data-readings"] or "")
    return found


def figure(x: Floats, y: Floats, width: float, name: str = "p99") -> str:
    def paint(sheet: Figure) -> None:
        axes = drawing.plot_area(sheet, left=50, right=50, top=20, bottom=30)
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 2)
        drawing.line(axes, x, y, "blue", toggle="0")
        panel = readings.panel_of(axes, "x", link=readings.TIME, after=readings.SINCE_START)
        panel.add(name, "blue", x, y, formatting.duration, formatting.seconds, toggle="0")

    return drawing.draw("figure", "A figure", width, 150, paint)


def test_points_lie_in_their_plot_area_and_say_their_values_in_words() -> None:
    svg = figure(np.array([0.0, 5.0, 10.0]), np.array([0.0, 0.5, np.nan]), WIDE)
    (panel,) = (found := said(svg))["panels"]
    assert Attributes(svg).found["data-boxes"] == "[[50.0,20.0,800.0,100.0]]"
    assert (panel["link"], panel["after"]) == ("time", " since the start")
    (series,) = panel["series"]
    assert (series["name"], series["colour"], series["points"]) == ("p99", "blue", [10000, 7500])
    assert [each.replace("\u00a0", " ") for each in series["words"]] == ["0 s", "500 ms"]
    places, words = found["places"][series["at"]]
    assert places == [0, 5000]
    assert [each.replace("\u00a0", " ") for each in words] == ["0 s", "5.00 s"]
    assert f'<g data-series="{series["toggle"]}">' in svg


def test_a_phones_drawing_does_not_repeat_what_the_wide_one_says() -> None:
    x = np.linspace(0, 10, 50)
    both = parts.drawn(lambda width: figure(x, np.sqrt(x) / 2, width))
    assert "data-readings" in both.wide
    assert "data-readings" not in both.narrow
    assert f"[[50.0,20.0,{NARROW - 100:.1f},100.0]]" in both.narrow


def test_of_many_points_few_speak_and_the_peaks_are_among_them() -> None:
    x = np.linspace(0, 10, 20_000)
    y = np.where(np.arange(x.size) == 12_345, 1.75, 0.5 + x / 100)
    (series,) = said(figure(x, y, WIDE))["panels"][0]["series"]
    assert 100 < len(series["points"]) <= 300
    assert "1.75\u00a0s" in series["words"]


def test_foreign_names_stay_text_in_the_data() -> None:
    name = f"""{HOSTILE[:40]}' onload='x & "y" \x07\u202e"""
    svg = figure(np.array([1.0, 2.0]), np.array([1.0, 1.0]), WIDE, name)
    page = Attributes(svg)
    assert set(page.found) == {
        "class",
        "viewbox",
        "role",
        "aria-labelledby",
        "data-boxes",
        "data-readings",
    }
    assert "script" not in page.tags
    assert said(svg)["panels"][0]["series"][0]["name"] == formatting.shortened(name, 80)
    assert not re.search("[\x00-\x08\u202a-\u202e]", svg)


def test_cells_are_told_from_the_first_to_the_last_that_holds_anything() -> None:
    def paint(sheet: Figure) -> None:
        panel = readings.panel_of(drawing.plot_area(sheet, 0, 0, 0, 0), "x")
        counts = np.array([[0, 0, 0], [0, 7, 0], [1, 0, 2]])
        panel.add_cells(["low", "middle", "high"], ["first", "second", "third"], counts)

    (panel,) = said(drawing.draw("cells", "Cells", 100, 100, paint))["panels"]
    assert panel["cells"]["counts"] == [[0], [1, 7], [0, 1, 0, 2]]


def test_a_figure_without_readings_stays_as_it_was() -> None:
    svg = drawing.draw("plain", "Plain", 100, 100, lambda _: None)
    assert "data-" not in svg


def test_what_is_quoted_for_an_attribute_is_the_same_when_it_is_read() -> None:
    said = {"name": 'it\'s <b> & &lt;b&gt; "&#39;"'}
    quoted = readings._quoted(said)
    assert "'" not in quoted
    assert json.loads(html.unescape(quoted)) == said
