"""An experiment directory: experiment.json, the runs of its cells, and its report."""

from dataclasses import dataclass

from reports.records.runs_directory import RunsDirectory
from reports.records.schema import ExperimentJson


@dataclass(frozen=True)
class ExperimentDirectory(RunsDirectory[ExperimentJson]):
    """The files of one experiment below `path`."""

    kind = "experiment"
    shape = ExperimentJson
