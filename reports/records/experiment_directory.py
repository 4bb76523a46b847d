"""An experiment directory on disk: experiment.json, the runs of its cells, and its report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from reports.page.words import printable
from reports.records.run_directory import RunDirectory, RunDirectoryError, unwritable, write_atomically
from reports.records.schema import SCHEMA_VERSION, ExperimentJson, fault_in_experiment_json


@dataclass(frozen=True)
class ExperimentDirectory:
    """The files of one experiment below `path`. Nothing is read or written until a method is called."""

    path: Path

    @property
    def experiment_json(self) -> Path:
        return self.path / "experiment.json"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def report_json(self) -> Path:
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        return self.path / "report.html"

    @classmethod
    def create(cls, results: Path, slug: str) -> "ExperimentDirectory":
        """Makes `results/YYYYMMDD-HHMMSS-<slug>`. Raises RunDirectoryError where that is not possible."""
        return cls(RunDirectory.create(results, slug).path)

    def run(self, run_id: str) -> RunDirectory:
        """The run directory of a cell. Raises RunDirectoryError for what would lie elsewhere."""
        if run_id in ("", "..") or "\0" in run_id or Path(run_id).name != run_id:
            raise RunDirectoryError(
                f"{printable(run_id, 60)!r} is no name of a run: restore {self.experiment_json}"
            )
        return RunDirectory(self.runs / run_id)

    def exists(self) -> bool:
        """Whether this is the directory of an experiment, readable or not."""
        return self.experiment_json.exists()

    def write(self, experiment: ExperimentJson) -> None:
        """Replaces experiment.json in one step. Raises RunDirectoryError where it cannot be written."""
        try:
            write_atomically(
                self.experiment_json, json.dumps(experiment, indent=2, ensure_ascii=False) + "\n"
            )
        except OSError as error:
            raise unwritable(self.experiment_json, error) from error

    def read(self) -> ExperimentJson:
        """Reads experiment.json.

        Raises RunDirectoryError where it is missing, broken or from a newer schema.
        """
        if not self.path.is_dir():
            raise RunDirectoryError(
                f"{self.path} is not a folder: give an experiment, results/<experiment_id>"
            )
        try:
            experiment = json.loads(self.experiment_json.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunDirectoryError(
                f"{self.path} holds no experiment.json, so it is no experiment: give results/<experiment_id>"
            ) from None
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.experiment_json} cannot be read: {error}") from error
        version = experiment.get("schema_version") if isinstance(experiment, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise RunDirectoryError(
                f"{self.path} was written with schema {version}, this program reads up to {SCHEMA_VERSION}: "
                "update it"
            )
        if fault := fault_in_experiment_json(experiment):
            raise RunDirectoryError(
                f"{self.experiment_json} is damaged ({fault}): restore it, or run the experiment again"
            )
        return cast(ExperimentJson, experiment)
