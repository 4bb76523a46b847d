import json
from pathlib import Path

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.write import write_report


def test_both_forms_of_the_report_lie_beside_the_records(tmp_path: Path) -> None:
    directory = write_synthetic_run(tmp_path / "run", SyntheticRun(rows=2000, users=20))
    before = set(directory.path.iterdir())
    report = write_report(directory)
    assert set(directory.path.iterdir()) - before == {directory.report_json, directory.report_html}
    assert json.loads(directory.report_json.read_text())["totals"]["steps"] == report.totals.steps
    assert directory.report_html.read_text(encoding="utf-8").startswith("<!")
