"""The page of an experiment: its answers first, honest where data are missing, no foreign text as markup."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reports.experiment.page import render
from reports.experiment.report import ExperimentReport, to_json
from reports.experiment.verdict import where_it_stops
from reports.page import parts
from reports.records.schema import ExperimentJson
from tests.reports import sample_experiments as samples
from tests.reports.run.test_page import Page
from tests.reports.sample_reports import HOSTILE

SECTIONS = (
    "growth", "speedup", "law", "sessions", "success", "breakdown", "heat", "fairness", "plan", "cells",
    "configuration",
)  # fmt: skip


def page_from(name: str) -> Page:
    return Page(samples.page(name))


def text_from(name: str) -> str:
    return page_from(name).text.replace("\u00a0", " ")


def text_of(report: ExperimentReport) -> str:
    """What is said of a report, without most of its figures."""
    return Page(render(samples.undrawn(report))).text.replace("\u00a0", " ")


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_experiment_is_one_sound_self_contained_page(name: str) -> None:
    page = page_from(name)
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("h1") == page.tags.count("main") == page.tags.count("nav") == 1
    assert page.tags.count("article") == 4
    assert page.tags.count("table") == page.tags.count("caption")
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text.replace("sessions? None", "").split()
    for attribute, value in page.attributes:
        if attribute in {"src", "href", "xlink:href", "action", "data"}:
            assert re.match(r"#|data:|runs/[^/]+/report\.html$", value or ""), value


def test_the_same_experiment_gives_the_same_bytes() -> None:
    assert render(samples.report("cut short")) == samples.page("cut short")


def test_a_grid_has_all_sections() -> None:
    page = page_from("grid")
    assert set(SECTIONS) <= set(page.ids)
    assert "capacity" not in page.ids


def test_the_first_screen_answers_the_questions() -> None:
    report, text = samples.report("grid"), text_from("grid")
    first = text[: text.index("The highest throughput")]
    best, family, main = report.max_batch.best, report.speedup.main, report.bottleneck.main
    assert best
    assert family
    assert main
    for words in (
        f"How many sessions? at least {best.max_batch}",
        "What do more workers buy?",
        f"{family.largest.label} against {family.base.label}",
        "Where does it stop?",
        "Can I trust it? With care",
        "49 of 50",
        "1 / 1",
        "experiment completed",
    ):
        assert words in first


def test_every_cell_leads_to_its_own_report_and_says_why_it_is_left_out() -> None:
    report, page = samples.report("grid"), page_from("grid")
    links = [value for name, value in page.attributes if name == "href" and (value or "").startswith("runs/")]
    assert links == [f"runs/{cell.run_id}/report.html" for cell in report.cells if cell.run_id]
    cells = page.text[page.text.index("50 cells: ") :]
    assert "the deployment did not answer within 60" in cells
    assert "kept 0.99 of a core busy" in cells


def test_a_cell_without_a_page_is_not_linked() -> None:
    page = page_from("without pages")
    assert not any((value or "").startswith("runs/") for _, value in page.attributes)


def test_a_group_without_a_fit_has_the_reason_instead_of_a_drawing() -> None:
    report, text = samples.report("one size"), samples.page("one size")
    assert report.usl.groups[0].reason
    assert "no fit." in text
    assert 'id="law-900-title"' not in text
    assert 'id="law-900-title"' in samples.page("grid")


def test_one_size_says_that_more_workers_were_not_tried() -> None:
    text = text_from("one size")
    assert "What do more workers buy? Not tried" in text
    assert "Can I trust it? Tried once" in text


def test_an_experiment_in_which_nothing_worked_says_so_and_draws_no_empty_chart() -> None:
    text = samples.page("all failing")
    words = Page(text).text
    assert "How many sessions? None" in words
    assert "Where does it stop? Unknown" in words
    for figure in ("throughput", "latency", "speedup", "law", "breakdown"):
        assert f'id="{figure}-900-title"' not in text


def test_an_experiment_that_was_cut_short_says_so() -> None:
    text = text_from("cut short")
    assert "Can I trust it? Cut short" in text
    assert "not run" in text


def test_a_capacity_search_answers_with_its_result() -> None:
    report, page, text = samples.report("capacity"), page_from("capacity"), text_from("capacity")
    assert report.capacity
    for words in (
        "How many sessions? 256",
        "How sure is that? Measured how the cap the server itself sets",
        "What was hit first? Errors",
        report.capacity["explanation"],
        report.capacity["remedy"],
        "met it every time up to 248",
        "missed it every time from 264",
    ):
        assert words in text
    assert "tries-900-title" in page.ids
    assert "speedup" not in page.ids


def test_a_search_over_rates_speaks_of_rates_and_of_nothing_over_users() -> None:
    report, page, text = samples.report("rates"), page_from("rates"), text_from("rates")
    for words in (
        "How high a rate? 412 steps/s per core 206, on 2 cores p99 from the intended time 1.00 s",
        "must be less than 1.20 s",
        "How sure is that? 97 % sure how from the tries at 412 steps/s",
        "What was hit first? Throughput why At 425 steps/s only 93 %",
        "poisson arrivals, at least 20.0 s a try",
        "missed: latency & <only> 93 % of what arrived was carried",
        "Steps/s Steps Success rate p99 from the intended time Objective",
    ):
        assert words in text, text
    for words in ("batch", "Sessions at once", "How many sessions?"):
        assert words not in text
    assert "tries-900-title" in page.ids
    assert {"capacity", "cells", "configuration"} <= set(page.ids)
    assert not {"growth", "law", "plan", "sessions"} & set(page.ids)
    assert report.loads is not None
    assert [point.load for point in report.loads.curves[0].points] == [164, 850]
    form = to_json(report)
    assert (form["capacity"]["unit"], form["capacity_plan"]) == ("steps/s", [])
    assert [row["max_batch"] for row in form["max_batch"]] == [None]
    assert form["cells"]


def test_an_answer_that_something_else_ended_is_at_least_that() -> None:
    report = samples.report("capacity")
    assert report.capacity
    bounded = text_of(replace(report, capacity={**report.capacity, "server_cap": None, "lower_bound": True}))
    assert "How many sessions? at least 256" in bounded
    assert "How sure is that? 97 % sure how from the tries of a batch of 256" in bounded


def test_when_it_began_and_ended_is_shown_not_how_long_it_took() -> None:
    text = text_from("grid")
    assert "started 17 Oct 2026, 14:03:22 UTC" in text
    assert "ended 17 Oct 2026, 14:28:22 UTC" in text
    assert "took" not in text[: text.index("How many sessions?")]


def test_where_each_deployment_stops_is_said_once() -> None:
    report, text = samples.report("grid"), text_from("grid")
    told = text[text.index("Where each stops, in words") :]
    for row in report.bottleneck.rows[:-1]:
        assert told.count(row.limit.sentence) == sum(
            other.limit.sentence == row.limit.sentence for other in report.bottleneck.rows[:-1]
        )


def test_page_terminal_and_plan_agree_that_sessions_were_turned_away() -> None:
    report, text = samples.report("a cap"), text_from("a cap")
    limit = (
        "The server turns sessions away (CAPACITY_REACHED): it holds 64. "
        "Raise MAX_CONCURRENT_ENVS, or add workers or replicas."
    )
    assert where_it_stops(report).endswith(limit)
    assert f"What it hit first: {limit}" in report.plan.takeaways
    assert f"where too many operations failed. {limit}" in text
    assert "failed there sessions were turned away" in text
    [row] = to_json(report)["bottleneck"]
    assert (row["limit"], row["busy"], row["busy_sentence"]) == ("errors", "unknown", limit)


def test_what_the_objective_of_a_sustained_cell_counts_is_said() -> None:
    assert "only what ended after ramp-up and warm-up" in text_from("grid")
    assert "ramp-up" not in text_from("capacity")


def test_a_capacity_search_without_an_answer_yet_shows_what_was_measured() -> None:
    text = text_of(replace(samples.report("capacity"), capacity=None))
    assert "Capacity of 1 replica × 4 workers" in text
    assert "What do more workers buy? Not tried" in text


def test_published_results_are_set_apart_with_their_source() -> None:
    report, text = samples.report("grid"), text_from("grid")
    assert "Published elsewhere: not measured here" in text
    assert report.max_batch.published.source in text


def test_a_plan_far_beyond_the_data_is_called_a_guess() -> None:
    report = samples.report("grid")
    assert report.plan.rows[-1].reach > 10
    assert "largest load: a guess" in text_from("grid")
    rows = [replace(row, reach=0.5) for row in report.plan.rows]
    near = text_of(replace(report, plan=replace(report.plan, rows=rows)))
    assert "largest load: a guess" not in near
    assert "within the data" in near


def test_nothing_that_a_file_says_becomes_markup() -> None:
    report = samples.report("one size")
    cells = [
        replace(cell, run_id=f"../{HOSTILE}", status="failed", reason=HOSTILE, warnings=[HOSTILE])
        for cell in report.cells
    ]
    group = report.groups[0]
    experiment: ExperimentJson = {
        **report.experiment,
        "experiment_id": HOSTILE,
        "machine": {HOSTILE: HOSTILE},
    }
    growth = replace(
        report.growth,
        groups=[replace(each, label=HOSTILE) for each in report.growth.groups],
        takeaways=[HOSTILE],
    )
    hostile = replace(
        report,
        experiment=experiment,
        notices=[HOSTILE, "\u202ereversed\x07"],
        labels={group: HOSTILE},
        cells=cells,
        growth=growth,
        heat=replace(report.heat, labels=[HOSTILE]),
    )
    text = render(hostile)
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", text)
    links = [value or "" for name, value in page.attributes if name == "href"]
    assert all(re.match(r"#|data:|runs/[^/]+/report\.html$", link) for link in links)


def test_dozens_of_groups_stay_a_page_of_modest_size() -> None:
    assert len(samples.report("dozens of groups").groups) == 24
    assert len(samples.page("dozens of groups").encode()) < 1_000_000
    assert text_from("dozens of groups").count("5 × 2, least_conn, shared port, HTTP") > 5


def test_templates_of_experiments_never_switch_escaping_off() -> None:
    templates = Path(parts.__file__).parent / "templates" / "experiment"
    for template in templates.rglob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape", template.read_text()), template


def test_cells_that_sent_actions_say_so_and_stand_beside_no_published_waits() -> None:
    report = samples.report("servers by URL")
    sent = replace(report, cells=[replace(cell, sent='action {"message": "hello"}') for cell in report.cells])
    text = text_of(sent)
    assert 'sustained load of 20.0 s a cell action {"message": "hello"}' in text
    assert 'sent action {"message": "hello"}' in text
    assert "a step" not in text[: text.index("How many sessions?")]
    assert "Published elsewhere" not in text
    assert "Published elsewhere" in text_from("servers by URL")


def test_what_cannot_be_known_of_servers_by_url_is_called_so() -> None:
    text = text_from("servers by URL")
    for words in (
        "What do more workers buy? Unknown replicas and workers unknown, behind a URL",
        "How many replicas and workers stand behind a URL is unknown, so no speed-up can be shown.",
        "How many workers stand behind a URL is unknown, so fairness over workers is.",
    ):
        assert words in text


def test_jain_s_index_of_a_cell_is_over_hosts_where_workers_are_unknown() -> None:
    report = samples.report("servers by URL")
    cells = [replace(cell, jain_worker=None, jain_replica=0.75, hosts=2) for cell in report.cells]
    assert "0.750, hosts" in text_of(replace(report, cells=cells))
