import json
from pathlib import Path

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.write import write_experiment_report, write_report
from tests.reports.sample_experiments import write_sample_experiment


def test_both_forms_of_the_report_lie_beside_the_records(tmp_path: Path) -> None:
    directory = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=2000, users=20))
    before = set(directory.path.iterdir())
    report = write_report(directory)
    assert set(directory.path.iterdir()) - before == {directory.report_json, directory.report_html}
    assert json.loads(directory.report_json.read_text())["totals"]["steps"] == report.totals.steps
    assert directory.report_html.read_text(encoding="utf-8").startswith("<!")


def test_both_forms_of_an_experiment_s_report_lie_beside_it(tmp_path: Path) -> None:
    directory = write_sample_experiment(tmp_path / "sample")
    report = write_experiment_report(directory)
    assert json.loads(directory.report_json.read_text())["progress"]["cells"] == len(report.cells)
    assert directory.report_html.read_text(encoding="utf-8").startswith("<!")
