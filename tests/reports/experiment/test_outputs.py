"""What an experiment gives to other programs: JUnit XML and Markdown."""

from collections import Counter
from pathlib import Path

from reports.__main__ import main
from tests.reports.outputs.junit_schema import checked, results
from tests.reports.sample_experiments import SampleExperiment, write_sample_experiment


def test_the_report_of_an_experiment_writes_both(tmp_path: Path) -> None:
    directory = write_sample_experiment(tmp_path / "sample", SampleExperiment(pending=5))
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    assert main(["run", str(directory.path), "--junit", str(junit), "--summary", str(summary)]) == 1
    found = Counter(results(checked(junit.read_text())).values())
    assert found == {"passed": 44, "error": 1, "skipped": 5}
    lines = summary.read_text().splitlines()
    assert lines[0] == "## 5 deployments under 1 to 256 users"
    assert lines[2].startswith("**Cut short: 44 of 50 cells done")
    assert "2 × 2  ≥ 256  ████████████████" in lines
