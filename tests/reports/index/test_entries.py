import json
import os
from pathlib import Path

import numpy as np
import pytest

from reports.index.entries import Entry, Unread, read_entries
from reports.records.directory import RunDirectoryError
from reports.records.schema import RunStatus
from reports.write import write_calibration_report
from tests.reports.calibration.sample_calibrations import Load, write_calibration
from tests.reports.index.sample_results import (
    FIRST,
    SampleRun,
    write_comparison,
    write_experiment,
    write_run,
)
from tests.reports.sample_experiments import capacity_sample, rates_sample, write_sample_experiment
from tests.reports.sample_reports import HOSTILE


def only(results: Path) -> Entry:
    ([entry], unread) = read_entries(results)
    assert unread == []
    return entry


def reason(results: Path) -> str:
    entries, [unread] = read_entries(results)
    assert entries == []
    return unread.reason


@pytest.mark.parametrize(
    ("sample", "verdict", "note"),
    [
        (SampleRun("a"), "passed", None),
        (SampleRun("a", slo_passed=False), "failed", "99 % of the steps took at most 1.42 s"),
        (SampleRun("a", code="generator_saturated"), "invalid", "The load generator was the limit."),
        (SampleRun("a", code="isolation_violated"), "failed", "The load generator was the limit."),
        (SampleRun("a", status="interrupted"), "cut short", "The load generator was the limit."),
        (SampleRun("a", status="running"), "cut short", "no end recorded"),
    ],
)
def test_a_run_has_the_verdict_of_its_report(
    tmp_path: Path, sample: SampleRun, verdict: str, note: str | None
) -> None:
    write_run(tmp_path, sample)
    entry = only(tmp_path)
    assert (entry.kind, entry.path, entry.verdict, entry.at) == ("run", "a", verdict, FIRST)
    assert (entry.note or "").startswith(note or "")
    assert (entry.note is None) == (note is None)
    assert entry.valid == (sample.status == "completed" and sample.code is None)


def test_a_run_has_its_configuration_figures_and_tags(tmp_path: Path) -> None:
    write_run(tmp_path, SampleRun("a", throughput=812.5, p50=0.06, p99=0.09, tags=("nightly", "main")))
    entry = only(tmp_path)
    assert entry.headline == "200 WebSocket users on 2 replicas × 2 workers"
    assert entry.details == ["containers behind nginx", "round_robin", "wait 50.0 ms a step"]
    assert entry.tags == ["nightly", "main"]
    figures = entry.figures
    assert (figures.throughput_steps_per_s, figures.p50, figures.p99) == (812.5, 0.06, 0.09)
    assert (figures.success_rate, figures.sessions) == (1.0, 200)


def test_a_run_that_was_never_reported_says_how_to(tmp_path: Path) -> None:
    write_run(tmp_path, SampleRun("a", page=False)).report_json.unlink()
    entry = only(tmp_path)
    assert (entry.verdict, entry.has_page) == ("no report", False)
    assert entry.note == "no report.json: make report RUN=…"


def test_an_experiment_has_its_best_figures(tmp_path: Path) -> None:
    write_experiment(tmp_path, "grid")
    entry = only(tmp_path)
    assert (entry.kind, entry.verdict, entry.tags) == ("experiment", "completed", ["weekly"])
    assert entry.headline == "Scaling, 8 to 64 WebSocket users"
    assert (entry.figures.throughput_steps_per_s, entry.figures.sessions) == (420, 64)


def test_the_rate_that_a_search_found_is_no_number_of_sessions(tmp_path: Path) -> None:
    write_sample_experiment(tmp_path / "rates", rates_sample())
    entry = only(tmp_path)
    assert entry.headline == "Capacity search over rates, WebSocket"
    assert entry.figures.sessions is None
    write_sample_experiment(tmp_path / "a", capacity_sample())
    batches = next(each for each in read_entries(tmp_path)[0] if each.path == "a")
    assert (batches.headline, batches.figures.sessions) == ("Capacity search, WebSocket", 256)


def test_an_experiment_that_was_interrupted_is_cut_short(tmp_path: Path) -> None:
    write_experiment(tmp_path, "grid", status="interrupted")
    assert only(tmp_path).verdict == "cut short"


def test_comparisons_lie_with_their_b_or_elsewhere(tmp_path: Path) -> None:
    write_run(tmp_path, SampleRun("a"))
    write_run(tmp_path, SampleRun("b"))
    write_comparison(tmp_path, "a", "b")
    (tmp_path / "b" / "compare-a").rename(tmp_path / "elsewhere")
    write_comparison(tmp_path, "a", "b", "faster")
    entries, unread = read_entries(tmp_path)
    found = {entry.path: (entry.verdict, entry.headline) for entry in entries if entry.kind == "comparison"}
    assert found == {"elsewhere": ("slower", "a → b"), "b/compare-a": ("faster", "a → b")}
    assert unread == []


