"""Runs an experiment: each cell of its grid is run and reported in turn; what is left can be resumed."""

import contextlib
import errno
import shutil
import time
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from loadtests.clock import now
from loadtests.commands import invocation
from loadtests.deployments import Deployment, DeploymentConfig
from loadtests.deployments.choose import choose
from loadtests.deployments.remains import remove_remains
from loadtests.errors import LoadTestError
from loadtests.experiment.config import (
    ExperimentPlan,
    cell_config,
    differing_setting,
    experiment_plan,
    named_targets,
    settings_of,
)
from loadtests.experiment.grid import deployment_key
from loadtests.experiment.state import alone, keep_finished, note_machine
from loadtests.experiment.view import ExperimentView
from loadtests.load.options import load_options, settled
from loadtests.machine import machine
from loadtests.run.config import environment_of
from loadtests.run.finish import finish_run, list_in_index, print_outcome, reported
from loadtests.run.load_test import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PASSED,
    check_writable,
    deployed,
    ended_parts,
    new_run,
    record_run,
    server_settings,
    settled_for,
    too_many_sessions,
)
from loadtests.run.outlets import NO_OUTLETS, Outlets
from loadtests.settings import Values
from loadtests.terminal import end_on_termination, progress
from reports.page.words import count
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import SCHEMA_VERSION, CellJson, ExperimentJson, RunStatus
from reports.write import write_experiment_outputs, write_experiment_report

if TYPE_CHECKING:  # it loads pandas
    from reports.run.report import RunReport

_LEAST_FREE_BYTES = 100 * 2**20
_MOST_DEATHS = 3
"""After this many cells in a row in which the deployment died, the others are given up."""
_LONGEST_SLUG = 60


class _StopError(Exception):
    """Ends the experiment for now; the message says why, and the cells left can be run with --resume."""


def run_experiment(settings: Values, console: Console, outlets: Outlets = NO_OUTLETS) -> int:
    """Runs a new experiment. Returns 0 where every cell completed, 1 where one failed, 130 after Ctrl-C.

    Raises LoadTestError for what a person can fix before anything runs.
    """
    results = Path(settings["RESULTS"])
    check_writable(results)
    targets = _resolved(settings, named_targets(settings["TARGET"]), console)
    plan = experiment_plan(_with_actions(settings, targets), targets, server_settings())
    directory = ExperimentDirectory.create(results, f"scaling-{'-'.join(targets)}"[:_LONGEST_SLUG])
    experiment = ExperimentJson(
        kind="experiment",
        schema_version=SCHEMA_VERSION,
        experiment_id=directory.path.name,
        purpose="scaling",
        status="running",
        started_at=now(),
        ended_at=None,
        config=plan.config,
        machine=machine(),
        cells=plan.cells,
    )
    with alone(directory):
        return _Experiment(plan, directory, experiment, console, outlets).run()


def resume_experiment(
    path: Path, given: Mapping[str, str | None], console: Console, outlets: Outlets = NO_OUTLETS
) -> int:
    """Resumes an experiment: runs what is pending, was cut off or has failed. Returns as above.

    Raises LoadTestError where a setting in `given` is not the experiment's own, RunDirectoryError where
    there is no experiment.
    """
    directory = ExperimentDirectory(path)
    directory.read()  # raises if anything is wrong with the path
    with alone(directory):
        return _resumed(directory, given, console, outlets).run()


def _resumed(
    directory: ExperimentDirectory, given: Mapping[str, str | None], console: Console, outlets: Outlets
) -> "_Experiment":
    path, experiment = directory.path, directory.read()
    if experiment["purpose"] != "scaling":
        raise LoadTestError(f"{path} is a capacity search, which cannot be resumed: start a new one")
    settings = settings_of(experiment["config"])
    if other := differing_setting(given, settings):
        raise LoadTestError(
            f"{other} is not what {path.name} was started with: leave it out, or start a new experiment"
        )
    started_with = experiment["config"].get("server_settings", {})
    if started_with != server_settings():
        raise LoadTestError(
            f"the environment servers of {path.name} were given {started_with}, and would be given "
            f"{server_settings()} now: set the same variables"
        )
    strangers = {cell["deployment"] for cell in experiment["cells"]} - experiment["config"]["targets"].keys()
    if strangers or not experiment["cells"]:
        what = f"the target {min(strangers)} is not among its targets" if strangers else "it has no cells"
        raise LoadTestError(f"{directory.json_path} is damaged ({what}): start a new experiment")
    check_writable(path)
    if port := given.get("PORT"):
        settings["PORT"] = port
    plan = ExperimentPlan(settings, experiment["config"], experiment["cells"])
    for cell in plan.cells:
        cell_config(plan, cell)
    return _Experiment(plan, directory, experiment, console, outlets)


