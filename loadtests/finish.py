"""The end of a run: its status, its compact records and its report."""

import time

from reports.run_directory import RunDirectory
from reports.run_report import RunReport
from reports.schema import RunStatus
from reports.write import write_report


def finish_run(directory: RunDirectory, status: RunStatus, detail: str | None = None) -> RunReport:
    """Completes run.json, turns the streams into Parquet and writes the report.

    Raises RunDirectoryError where the run recorded nothing that can be reported.
    """
    run = directory.read_run()
    if run["ended_at"] is None:
        run["ended_at"] = time.time()
    run["status"] = status
    run["status_detail"] = detail
    directory.write_run(run)
    directory.compact()
    return write_report(directory)
