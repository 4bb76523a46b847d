"""What the directories of experiments and calibrations share: the runs that they hold."""

from pathlib import Path

from reports.page.words import printable
from reports.records.directory import Record, RecordDirectory, RunDirectoryError
from reports.records.run_directory import RunDirectory


class RunsDirectory(RecordDirectory[Record]):
    """A directory that holds the runs of its cells."""

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def run(self, run_id: str) -> RunDirectory:
        """The run directory of a cell. Raises RunDirectoryError for one outside this directory."""
        if run_id in ("", "..") or "\0" in run_id or Path(run_id).name != run_id:
            raise RunDirectoryError(
                f"{printable(run_id, 60)!r} is not the name of a run: restore {self.json_path}"
            )
        return RunDirectory(self.runs / run_id)

    def exists(self) -> bool:
        """Whether this is such a directory, readable or not."""
        return self.json_path.exists()
