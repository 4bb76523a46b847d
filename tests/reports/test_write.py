import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.index.report import report_index
from reports.records.columns import EPISODES
from reports.records.run_directory import RunDirectoryError
from reports.write import (
    is_index,
    refresh_index,
    write_comparison,
    write_experiment_report,
    write_index,
    write_report,
)
from tests.reports.comparison.simulated import Load, write_experiment, write_run
from tests.reports.index.sample_results import SampleRun
from tests.reports.index.sample_results import write_run as write_sample_run
from tests.reports.sample_experiments import SampleExperiment, write_sample_experiment

LOAD = Load(users=8, seconds=10)


def test_both_forms_of_the_report_lie_beside_the_records(tmp_path: Path) -> None:
    directory = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=2000, users=20))
    before = set(directory.path.iterdir())
    report = write_report(directory)
    assert set(directory.path.iterdir()) - before == {directory.report_json, directory.report_html}
    assert json.loads(directory.report_json.read_text())["totals"]["steps"] == report.totals.steps
    assert directory.report_html.read_text(encoding="utf-8").startswith("<!")


def test_each_episode_is_written_where_any_was_finished(tmp_path: Path) -> None:
    what = SyntheticRun(rows=2000, users=20, failure_share=0, episode_steps=9)
    directory = write_synthetic_run(tmp_path / "run", what)
    write_report(directory)
    form = json.loads(directory.report_json.read_text())["episodes"]
    episodes = pq.read_table(directory.episodes)
    assert episodes.schema == EPISODES
    assert (episodes.num_rows, form["finished"], form["unfinished"]) == (200, 180, 20)
    assert form["steps"]["p50"] == form["steps"]["max"] == 9

    write_synthetic_run(tmp_path / "run", SyntheticRun(rows=2000, users=20))
    write_report(directory)
    assert json.loads(directory.report_json.read_text())["episodes"] is None
    assert not directory.episodes.exists()


def test_both_forms_of_an_experiment_s_report_lie_beside_it(tmp_path: Path) -> None:
    directory = write_sample_experiment(tmp_path / "sample", SampleExperiment(sizes=((1, 1),), users=(8, 32)))
    report = write_experiment_report(directory)
    assert json.loads(directory.report_json.read_text())["progress"]["cells"] == len(report.cells)
    assert directory.report_html.read_text(encoding="utf-8").startswith("<!")


def test_the_report_lies_with_b_and_bears_the_name_of_a(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    _, written = write_comparison(a.path, b.path)
    assert written.report_html == b.path / "compare-a" / "report.html"
    assert sorted(path.name for path in written.report_html.parent.iterdir()) == [
        "report.html",
        "report.json",
    ]
    assert written.report_html.read_text(encoding="utf-8").startswith("<!")


def test_the_json_has_the_keys_of_its_schema_and_no_number_that_json_does_not_know(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2, failing=1.1)
    _, written = write_comparison(a.path, b.path)

    def refuse(number: str) -> None:
        pytest.fail(f"{number} is no JSON")

    form = json.loads(written.report_json.read_text(), parse_constant=refuse)
    assert (form["kind"], form["schema_version"], form["confidence"]) == ("comparison", 1, 0.95)
    assert {"a", "b", "rows", "notices", "unmatched", "differences"} <= set(form)
    row = form["rows"][0]
    assert row["verdict"] == "no difference shown"
    assert [change["metric"] for change in row["changes"]] == ["throughput", "p50", "p95", "p99"]


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    _, one = write_comparison(a.path, b.path, tmp_path / "one")
    _, other = write_comparison(a.path, b.path, tmp_path / "other")
    assert one.report_json.read_bytes() == other.report_json.read_bytes()
    assert one.report_html.read_bytes() == other.report_html.read_bytes()


def test_experiments_are_compared_too(tmp_path: Path) -> None:
    a, b = write_experiment(tmp_path / "a", 1), write_experiment(tmp_path / "b", 2)
    assert write_comparison(a.path, b.path)[0].of == "experiments"


def test_a_run_and_an_experiment_are_no_pair(tmp_path: Path) -> None:
    run, experiment = write_run(tmp_path / "run", LOAD, 1), write_experiment(tmp_path / "experiment", 1)
    for a, b in ((run.path, experiment.path), (experiment.path, run.path)):
        with pytest.raises(RunDirectoryError, match=r"is an experiment and .* is a run"):
            write_comparison(a, b)


@pytest.mark.parametrize("missing", ["a", "b"])
def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path: Path, missing: str) -> None:
    run = write_run(tmp_path / "run", LOAD, 1).path
    nowhere = tmp_path / "nowhere"
    with pytest.raises(RunDirectoryError, match="nowhere is not a folder"):
        write_comparison(*((nowhere, run) if missing == "a" else (run, nowhere)))
    assert not nowhere.exists()


def test_nothing_is_left_of_a_comparison_that_was_broken_off(tmp_path: Path) -> None:
    a, b = write_experiment(tmp_path / "a", 1, users=(8,)), write_experiment(tmp_path / "b", 2, users=(8,))

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_comparison(a.path, b.path, progress=stop)
    assert not (b.path / "compare-a").exists()


def test_a_folder_that_cannot_be_written_is_a_clear_error_and_another_helps(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", LOAD, 1), write_run(tmp_path / "b", LOAD, 2)
    (b.path / "compare-a").write_text("a file where the folder should be")
    with pytest.raises(RunDirectoryError, match="--output"):
        write_comparison(a.path, b.path)
    assert write_comparison(a.path, b.path, tmp_path / "elsewhere")[1].report_html.exists()


def test_the_index_is_written_again(tmp_path: Path) -> None:
    write_sample_run(tmp_path, SampleRun("a"))
    assert write_index(report_index(tmp_path)) == tmp_path / "index.html"
    write_sample_run(tmp_path, SampleRun("b"))
    assert refresh_index(tmp_path) is None
    assert is_index(tmp_path / "index.html")
    assert 'href="b/report.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "index.html"]


@pytest.mark.parametrize("kind", ["page", "folder", "pipe"])
def test_an_index_that_is_not_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    page = tmp_path / "index.html"
    if kind == "page":
        page.write_text("<title>My results</title>")
    elif kind == "folder":
        page.mkdir()
    else:
        os.mkfifo(page)
    problem = refresh_index(tmp_path)
    assert problem is not None
    assert problem.startswith("the index of all results was not written: ")
    assert "move it away" in problem
    assert page.is_dir() == (kind == "folder")
