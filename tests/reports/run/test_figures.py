"""Figures: well-formed, alike each time, safe on one page, and honest about what is not known."""

import functools
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from reports.page import drawing
from reports.page.drawing import HALF, NARROW, WIDE
from reports.page.flags import Flag
from reports.page.palette import COLOURS, HEAT
from reports.page.readings import TIME
from reports.run import figures, share_figures
from reports.run.figures import Frame
from reports.run.report import RunReport
from reports.run.sections.arrivals import Arrivals
from reports.run.sections.distribution import Distribution
from reports.run.sections.resources import PartUsage, Resources
from tests.reports import sample_reports

SVG = "{http://www.w3.org/2000/svg}"


def all_figures(report: RunReport, width: float) -> Iterator[str]:
    frame = Frame(report.totals.duration_s, report.totals.window_s)
    yield figures.percentile_curve(report.latency, 1.1, width)
    assert report.latency.over_time
    assert report.latency.heat_map
    yield figures.percentiles_over_time(report.latency.over_time, frame, width)
    yield figures.heat_map(report.latency.heat_map, frame, width)
    yield figures.throughput_and_users(report.timeline, frame, width)
    assert report.lag
    yield figures.lag_over_time(report.lag, frame, width)
    yield share_figures.replica_shares(report.distribution, width)
    yield share_figures.worker_shares(report.distribution, width)
    yield figures.errors_over_time(report.errors, frame, width)
    yield figures.cpu_usage(report.resources, frame, width)
    yield figures.memory_usage(report.resources, frame, width)


@functools.cache
def figures_of(make: Callable[[], RunReport], width: float) -> list[str]:
    return list(all_figures(make(), width))


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def words(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    "make", [sample_reports.with_errors, sample_reports.hostile, sample_reports.single_point]
)
def test_every_figure_is_titled_svg_in_the_colours_of_the_page(make: Callable[[], RunReport]) -> None:
    for svg in figures_of(make, WIDE):
        root = parsed(svg)
        title = root.find(f"{SVG}title")
        assert title is not None
        assert title.text
        assert root.get("aria-labelledby") == title.get("id")
        assert "#fe00" not in svg, "a stand-in colour is left"
        assert not re.search(rf"(?:fill|stroke): #(?!{HEAT[1:]})", svg), "a colour does not follow the theme"


def test_ids_are_unique_among_all_figures_of_a_page_and_every_reference_finds_its_own() -> None:
    ids: list[str] = []
    for width in (WIDE, NARROW):
        for svg in figures_of(sample_reports.with_errors, width):
            own = re.findall(r'\bid="([^"]+)"', svg)
            references = re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)
            assert set(references) <= set(own)
            ids += own
    assert len(ids) == len(set(ids))


def test_the_same_result_gives_the_same_bytes_from_many_threads_at_once() -> None:
    report = sample_reports.with_errors()
    alone = figures_of(sample_reports.with_errors, NARROW)
    with ThreadPoolExecutor(2) as pool:
        for together in pool.map(lambda _: list(all_figures(report, NARROW)), range(2)):
            assert together == alone


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_names_from_outside_stay_text(width: float) -> None:
    for svg in figures_of(sample_reports.hostile, width):
        tags = {element.tag.removeprefix(SVG) for element in parsed(svg).iter()}
        assert tags <= {"svg", "title", "defs", "clipPath", "g", "path", "rect", "use", "text", "image"}


def test_a_dollar_in_a_name_is_no_formula() -> None:
    spread = sample_reports.normal().distribution
    named = replace(spread, replicas=[replace(row, name="$x^2$") for row in spread.replicas])
    assert words(share_figures.replica_shares(named, WIDE)).count("$x^2$") == 2


def test_text_is_never_smaller_than_11_pixels_on_a_phone() -> None:
    for svg in figures_of(sample_reports.with_errors, NARROW):
        assert min(float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)) >= 11
        assert parsed(svg).get("viewBox", "").startswith(f"0 0 {NARROW} ")


