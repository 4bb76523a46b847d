"""What an experiment has on disk: which of its cells are done, where it ran, and whether it is running."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from loadtests.errors import LoadTestError
from loadtests.machine import machine
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectoryError
from reports.records.schema import CellJson, ExperimentJson

_SAME_MACHINE = ("hostname", "cpu_model", "cores")


def last_experiment(results: Path) -> Path:
    """The newest experiment below `results` that has not completed. Raises LoadTestError."""
    for path in sorted(results.glob("*/experiment.json"), reverse=True):
        directory = ExperimentDirectory(path.parent)
        try:
            experiment = directory.read()
        except RunDirectoryError:
            continue
        unfinished = any(cell["status"] != "completed" for cell in experiment["cells"])
        if experiment["purpose"] == "scaling" and unfinished and not _is_running(directory):
            return path.parent
    raise LoadTestError(f"no experiment below {results} is unfinished: there is nothing to resume")


def keep_finished(directory: ExperimentDirectory, cells: list[CellJson]) -> None:
    """Keeps cells whose run went to its end, and makes the others pending."""
    for cell in cells:
        if cell["status"] in ("completed", "running") and _went_to_its_end(directory, cell["run_id"]):
            cell["status"], cell["reason"] = "completed", None
        else:
            cell["status"], cell["reason"], cell["run_id"] = "pending", None, None


def _went_to_its_end(directory: ExperimentDirectory, run_id: str | None) -> bool:
    if not run_id:
        return False
    try:
        run_directory = directory.run(run_id)
        run = run_directory.read()
        if run["status"] != "completed" or run.get("incidents"):
            return False
        if not (run_directory.report_json.exists() and run_directory.report_html.exists()):
            from reports.write import write_report

            run_directory.compact()
            write_report(run_directory)
    except RunDirectoryError:
        return False
    return True


def note_machine(experiment: ExperimentJson) -> None:
    """Records this machine if the experiment was started on another one."""
    here = machine()
    known = [experiment["machine"], *experiment.get("further_machines", [])]
    if all(any(here[key] != each.get(key) for key in _SAME_MACHINE) for each in known):
        experiment["further_machines"] = [*experiment.get("further_machines", []), here]


@contextlib.contextmanager
def alone(directory: ExperimentDirectory) -> Iterator[None]:
    """Holds the experiment, so that no second process runs it. Raises LoadTestError where one does."""
    descriptor = os.open(directory.path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LoadTestError(f"{directory.path} is being run by another process: wait for that") from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(descriptor)


def _is_running(directory: ExperimentDirectory) -> bool:
    try:
        with alone(directory):
            return False
    except LoadTestError:
        return True
