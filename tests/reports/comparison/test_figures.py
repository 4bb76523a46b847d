import json
import xml.etree.ElementTree as ET

import pytest

from reports.comparison.figures import forest, percentile_curves
from reports.comparison.sections.changes import Change
from reports.page.drawing import HALF, NARROW, WIDE
from tests.reports import sample_comparisons as samples


@pytest.mark.parametrize("width", [NARROW, HALF, WIDE])
def test_a_forest_tells_each_verdict_in_words(width: float) -> None:
    lines = [
        ("cell one", samples.change("p50", 0.1, 0.2, 0.05)),
        ("cell two", samples.change("p50", 0.1, -0.2, 0.05)),
        ("cell three", samples.change("p50", 0.1, 0.01, 0.05)),
        ("cell four", Change("p50", 0.1, 0.2, 1.0, None, None, 1.0, reason="too short")),
        ("cell five", Change("p50", 0.1, None, None, None, None, 1.0, reason="no step succeeded")),
        ("cell six", Change("p50", 0.1, 0.11, 0.1, -0.9, 40.0, 0.5)),
    ]
    svg = forest("forest", "Changes", "p50", lines, width)
    words = " ".join(ET.fromstring(svg).itertext()).replace("\u00a0", " ")
    for told in ("+20.0 %  slower", "−20.0 %  faster", "+1.0 %", "not known"):
        assert told in words
    assert ("not shown" in words) == ("no interval" in words) == (width > NARROW)


def test_a_forest_of_nothing_but_zeros_has_an_axis() -> None:
    line = ("p50", Change("p50", 0.1, 0.1, 0.0, 0.0, 0.0, 1.0))
    assert "0 %" in forest("forest", "Changes", "p50", [line], WIDE).replace("\u00a0", " ")


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_both_curves_bear_their_names(width: float) -> None:
    svg = percentile_curves(samples.curve(1.0), samples.curve(1.2), width)
    words = [element.text for element in ET.fromstring(svg).iter() if element.tag == "text"]
    assert {"A", "B"} <= set(words)


def test_a_forest_says_each_change_with_its_interval_and_verdict() -> None:
    lines = [
        ("slower one", samples.change("p50", 0.1, 0.2, 0.05)),
        ("unknown one", Change("p50", 0.1, None, None, None, None, 1.0)),
    ]
    readings = json.loads(
        ET.fromstring(forest("forest", "Changes", "p50", lines, WIDE)).attrib["data-readings"]
    )
    (series,) = readings["panels"][0]["series"]
    assert readings["places"][series["at"]][1] == ["slower one"]
    assert series["words"][0].replace("\u00a0", " ").startswith("+20.0 % (+")
    assert series["words"][0].endswith(", slower")
