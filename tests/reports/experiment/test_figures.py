"""Figures of experiments: well-formed, in the page's colours, every measured point shown, many groups too."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reports.experiment import figures
from reports.experiment.report import ExperimentReport
from reports.page import formatting
from reports.page.drawing import NARROW, WIDE
from tests.reports import sample_experiments as samples
from tests.reports.run.test_figures import parsed, words
from tests.reports.sample_reports import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def grid() -> ExperimentReport:
    return samples.report("four groups")


@pytest.fixture
def many() -> ExperimentReport:
    return samples.report("dozens of groups")


@pytest.fixture
def capacity() -> ExperimentReport:
    return samples.report("capacity")


@functools.cache
def figures_of(name: str, width: float) -> list[str]:
    return list(all_figures(samples.report(name), width))


def all_figures(report: ExperimentReport, width: float) -> Iterator[str]:
    yield figures.throughput(report.growth, width)
    yield figures.latency(report.growth, width)
    yield figures.success(report.growth, 0.95, width)
    yield figures.speedup(report.speedup, width)
    yield figures.laws("law", report.usl.groups, "users", width)
    yield figures.breakdown(report.breakdown, width)
    for comparison in report.fairness.comparisons:
        yield figures.fairness(f"fairness-{comparison.kind}", comparison, width)
    if report.capacity:
        yield figures.capacity_tries(report.capacity, 0.95, width)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", ["four groups", "dozens of groups", "capacity"])
def test_every_figure_is_titled_svg_in_the_colours_of_the_page(name: str, width: float) -> None:
    for svg in figures_of(name, width):
        root = parsed(svg)
        title = root.find(f"{SVG}title")
        assert title is not None
        assert title.text
        assert "#fe00" not in svg, "a stand-in colour is left"
        assert not re.search(r"(?:fill|stroke): #", svg), "a colour does not follow the theme"
        assert "NaN" not in svg


def test_ids_are_unique_among_all_figures_of_a_page() -> None:
    ids: list[str] = []
    for width in (WIDE, NARROW):
        for svg in figures_of("dozens of groups", width):
            own = re.findall(r'\bid="([^"]+)"', svg)
            references = re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)
            assert set(references) <= set(own)
            ids += own
    assert len(ids) == len(set(ids))


def test_the_same_data_draw_the_same_bytes(grid: ExperimentReport) -> None:
    assert list(all_figures(grid, WIDE)) == figures_of("four groups", WIDE)


def test_every_group_is_named_in_every_figure(grid: ExperimentReport, many: ExperimentReport) -> None:
    for report in (grid, many):
        for svg in (figures.throughput(report.growth, WIDE), figures.success(report.growth, 0.95, WIDE)):
            assert {group.label for group in report.growth.groups if group.points} <= set(words(svg))


def test_every_measured_point_has_a_mark(grid: ExperimentReport, many: ExperimentReport) -> None:
    for report in (grid, many):
        points = sum(len(group.points) for group in report.growth.groups)
        svg = figures.success(report.growth, 0.95, WIDE)
        assert svg.count("<use") >= points


def test_few_lines_differ_by_dashes_and_marker_not_only_by_colour(grid: ExperimentReport) -> None:
    svg = figures.success(grid.growth, 0.95, WIDE)
    styles = re.findall(r'style="(fill: none; [^"]*stroke-width: 1.6[^"]*)"', svg)
    dashes = {
        colour: re.findall(r"dasharray: ([^;]+)", style)
        for style in styles
        for colour in re.findall(r"stroke: var\(--(\w+)\)", style)
    }
    assert sorted(dashes) == ["blue", "green", "purple", "vermilion"]
    assert len({str(dash) for dash in dashes.values()}) == 4
    shapes = set(re.findall(r'<path id="[^"]+" d="([^"]+)"', svg))
    assert len(shapes) >= 4


def test_a_point_that_missed_the_objective_is_hollow(grid: ExperimentReport) -> None:
    group = grid.growth.groups[0]
    missed = replace(group, points=[replace(point, slo_share=0.0) for point in group.points])
    hollow = "fill: var(--surface)"
    alone = replace(grid.growth, groups=[group])
    assert figures.throughput(replace(alone, groups=[missed]), WIDE).count(hollow) > figures.throughput(
        alone, WIDE
    ).count(hollow)


def test_only_groups_with_a_fit_are_drawn_with_knee_and_peak(many: ExperimentReport) -> None:
    fitted = [law for law in many.usl.groups if law.fit]
    unfitted = [law for law in many.usl.groups if not law.fit]
    shown = words(figures.laws("law", many.usl.groups, "users", WIDE))
    assert unfitted
    assert {law.label for law in fitted} <= set(shown)
    assert not {law.label for law in unfitted} & set(shown)
    assert sum(word.startswith("knee ") for word in shown) == len(fitted)


def test_beyond_the_data_the_law_is_dashed(grid: ExperimentReport) -> None:
    law = next(law for law in grid.usl.groups if law.fit)
    svg = figures.laws("law", [law], "users", WIDE)
    blue = re.findall(r'style="fill: none; ([^"]*)stroke: var\(--blue\)', svg)
    assert any("dasharray" in style for style in blue)
    assert any("dasharray" not in style for style in blue)


def test_the_speed_up_shows_every_size_beside_the_ideal(grid: ExperimentReport) -> None:
    shown = words(figures.speedup(grid.speedup, WIDE))
    assert {"ideal", "1 × 1", "2 × 2"} <= set(shown)


def test_a_capacity_search_shows_each_try_and_its_answer(capacity: ExperimentReport) -> None:
    assert capacity.capacity
    svg = figures.capacity_tries(capacity.capacity, 0.95, WIDE)
    assert "largest that met it: 256" in words(svg)
    assert len(re.findall(r"<use|<path id", svg)) >= 2


def test_a_search_over_rates_shows_p99_against_rate_with_the_objective() -> None:
    found = samples.report("rates").capacity
    assert found
    shown = words(figures.capacity_tries(found, 0.95, WIDE))
    assert {"highest that met it: 412", f"objective {formatting.seconds(1.2)}", "steps/s"} <= set(shown)
    assert "p99 of total time from the intended time" in shown
    assert "Sessions that succeeded" not in shown
    assert not any(word.endswith("%") for word in shown)
    # Nothing that succeeded has no percentile to be shown at.
    none = [each | {"total_p99_s": None} for each in found["tries"]]
    assert "steps/s" in words(figures.capacity_tries({**found, "tries": none}, 0.95, WIDE))


def test_foreign_labels_stay_text(grid: ExperimentReport) -> None:
    growth = replace(
        grid.growth, groups=[replace(group, label=HOSTILE + "\x07\u202e") for group in grid.growth.groups]
    )
    for width in (WIDE, NARROW):
        svg = figures.throughput(growth, width)
        assert {element.tag for element in parsed(svg).iter()}.isdisjoint({f"{SVG}script", f"{SVG}img"})
        assert not re.search("[\x00-\x08\u202a-\u202e]", svg)


def test_a_single_load_or_group_without_points_draws_nothing_wrong(grid: ExperimentReport) -> None:
    groups = [replace(group, points=group.points[:1]) for group in grid.growth.groups]
    groups[1] = replace(groups[1], points=[])
    growth = replace(grid.growth, groups=groups)
    for width in (WIDE, NARROW):
        assert "NaN" not in figures.throughput(growth, width) + figures.latency(growth, width)


def test_every_measured_point_says_its_users_and_its_value(
    grid: ExperimentReport, many: ExperimentReport
) -> None:
    for report in (grid, many):
        found = json.loads(parsed(figures.throughput(report.growth, WIDE)).get("data-readings", ""))
        lines = [series for panel in found["panels"] for series in panel["series"]]
        groups = [group for group in report.growth.groups if group.points]
        for line, group in zip(lines, groups, strict=True):
            users = [f"{point.users:,} user{'s' if point.users > 1 else ''}" for point in group.points]
            assert found["places"][line["at"]][1] == users
            assert all("steps/s" in words for words in line["words"])