def _resolved(settings: Values, targets: dict[str, str], console: Console) -> dict[str, str]:
    """The targets, with `auto` replaced by what it means here."""
    resolved: dict[str, str] = {}
    for name, target in targets.items():
        if target == "auto":
            config = DeploymentConfig(
                environment=environment_of(settings), port=0, generators=int(settings["GENERATORS"] != "0")
            )
            deployment, why = choose(target, config, progress=progress(console))
            progress(console)(why)
            kind = deployment.kind
            resolved[kind if name == "auto" else name] = kind
        else:
            resolved[name] = target
    if len(resolved) < len(targets):
        raise LoadTestError("TARGET names the same deployment twice: auto stands for one of the others")
    return resolved


def _with_actions(settings: Values, targets: Mapping[str, str]) -> Values:
    """The settings with what to send, where none of the targets takes the Benchmark environment's waits.

    Raises LoadTestError where a server does not say what it takes.
    """
    if settings["ACTION"] or settings["ACTIONS"] or settings["POLICY"]:
        return settings
    if (settings["ENV"] or settings["IMAGE"]) and not environment_of(settings).is_benchmark:
        return {**settings, "ACTIONS": "schema"}
    if not all("://" in target for target in targets.values()):
        return settings
    options = load_options({**settings, "WAIT": "0", "ARRIVALS": ""})
    if any(settled(options, target).actions is None for target in targets.values()):
        return settings
    return {**settings, "ACTIONS": "schema"}


def _check_workers(deployment: Deployment, cell: CellJson) -> None:
    """Raises LoadTestError where an image's start command gives another number of workers than the cell's."""
    workers = deployment.topology()["workers"]
    if workers != cell["workers"]:
        raise LoadTestError(f"the image starts {count(workers or 1, 'worker')} in each replica")


def _put_back(cell: CellJson) -> None:
    """Makes a cell that did not get to its end pending."""
    if cell["status"] == "running":
        cell["status"], cell["run_id"] = "pending", None