def test_lines_break_where_nothing_is_known() -> None:
    report = sample_reports.normal()
    frame, over_time = Frame(20, (2, 18)), report.latency.over_time
    assert over_time
    hole = np.where((over_time.at_s > 8) & (over_time.at_s < 12), np.nan, 1)
    whole = figures.percentiles_over_time(over_time, frame, WIDE)
    broken = figures.percentiles_over_time(
        replace(over_time, p50=over_time.p50 * hole, p90=over_time.p90 * hole, p99=over_time.p99 * hole),
        frame,
        WIDE,
    )

    def pieces(svg: str) -> int:
        return sum(path.count("M") for path in re.findall(r' d="([^"]+)" clip-path', svg))

    assert pieces(broken) == pieces(whole) + 3


def test_a_second_of_which_no_lag_is_known_is_a_gap() -> None:
    lag = sample_reports.normal().lag
    assert lag

    def said(lag_s: Any) -> str:
        return figures.lag_over_time(replace(lag, lag_s=lag_s), Frame(20, (2, 18)), WIDE)

    assert "Lag of the generator" in words(said(lag.lag_s))
    assert "2\N{NO-BREAK SPACE}ms" in words(said(lag.lag_s))
    assert len(figures.lag_over_time(lag, Frame(20, (2, 18)), WIDE)) < len(said(np.nan_to_num(lag.lag_s)))
    assert "NaN" not in said(np.full(lag.at_s.size, np.nan))


def test_a_worker_that_got_nothing_has_its_row_and_is_called_idle() -> None:
    shown = words(share_figures.worker_shares(sample_reports.with_errors().distribution, WIDE))
    assert shown.count("idle") == 2
    assert "env-1 · no pid" in shown


def test_where_no_step_succeeded_only_sessions_are_drawn_and_nobody_is_called_idle() -> None:
    shown = words(share_figures.worker_shares(sample_reports.failed_steps().distribution, WIDE))
    assert "Sessions" in shown
    assert not {"Steps", "idle"} & set(shown)


def test_hundreds_of_workers_become_a_profile_of_modest_size() -> None:
    def workers(count: int) -> Distribution:
        return sample_reports.distribution(count, 8, 200_000, 10_000_000)

    svg = share_figures.worker_shares(workers(64), WIDE)
    assert "workers, most loaded first" in words(svg)
    assert len(svg) < 60_000
    assert f"env-{share_figures.MOST_BARS // 8} · " in " ".join(
        words(share_figures.worker_shares(workers(5), WIDE))
    )


def test_a_heat_map_is_one_small_picture_and_not_thousands_of_cells() -> None:
    heat = sample_reports.normal().latency.heat_map
    assert heat
    svg = figures.heat_map(heat, Frame(20, (2, 18)), WIDE)
    assert svg.count("<image") == 1
    assert len(svg) < 20_000


def test_hours_of_samples_of_many_parts_make_no_heavy_figure() -> None:
    random = np.random.default_rng(1)
    at = np.arange(3600.0)
    samples = random.uniform(0, 1, at.size)
    samples[1000:1100] = np.nan
    parts = [
        PartUsage("replica", f"env-{n}", at, samples, samples * 1e9, 0.5, 1.0, 1e9, None) for n in range(64)
    ]
    svg = figures.cpu_usage(Resources(parts, []), Frame(3600, (0, 3600)), HALF)
    assert len(svg) < 150_000
    assert "64 replicas" in words(svg)


def test_thinning_keeps_the_peaks_and_the_gaps() -> None:
    x = np.arange(10_000.0)
    y = np.sin(x / 50)
    y[4321], y[7000] = 9.0, np.nan
    thin_x, thin_y = drawing.thinned(x, y, 300)
    assert len(thin_x) <= 300
    assert np.nanmax(thin_y) == 9
    assert np.isnan(thin_y).sum() == 1
    assert list(thin_x) == sorted(thin_x)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 1043.2), (0, 7e-5), (0, 3e9), (0.0123, 0.0125)])