def test_the_newest_come_first(tmp_path: Path) -> None:
    for name, at in (("a", 2.0), ("b", 3.0), ("c", 1.0), ("d", float("nan"))):
        write_run(tmp_path, SampleRun(name, at=at))
    assert [entry.path for entry in read_entries(tmp_path)[0]] == ["b", "a", "c", "d"]


def test_runs_within_an_experiment_are_not_listed(tmp_path: Path) -> None:
    write_experiment(tmp_path, "grid")
    write_run(tmp_path / "grid" / "runs", SampleRun("a"))
    assert only(tmp_path).kind == "experiment"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "no schema_version"),
        ('{"kind": "run", "schema_version": 99}', "update it"),
        ('{"kind": "run", "schema_version": 1}', "damaged"),
        ('{"started_at": ' + "9" * 5000 + "}", "cannot be read"),
    ],
)
def test_a_run_json_that_is_broken_is_named_and_the_others_are_listed(
    tmp_path: Path, text: str, words: str
) -> None:
    write_run(tmp_path, SampleRun("good"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text(text)
    [entry], [unread] = read_entries(tmp_path)
    assert (entry.path, unread.path) == ("good", "bad")
    assert words in unread.reason


@pytest.mark.parametrize(
    "text",
    ["", "null", "[" * 100_000, "[1]", '{"totals": 3, "validity": [], "latency": {"step": {"p50": "x"}}}'],
)
def test_a_report_json_that_is_broken_costs_a_run_its_figures_only(tmp_path: Path, text: str) -> None:
    write_run(tmp_path, SampleRun("a")).report_json.write_text(text)
    entry = only(tmp_path)
    assert entry.verdict in ("no report", "failed")
    assert not entry.valid
    assert entry.figures.p50 is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e300", "true", '"1"', "9" * 400])
def test_a_figure_that_is_no_number_is_unknown(tmp_path: Path, number: str) -> None:
    directory = write_run(tmp_path, SampleRun("a", throughput=123456.0))
    directory.report_json.write_text(directory.report_json.read_text().replace("123456.0", number))
    assert only(tmp_path).figures.throughput_steps_per_s is None


def test_foreign_folders_are_named_and_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "index.html").touch()
    assert read_entries(tmp_path) == (
        [],
        [Unread("notes", "holds no run, experiment, comparison or calibration")],
    )


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "run.json")
    assert reason(tmp_path) == "run.json is not a file"


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "run.json").symlink_to(tmp_path / "nowhere")
    assert "cannot be read" in reason(tmp_path)


def test_names_from_outside_stay_on_one_line(tmp_path: Path) -> None:
    name = "a\nb\x1b[31m" + HOSTILE.replace("/", "∕")
    write_run(tmp_path, SampleRun(name))
    (tmp_path / os.fsdecode(b"\xff\xfe")).mkdir()
    [entry], [unread] = read_entries(tmp_path)
    assert entry.path == name
    assert unread.path.isprintable()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="nowhere is not there"):
        read_entries(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="cannot be read"):
        read_entries(tmp_path / "file")


def test_tags_that_are_none_do_not_hide_a_run(tmp_path: Path) -> None:
    directory = write_run(tmp_path, SampleRun("a", tags=("x",)))
    run = json.loads(directory.json_path.read_text())
    run["config"]["tags"] = "nightly"
    directory.json_path.write_text(json.dumps(run))
    assert "damaged (config.tags" in reason(tmp_path)


@pytest.mark.parametrize(
    ("added_s", "status", "verdict", "detail"),
    [
        (0.0002, "completed", "passed", "within bounds up to 4 users"),
        (0.05, "completed", "failed", "within bounds at no load in full"),
        (0.0002, "interrupted", "cut short", "within bounds up to 4 users"),
    ],
)
def test_a_calibration_says_whether_the_harness_kept_its_bounds(
    tmp_path: Path, added_s: float, status: RunStatus, verdict: str, detail: str
) -> None:
    load = Load(added_s=lambda true: np.full_like(true, added_s))
    write_calibration_report(write_calibration(tmp_path, [load], status))
    entry = only(tmp_path)
    assert (entry.kind, entry.verdict, entry.headline) == ("calibration", verdict, "1 load")
    assert entry.details == [detail]
    assert entry.has_page


def test_a_calibration_without_a_report_is_listed_too(tmp_path: Path) -> None:
    write_calibration(tmp_path, [Load()])
    entry = only(tmp_path)
    assert (entry.verdict, entry.details, entry.has_page) == ("no report", [], False)