def _disk_is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Experiment:
    """One attempt at the pending cells."""

    def __init__(
        self,
        plan: ExperimentPlan,
        directory: ExperimentDirectory,
        experiment: ExperimentJson,
        console: Console,
        outlets: Outlets,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._experiment = experiment
        self._console = console
        self._outlets = outlets
        self._say = progress(console)
        loads = [cell_config(plan, cell).duration_s for cell in plan.cells]
        self._view = ExperimentView(plan.cells, sum(loads) / len(loads), console)

    def run(self) -> int:
        """Runs what is pending, writes the report, and says how to resume if cells are left."""
        end_on_termination()
        status, detail = self._run_all()
        if detail:
            self._say(detail)
        self._experiment["status"], self._experiment["status_detail"] = status, detail
        self._experiment["ended_at"] = now()
        try:
            self._directory.write(self._experiment)
            self._report()
        except RunDirectoryError as error:
            if str(error) != detail:
                self._say(str(error))
        list_in_index(self._directory.path.absolute().parent, self._console)
        left = [cell for cell in self._plan.cells if cell["status"] != "completed"]
        if left:
            self._console.print(
                f"{len(left)} of {count(len(self._plan.cells), 'cell')} left: "
                f"{invocation('scaling', RESUME=self._directory.path)}",
                markup=False,
                soft_wrap=True,
            )
        if status == "interrupted":
            return EXIT_INTERRUPTED
        return EXIT_FAILED if left else EXIT_PASSED

    def _run_all(self) -> tuple[RunStatus, str | None]:
        self._experiment["status"], self._experiment["ended_at"] = "running", None
        keep_finished(self._directory, self._plan.cells)
        note_machine(self._experiment)
        self._directory.write(self._experiment)
        try:
            for line in remove_remains():
                self._say(line)
            self._view.start(self._directory.path)
            pending = [cell for cell in self._plan.cells if cell["status"] == "pending"]
            for _, cells in groupby(pending, deployment_key):
                self._run_on_one_deployment(list(cells))
        except KeyboardInterrupt:
            return "interrupted", "stopped by Ctrl-C"
        except _StopError as stop:
            return "failed", str(stop)
        return "completed", None

    def _run_on_one_deployment(self, cells: list[CellJson]) -> None:
        """Runs cells that share a deployment, which is brought up again if it dies."""
        config = cell_config(self._plan, max(cells, key=lambda cell: cell["users"]))
        deaths = 0
        while cells and deaths < _MOST_DEATHS:
            try:
                with contextlib.ExitStack() as stack:
                    with self._view.bringing_up(cells[0]):
                        deployment = stack.enter_context(
                            deployed(config.target, config.deployment, self._view.detail)
                        )
                    _check_workers(deployment, cells[0])
                    while cells:
                        self._check_disk()
                        self._run_cell(cells.pop(0), deployment)
                        if ended_parts(deployment):
                            deaths += 1
                            break
                        deaths = 0
                        if not deployment.is_as_brought_up():
                            break
            except LoadTestError as error:
                self._fail(cells, str(error))
        self._fail(cells, f"the deployment died in {_MOST_DEATHS} cells, one after another")

    def _run_cell(self, cell: CellJson, deployment: Deployment) -> None:
        """Runs one cell and records its outcome."""
        config = cell_config(self._plan, cell)
        start = time.monotonic()
        report: RunReport | None = None
        if warning := too_many_sessions(config, deployment):
            self._say(warning)
        try:
            config = settled_for(config, deployment, self._view.detail)
            directory = new_run(config, deployment, self._directory.runs)
            cell["status"], cell["run_id"] = "running", directory.path.name
            self._directory.write(self._experiment)
            with self._view.of_cell(cell, config, deployment) as view:
                outcome = record_run(config, deployment, directory, view.show, self._say, self._outlets.meter)
            report = self._finish(cell, directory, *outcome)
            self._directory.write(self._experiment)
        except KeyboardInterrupt:
            _put_back(cell)
            raise
        except Exception as error:
            if _disk_is_full(error):
                _put_back(cell)
                raise _StopError(f"the disk is full ({error}): make room, and resume") from error
            cell["status"], cell["reason"] = "failed", str(error) or repr(error)
            self._write()
        self._view.finished(cell, report, time.monotonic() - start)

    def _finish(
        self, cell: CellJson, directory: RunDirectory, status: RunStatus, detail: str | None
    ) -> "RunReport":
        if status == "interrupted":
            raise KeyboardInterrupt
        report = finish_run(directory, status, detail)
        failure = detail or " ".join(report.run.get("incidents", []))
        cell["status"], cell["reason"] = ("failed", failure) if failure else ("completed", None)
        return report

    def _fail(self, cells: list[CellJson], reason: str) -> None:
        """Records cells as failed without running them."""
        if not cells:
            return
        for cell in cells:
            cell["status"], cell["reason"] = "failed", reason
            self._view.finished(cell, None, None)
        cells.clear()
        self._write()

    def _write(self) -> None:
        try:
            self._directory.write(self._experiment)
        except RunDirectoryError as error:
            raise _StopError(str(error)) from None

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self._directory.path).free
        if free < _LEAST_FREE_BYTES:
            raise _StopError(
                f"the disk of {self._directory.path} has only {free // 2**20} MB left: make room, and resume"
            )

    def _report(self) -> None:
        """Writes the scaling report of the cells so far."""
        directory = self._directory
        report = reported(lambda: write_experiment_report(directory), directory, self._console)
        if report is not None:
            from reports.experiment.verdict import verdict_lines  # it loads pandas

            print_outcome(verdict_lines(report), directory, self._console)
            write_experiment_outputs(self._outlets.files, report, directory)