def test_linear_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = drawing.linear_ticks(low, high, 5)
    assert 2 <= len(ticks) <= 6
    assert low <= min(ticks) <= max(ticks) <= high * (1 + 1e-9)
    assert all(float(f"{tick:.4g}") == tick for tick in ticks)


@pytest.mark.parametrize(("low", "high"), [(0.001, 0.002), (0.01, 0.3), (1e-4, 30), (0.0505, 0.0523)])
def test_log_ticks_are_at_least_two_and_inside(low: float, high: float) -> None:
    ticks = drawing.log_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert low * 0.99 <= min(ticks) < max(ticks) <= high * 1.01


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1…21, as WCAG 2.2 defines it."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ground", ["page", "surface"])
def test_all_text_colours_have_contrast_enough_in_both_themes(ground: str) -> None:
    by_name = {colour.name: colour for colour in COLOURS}
    for name in ("ink", "muted", "blue", "vermilion", "green", "purple", "ochre"):
        assert contrast(by_name[name].light, by_name[ground].light) >= 4.5, name
        assert contrast(by_name[name].dark, by_name[ground].dark) >= 4.5, name


def test_all_time_lines_of_a_run_are_linked_and_every_line_can_be_hidden_by_its_name() -> None:
    report = sample_reports.with_errors()
    linked = 0
    for svg in figures_of(sample_reports.with_errors, WIDE):
        for panel in readings_of(svg)["panels"]:
            linked += panel.get("link") == TIME
            toggles = [series["toggle"] for series in panel.get("series", []) if "toggle" in series]
            assert len(toggles) == len(set(toggles))
            for toggle in toggles:
                groups = parsed(svg).findall(f".//{SVG}g[@data-series='{toggle}']")
                assert any(group.find(f"{SVG}text") is not None for group in groups)
                assert any(group.find(f".//{SVG}path") is not None for group in groups)
    assert linked == 1 + 1 + 3 + 1 + len(report.errors.categories) + 2


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_time_line_of_operations_marks_faults(width: float) -> None:
    report = sample_reports.with_errors()
    over_time, at = report.latency.over_time, report.timeline.at_s
    assert over_time
    came = Arrivals("constant:9", "steps", 9, 9, 9, 0, 0.0, 9.0, 9.0, at, 1.0, at, at, at, [])
    faults = (Flag(1, "kill-worker", 8.0), Flag(2, "pause-<b>", 12.0, 15.0))
    kinds: list[tuple[Callable[..., str], object, int]] = [
        (figures.percentiles_over_time, over_time, 1),
        (figures.throughput_and_users, report.timeline, 3),
        (figures.arrivals_over_time, came, 2),
        (figures.errors_over_time, report.errors, len(report.errors.categories)),
    ]
    for draw, data, panels in kinds:
        plain, marked = (draw(data, Frame(20, (2, 18), each), width) for each in ((), faults))
        assert {"kill-worker", "pause-<b>"} <= set(words(marked))
        assert not {"kill-worker", "1"} & set(words(plain))
        assert marked.count("var(--ochre)") == 2 * panels + panels + 2 * 2
        assert height_of(marked) > height_of(plain)


def height_of(svg: str) -> float:
    return float(parsed(svg).get("viewBox", "").split()[-1])


def test_a_bar_says_what_its_worker_carried_beside_the_fair_share() -> None:
    found = readings_of(share_figures.worker_shares(sample_reports.with_errors().distribution, WIDE))
    names = found["places"][0][1]
    sessions = found["panels"][0]["series"][0]
    assert "env-1 · no pid" in names
    said = dict(zip(names, sessions["words"], strict=True))["env-1 · no pid"]
    assert said.replace("\u00a0", " ") == "0, 0 % of the fair share"


def readings_of(svg: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parsed(svg).get("data-readings", ""))
    return found
