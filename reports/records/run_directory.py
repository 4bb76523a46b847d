"""A run directory: where its files are, and how they are read whether or not the run was completed."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reports.records.columns import ADDED_TO_RESOURCES, ADDED_TO_STEPS, EPISODES, RESOURCES, STEPS
from reports.records.directory import RecordDirectory, RunDirectoryError, replacing, unwritable
from reports.records.schema import RunJson
from reports.records.tables import RecordedTable

__all__ = ["RunDirectory", "RunDirectoryError"]


@dataclass(frozen=True)
class RunDirectory(RecordDirectory[RunJson]):
    """The files of one run below `path`."""

    kind = "run"
    shape = RunJson

    @property
    def steps(self) -> RecordedTable:
        """One row for every operation, sorted by `started_at`."""
        return RecordedTable(
            self.path / "steps.arrows", self.path / "steps.parquet", STEPS, added=ADDED_TO_STEPS
        )

    @property
    def resources(self) -> RecordedTable:
        """What every part used each second, and how late generators were, sorted by `at`."""
        return RecordedTable(
            self.path / "resources.arrows",
            self.path / "resources.parquet",
            RESOURCES,
            added=ADDED_TO_RESOURCES,
        )

    @property
    def generator_usage(self) -> Path:
        """While a run goes on: a stream of what generators say of themselves, for `resources`."""
        return self.path / "generators.arrows"

    @property
    def episodes(self) -> Path:
        """One row for every episode, made from the steps with the report, where any episode was finished."""
        return self.path / "episodes.parquet"

    def write_episodes(self, episodes: pa.Table | None) -> None:
        """Replaces the table of episodes; None: there is none. Raises RunDirectoryError."""
        try:
            if episodes is None:
                self.episodes.unlink(missing_ok=True)
                return
            with replacing(self.episodes) as scratch:
                pq.write_table(episodes.cast(EPISODES), scratch, compression="zstd", compression_level=1)
        except OSError as error:
            raise unwritable(self.episodes, error) from error

    def _what_is_missing(self) -> str:
        runs = sorted(run_json.parent for run_json in self.path.glob("*/run.json"))
        if runs:
            return f"is a folder of runs, not a run: give one of them, the newest is {runs[-1]}"
        return super()._what_is_missing()

    def read_steps(self, columns: list[str] | None = None) -> pa.Table:
        """The steps table sorted by `started_at`, strings dictionary-encoded, from Parquet or the stream.

        Raises RunDirectoryError where nothing was recorded.
        """
        if not self.steps.parquet.exists() and not self.steps.stream.exists():
            raise RunDirectoryError(f"{self.path} holds no steps: the run ended before it recorded any")
        return self.steps.read(columns)

    def compact(self) -> None:
        """Turns the streams of a finished run into sorted Parquet files and removes the streams.

        Raises RunDirectoryError where a file cannot be written; its stream is kept then.
        """
        self.steps.compact()
        self.resources.compact()
