"""An experiment directory: experiment.json, the runs of its cells, and its report."""

from dataclasses import dataclass
from pathlib import Path

from reports.page.words import printable
from reports.records.directory import RecordDirectory, RunDirectoryError
from reports.records.run_directory import RunDirectory
from reports.records.schema import ExperimentJson


@dataclass(frozen=True)
class ExperimentDirectory(RecordDirectory[ExperimentJson]):
    """The files of one experiment below `path`."""

    kind = "experiment"
    shape = ExperimentJson

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def run(self, run_id: str) -> RunDirectory:
        """The run directory of a cell. Raises RunDirectoryError for one outside the experiment."""
        if run_id in ("", "..") or "\0" in run_id or Path(run_id).name != run_id:
            raise RunDirectoryError(
                f"{printable(run_id, 60)!r} is not the name of a run: restore {self.json_path}"
            )
        return RunDirectory(self.runs / run_id)

    def exists(self) -> bool:
        """Whether this is the directory of an experiment, readable or not."""
        return self.json_path.exists()
