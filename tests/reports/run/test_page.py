"""The page: all sections, honest empty states, nothing of what a server sends taken for markup."""

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

import pytest

from reports.page import parts
from reports.records.columns import EPISODES
from reports.records.schema import RunJson, TraceJson
from reports.run.masthead import DOUBTS, REASONS
from reports.run.page import render
from reports.run.report import RunReport
from reports.run.sections.episodes import Episodes, Spread
from reports.run.sections.evenness import Evenness
from reports.run.sections.validity import Code, RunWarning, Validity
from tests.reports import sample_reports

SECTIONS = (
    "verdict", "latency", "throughput", "distribution", "isolation", "errors", "resources", "configuration",
)  # fmt: skip
VOID = {"meta", "link", "img", "br", "hr", "input"}
MAKERS = [
    sample_reports.normal,
    sample_reports.with_errors,
    sample_reports.with_faults,
    sample_reports.hostile,
    sample_reports.unknown_hosts,
    sample_reports.hosts_by_header,
    sample_reports.turned_away,
    sample_reports.failed_steps,
    sample_reports.without_steps,
    sample_reports.single_point,
]


class Page(HTMLParser):
    """What a browser would find: elements, ids, heading levels, text; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@functools.cache
def page_from(make: Callable[[], RunReport]) -> Page:
    return Page(sample_reports.page(make))


def page_of(report: RunReport) -> Page:
    """What is said of a report, without most of its figures."""
    return Page(render(sample_reports.undrawn(report)))


def hundreds_of_workers() -> RunReport:
    return sample_reports.normal(64, 8)


@pytest.mark.parametrize("make", MAKERS)
def test_every_report_is_one_sound_page_with_all_sections(make: Callable[[], RunReport]) -> None:
    page = page_from(make)
    assert len(page.ids) == len(set(page.ids))
    assert set(SECTIONS) <= set(page.ids)
    assert page.tags.count("h1") == page.tags.count("main") == page.tags.count("nav") == 1
    assert page.tags.count("article") == 4
    assert page.tags.count("table") == page.tags.count("caption")
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text.split()


def test_episodes_have_a_section_only_where_some_were_finished() -> None:
    assert "episodes" not in page_from(sample_reports.normal).ids
    spread = Spread(17.5, 3.1, 7.0, 18.0, 21.0, 21.0)
    table = EPISODES.empty_table()
    played = Episodes(1234, 8, spread, spread, None, ["1,234 episodes were played to the end."], table)
    took = {"calls": 3, "mean_s": 0.0012, "p50_s": 0.001, "p99_s": 0.002, "max_s": 0.003}
    normal = sample_reports.normal()
    page = page_of(replace(normal, episodes=played, run=cast(RunJson, normal.run | {"policy_time": took})))
    assert "episodes" in page.ids
    for words in (
        "1,234 episodes were played",
        "17.5 s",
        "policy’s time for a step",
        "p50 1.00 ms, p99 2.00 ms",
    ):
        assert words.replace(" ", "") in page.text.replace("\u00a0", "").replace(" ", "")
    assert "Sum of rewards" not in page.text


def test_faults_have_a_section_with_their_prices_and_mark_the_time_lines() -> None:
    assert "faults" not in page_from(sample_reports.normal).ids
    assert "Vertical lines are faults" not in page_from(sample_reports.normal).text
    page = page_from(sample_reports.with_faults)
    assert "faults" in page.ids
    text = page.text.replace("\u00a0", " ")
    for words in (
        "kill-worker at 8.00 s cost most: 3 sessions.",
        "1 · kill-worker env-1 101 8.00 s 3 220 others 8 2 3.50 s not before the next fault 900 ms max",
        "2 · pause-replica env-2 12.0 s 0 0 – none failed 3.20 s no step",
        "3 · slow-network 17.0 s Left out: env-1 101",
        "p99 of steps before the first fault: 75.0 ms",
        "the steps of the workers alive, in every 1.00 s,",
    ):
        assert words in text
    assert text.count("Vertical lines are faults") == 3
    svg = sample_reports.page(sample_reports.with_faults)
    assert len(re.findall(r"<text[^>]*>kill-worker</text>", svg)) == 2 * 3


def test_what_a_fault_cost_has_its_words_where_there_is_no_number() -> None:
    report = sample_reports.with_faults()
    assert report.faults is not None
    first, second, undone = report.faults.faults
    assert first.price is not None
    assert second.price is not None
    went_on = replace(first.price, errors_ended_s=None, errors_went_on=True)
    was_even = replace(second.price, even_again_s=0.0)
    changed = [
        replace(first, price=went_on),
        replace(second, price=was_even),
        replace(undone, outcome="failed", detail="no such container"),
    ]
    text = page_of(replace(report, faults=replace(report.faults, faults=changed))).text.replace("\u00a0", " ")
    for words in (
        "220 others 8 2 not before the next fault not before the next fault 900 ms",
        "0 0 – none failed was even no step",
        "3 · slow-network 17.0 s Failed: no such container",
    ):
        assert words in text


def test_a_missed_objective_is_a_miss_and_the_words_say_that_faults_were_asked_for() -> None:
    text = page_of(sample_reports.with_faults()).text.replace("\u00a0", " ")
    for words in (
        "Did it pass? Failed",
        "2 replicas × 4 workers, with 2 of 3 faults",
        "broken on purpose 2 of 3 faults",
        "Failed with 2 of 3 faults that were asked for: the service level objective was missed.",
    ):
        assert words in text
    passed = page_of(sample_reports.broken(sample_reports.normal())).text
    assert "Passed with 2 of 3 faults that were asked for: every criterion" in passed


@pytest.mark.parametrize("make", MAKERS)
def test_the_page_names_no_address_to_load_from(make: Callable[[], RunReport]) -> None:
    for name, value in page_from(make).attributes:
        if name in {"src", "href", "xlink:href", "action", "data"}:
            assert (value or "").startswith(("#", "data:")), value


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(sample_reports.hostile()) == sample_reports.page(sample_reports.hostile)


def test_nothing_that_a_server_sends_becomes_markup() -> None:
    text, page = sample_reports.page(sample_reports.hostile), page_from(sample_reports.hostile)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "window.hacked = 1" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", text)
    text.encode()


def test_the_first_screen_answers_the_four_questions() -> None:
    text = page_from(sample_reports.normal).text
    first = text[: text.index("Criteria of the service level objective")]
    for words in (
        "Did it pass? Passed", "100 %, at least 95 %", "How fast was it? 1,043 steps/s", "overhead p50 / p99",
        "Was it evenly spread? Evenly", "Can I trust it? No objection", "run completed",
        "0 violations in 200 sessions",
    ):  # fmt: skip
        assert words.replace(" ", "") in first.replace("\u00a0", "").replace(" ", "")


def test_a_failed_interrupted_run_says_so_at_once() -> None:
    text = page_from(sample_reports.with_errors).text
    for words in (
        "Did it pass? Failed", "Very unevenly", "Not isolated", "interrupted", "7 violations in 200 sessions",
        "12 steps", "timeout",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    ("evenness", "verdict"),
    [
        ("even", "Evenly"),
        ("by chance", "By chance"),
        ("too few", "Too few"),
        ("very uneven", "Very unevenly"),
    ],
)
def test_the_spread_is_told_in_a_word(evenness: Evenness, verdict: str) -> None:
    report = sample_reports.normal()
    report = replace(report, distribution=replace(report.distribution, evenness=evenness))
    assert f"Was it evenly spread? {verdict} " in page_of(report).text


def test_a_run_that_was_cut_short_has_not_passed() -> None:
    report = sample_reports.normal()
    cut_short = sample_reports.cautions("not_completed", "This run was interrupted.")
    report = replace(report, run={**report.run, "status": "interrupted"}, validity=cut_short)
    assert "Did it pass? Cut short " in page_of(report).text


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("isolation_violated", "Failed success 100 %"),
        ("incident", "Failed success 100 %"),
        ("generator_saturated", "Invalid success 100 %"),
    ],
)
def test_a_run_that_is_not_valid_has_not_passed(code: Code, answer: str) -> None:
    report = replace(sample_reports.normal(), validity=sample_reports.cautions(code, "Something was wrong."))
    text = page_of(report).text
    assert f"Did it pass? {answer}" in text
    assert f"but {REASONS[code]}" in text
    word = answer.split()[0]
    assert f"{word}, although the service level objective was met: Something was wrong." in text
    assert "Passed" not in text


def test_a_batch_is_called_one() -> None:
    report = sample_reports.normal()
    run = {**report.run, "config": {**report.run["config"], "scenario": "batch"}}
    text = page_of(replace(report, run=cast(RunJson, run))).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Batch of 200 WebSocket users on 2 replicas" in text
    assert "all at once, one step each" in text
    assert "users started per second" not in text


def test_a_saturated_generator_is_a_reason_for_care() -> None:
    caution = sample_reports.cautions("generator_saturated", "The generator kept 1.00 of a core busy.")
    text = page_of(replace(sample_reports.normal(), validity=caution)).text
    assert "With care" in text
    assert "in comparisons leave it out" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "The generator kept 1.00 of a core busy." in text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(("code", "why"), DOUBTS.items())
def test_a_doubt_is_on_the_first_screen_with_its_reason(code: Code, why: str) -> None:
    doubted = Validity(True, [RunWarning(code, "Something is doubtful.")])
    text = page_of(replace(sample_reports.normal(), validity=doubted)).text
    assert "Can I trust it? Doubtful" in text
    assert f"doubt {why}" in text
    assert "Something is doubtful." in text
    assert "Did it pass? Passed" in text


def test_lag_and_littles_law_are_with_the_throughput() -> None:
    text = page_from(sample_reports.normal).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Little's law: 200.0 users = 1,060.0 operations/s × 188 ms" in text
    assert "The generator’s own lag" in text
    assert "event loop was at most 1.40 ms late" in text
    unknown = replace(sample_reports.undrawn(sample_reports.normal()), law=None)
    assert not {"Little's law", "own lag"} & set(re.findall("Little's law|own lag", page_of(unknown).text))


def test_what_is_not_known_is_called_unknown() -> None:
    text = page_from(sample_reports.unknown_hosts).text
    for words in (
        "Was it evenly spread? Unknown", "isolation not checked", "Can I trust it? No objection",
        "unknown, no reply names its host", "No operation failed.",
        "CPU and memory were not recorded.", "No observation named the host",
    ):  # fmt: skip
        assert words in text


def test_hosts_that_a_balancer_names_are_shown_and_what_is_unknown_besides_is_said() -> None:
    text = page_from(sample_reports.hosts_by_header).text.replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "Was it evenly spread? Evenly", ", 3 replicas", "10.0.0.2:8000", "Numbers of each replica",
        "idle unknown, only replicas that answer show", "workers unknown, replies name no process",
        "overhead unknown, not reported", "isolation unknown, replies name no session",
        "Can I trust it? In part",
    ):  # fmt: skip
        assert words in text
    assert "Overhead is a step" not in text
    assert "Numbers of each replica and worker" not in text


def test_what_was_sent_and_that_no_certificate_was_checked_is_told() -> None:
    text = page_from(sample_reports.hosts_by_header).text.replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "256 actions made from the server’s schema, in turn", "certificate not checked",
        'first action {"message": "hello", "tags": ["a", "b"]}', "order of actions in turn",
        "p99 of total required 1.10 s, by default 2 × (wait + 0.5 s)",
    ):  # fmt: skip
        assert words in text
    assert "wait of each step" not in text
    assert "wait 50.0 ms a step" in page_from(sample_reports.normal).text.replace("\N{NO-BREAK SPACE}", " ")


def test_users_whom_a_full_server_turned_away_are_on_the_first_screen() -> None:
    text = page_from(sample_reports.turned_away).text.replace("\N{NO-BREAK SPACE}", " ")
    for words in ("Did it pass? Failed", "success 0.50 %", "without any step 199 of 200 users", "With care"):
        assert words in text


def test_users_are_called_sessions_over_websocket_only() -> None:
    report = sample_reports.normal()
    over_http = {**report.run["config"], "transport": "http"}
    for config, words, others in (
        (report.run["config"], ("sessions 200", "Process Sessions Steps"), "users answered"),
        (over_http, ("users answered 200", "Process Users Steps"), "sessions 200"),
    ):
        text = page_of(replace(report, run=cast(RunJson, {**report.run, "config": config}))).text
        assert all(each in text for each in words)
        assert others not in text[text.index("Criteria") : text.index("Latency of successful")]


def test_where_no_step_succeeded_nobody_has_a_share() -> None:
    text = page_from(sample_reports.failed_steps).text.replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "How fast was it? No steps", "Was it evenly spread? One known", "share of steps no step succeeded",
        "No step succeeded, so none was spread.",
    ):  # fmt: skip
        assert words in text
    assert "fair share 0" not in text
    assert "Worker processes. The dashed line" in text


def test_where_nothing_at_all_was_spread_there_is_no_figure_of_it() -> None:
    report = sample_reports.failed_steps()
    spread = replace(report.distribution, unit="steps", replica_fairness=None, worker_fairness=None)
    text = page_of(replace(report, distribution=spread)).text
    assert "Was it evenly spread? Unknown spread nothing, no step succeeded" in text
    assert "Worker processes." not in text


@pytest.mark.parametrize(("placed", "counted", "unchecked"), [(True, False, 2), (False, True, 1)])
def test_checks_of_isolation_that_could_not_be_made_are_not_called_held(
    placed: bool, counted: bool, unchecked: int
) -> None:
    report = sample_reports.normal()
    isolation = replace(report.isolation, moved_checked=placed, counts_checked=counted)
    text = page_of(replace(report, isolation=isolation)).text
    assert text.count("not checked") == unchecked
    assert text.count("0 held") == 8 - unchecked


def test_a_run_without_steps_has_a_page_that_says_so() -> None:
    text = page_from(sample_reports.without_steps).text
    for words in ("No steps", "No data", "Nothing was recorded.", "there is no latency to show", "Failed"):
        assert words in text


def test_a_table_of_very_many_workers_is_cut_and_says_so() -> None:
    assert "the first 300 of 512" in page_from(hundreds_of_workers).text


@pytest.mark.parametrize(("make", "most"), [(sample_reports.normal, 300_000), (hundreds_of_workers, 600_000)])
def test_a_page_stays_small(make: Callable[[], RunReport], most: int) -> None:
    assert len(sample_reports.page(make).encode()) < most


def test_further_keys_of_the_configuration_are_shown() -> None:
    report = sample_reports.normal()
    config = {**report.run["config"], "reset_options": {"seed": 3}}
    text = page_of(replace(report, run={**report.run, "config": config})).text  # type: ignore[typeddict-item]
    assert 'reset options {"seed": 3}' in text


def test_tags_are_shown() -> None:
    report = sample_reports.normal()
    run = {**report.run, "config": {**report.run["config"], "tags": ["nightly", "main"]}}
    assert "tags nightly, main" in page_of(replace(report, run=run)).text  # type: ignore[arg-type]
    assert "tags" not in page_from(sample_reports.normal).text


def test_an_operation_that_was_never_made_has_no_success_rate() -> None:
    assert "operations succeeded –" in page_from(sample_reports.without_steps).text


def test_templates_never_switch_escaping_off() -> None:
    for template in Path(parts.__file__).parent.joinpath("templates").rglob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape", template.read_text()), template


def test_a_replay_says_what_was_replayed_and_no_wait_of_its_own() -> None:
    report = sample_reports.normal()
    trace = TraceJson(
        file="<b>.jsonl",
        sha256="0123456789abcdef" * 4,
        sessions=30,
        steps=1200,
        length_s=60.0,
        with_action=0,
        unnamed=0,
    )
    report.run["config"] |= {
        "arrivals": "trace",
        "arrivals_of": "steps",
        "shape": f"trace:{trace['file']}",
        "trace": trace,
    }
    page = render(report)
    assert "Replay of 1,200 steps in 30 WebSocket sessions on" in page
    assert "trace:&lt;b&gt;.jsonl" in page
    assert "0123456789abcdef" not in page.replace("0123456789abcde…", "")
    assert "0123456789abcde" in page
    assert "what each step of the trace says" in page
    assert "wait of each step" not in page
