import dataclasses
import json
from pathlib import Path
from typing import Any

from reports.experiment.page import render
from reports.experiment.report import ExperimentReport, report_experiment, to_json
from reports.experiment.verdict import verdict_lines
from reports.records.experiment_directory import ExperimentDirectory
from tests.reports.sample_experiments import SampleExperiment, write_sample_experiment


def swept(path: Path) -> ExperimentReport:
    """An experiment over rates: a made-up one over users whose cells say that these carried arrivals."""
    sample = SampleExperiment(sizes=((1, 2),), users=(8, 32, 128), repetitions=1, troubles=False)
    directory = ExperimentDirectory(write_sample_experiment(path, sample).path)
    experiment: Any = json.loads(directory.json_path.read_text())
    for cell in experiment["cells"]:
        cell["arrivals"] = f"poisson:{cell['users'] * 10}"
    experiment["config"]["settings"] = {"ARRIVALS_OF": "steps"}
    directory.json_path.write_text(json.dumps(experiment))
    return report_experiment(directory)


def test_the_page_and_the_verdict_of_a_sweep_are_about_rates(tmp_path: Path) -> None:
    report = swept(tmp_path / "sweep")
    page = render(report)
    assert "under 80 to 1,280\u00a0steps/s" in page
    assert "steps/s that were due" in page.replace("\u00a0", " ")
    assert "What does it carry?" in page
    assert "How many sessions?" not in page
    assert "Scalability law" not in page
    assert any("steps/s met the objective" in line for line in verdict_lines(report))
    curves = to_json(report)["loads"]["curves"]
    assert [point["load"] for point in curves[0]["points"]] == [80, 320, 1280]
    assert {cell["load_unit"] for cell in to_json(report)["cells"]} == {"steps/s"}


def test_a_sweep_without_figures_has_a_page(tmp_path: Path) -> None:
    report = swept(tmp_path / "sweep")
    cells = [dataclasses.replace(cell, status="failed", has_report=False) for cell in report.cells]
    assert render(dataclasses.replace(report, cells=cells, loads=None))
