"""A calibration directory: calibration.json, its runs, each with the truth about it, and its report."""

from dataclasses import dataclass

from reports.records.runs_directory import RunsDirectory
from reports.records.schema import CalibrationJson


@dataclass(frozen=True)
class CalibrationDirectory(RunsDirectory[CalibrationJson]):
    """The files of one calibration below `path`."""

    kind = "calibration"
    shape = CalibrationJson
