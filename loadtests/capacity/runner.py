"""A capacity search from deployment to report: tries until it is known how much load it carries."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console

from loadtests.capacity.batch_outcome import batch_outcome
from loadtests.capacity.ceiling import ceiling
from loadtests.capacity.config import CapacityConfig
from loadtests.capacity.limits import Setup, Stop, find_limit
from loadtests.capacity.outcome import Outcome
from loadtests.capacity.rate_outcome import rate_outcome
from loadtests.capacity.search import Answer, answer, next_batch
from loadtests.capacity.verdict import verdict_lines
from loadtests.capacity.view import CapacityView
from loadtests.clock import now
from loadtests.deployments import Deployment
from loadtests.deployments.processes import tail
from loadtests.machine import machine
from loadtests.run.config import LoadTestConfig
from loadtests.run.finish import finish_run, list_in_index, print_outcome, reported
from loadtests.run.load_test import (
    EXIT_INTERRUPTED,
    check_writable,
    deployed,
    new_run,
    record_run,
    settled_for,
)
from loadtests.run.outlets import NO_OUTLETS, Outlets
from loadtests.terminal import progress, tell
from reports.experiment.searched import Searched
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import (
    SCHEMA_VERSION,
    CapacityJson,
    CapacityTry,
    CellJson,
    ExperimentConfig,
    ExperimentJson,
    RunStatus,
    expected_workers,
)
from reports.write import write_experiment_outputs, write_experiment_report

if TYPE_CHECKING:
    from loadtests.run.metrics.meter import Meter

EXIT_FOUND, EXIT_NOT_FOUND = 0, 1

_MOST_BROKEN = 2
"""This many tries in a row that say nothing end the search."""

_STATUS: dict[Stop, tuple[RunStatus, str | None]] = {
    "found": ("completed", None),
    "budget": ("completed", "time ran out before the search was over"),
    "interrupted": ("interrupted", "stopped by Ctrl-C"),
    "ended": ("failed", "a part of the deployment died, or it mixed up sessions"),
    "broken": ("failed", "the load generator failed"),
    "failed": ("failed", "the search could not go on"),
}


def search_capacity(config: CapacityConfig, console: Console, outlets: Outlets = NO_OUTLETS) -> int:
    """Searches how much load the target carries, prints the answer and feeds the outlets.

    Returns 0 where some load met the objective, 1 where none did or the search, or the deployment,
    broke, 130 after Ctrl-C. Raises LoadTestError for what the user can mend; nothing is left running in any
    case.
    """
    check_writable(config.load.results)
    say = progress(console)
    with deployed(config.load.target, config.load.deployment, say) as deployment:
        config = replace(config, load=settled_for(config.load, deployment, say))
        directory = ExperimentDirectory.create(config.load.results, f"capacity-{deployment.kind}")
        search = CapacitySearch(config, deployment, directory, console, outlets.meter)
        stop = search.run()
        capacity = search.conclude(stop)
    for line in verdict_lines(capacity, search.outcomes, stop):
        tell(console, line)
    try:
        if report := reported(lambda: write_experiment_report(directory), directory, console):
            print_outcome([], directory, console)
            write_experiment_outputs(outlets.files, report, directory)
    except RunDirectoryError as error:
        progress(console)(str(error))
    list_in_index(config.load.results, console)
    return exit_code(stop, capacity["sessions"])


def exit_code(stop: Stop, sessions: int) -> int:
    """The exit code of a search, by how it ended and how large a load it found."""
    if stop == "interrupted":
        return EXIT_INTERRUPTED
    return EXIT_FOUND if sessions and stop in ("found", "budget") else EXIT_NOT_FOUND


class CapacitySearch:
    """One search on a deployment that is up. What is known is on disk after every try."""

    def __init__(
        self,
        config: CapacityConfig,
        deployment: Deployment,
        directory: ExperimentDirectory,
        console: Console,
        meter: "Meter | None" = None,
    ) -> None:
        self.outcomes: list[Outcome] = []
        """The outcome of every try, in the order in which they ran."""
        self._config = config
        self._deployment = deployment
        self._directory = directory
        self._meter = meter
        self._say = progress(console)
        self._searched = Searched(config.unit)
        self._view = CapacityView(console, config.budget_s, self._searched)
        self._machine = machine()
        self._ceiling = ceiling(config, deployment)
        self._plan = replace(config.plan, most=self._ceiling.load)
        self._topology = deployment.topology()
        self._is_url = deployment.kind == "url"
        self._name = urlsplit(deployment.url).netloc if self._is_url else deployment.kind
        self._failure: str | None = None
        self._setup = self._describe()
        self._experiment = self._begin()

    def run(self) -> Stop:
        """Runs tries until the search is over or stopped. Raises RunDirectoryError where none can begin."""
        self._directory.write(self._experiment)
        self._say(
            f"searching up to {self._searched.amount(self._plan.most)}; everything is kept in "
            f"{self._directory.path}"
        )
        begin = time.monotonic()
        seconds: dict[int, float] = {}
        broken = 0
        try:
            with self._view:
                while (load := next_batch(self._tries, self._plan)) is not None:
                    spent = time.monotonic() - begin
                    if spent + likely_seconds(load, seconds) > self._config.budget_s:
                        return "budget"
                    outcome = self._try(load)
                    seconds[load] = time.monotonic() - begin - spent
                    broken = broken + 1 if outcome.broken else 0
                    if outcome.ended:
                        return "ended"
                    if broken == _MOST_BROKEN:
                        return "broken"
        except KeyboardInterrupt:
            return "interrupted"
        except (RunDirectoryError, OSError) as error:
            self._failure = f"the search could not go on: {error}"
            self._say(self._failure)
            return "failed"
        return "found"

    def conclude(self, stop: Stop) -> CapacityJson:
        """Writes the end of the search down, where that is possible, and gives its answer."""
        capacity = self._capacity(stop)
        status, detail = _STATUS[stop]
        self._experiment["status"], self._experiment["status_detail"] = status, self._failure or detail
        self._experiment["ended_at"] = now()
        self._experiment["capacity"] = capacity
        try:
            self._directory.write(self._experiment)
        except RunDirectoryError as error:
            self._say(str(error))
        return capacity

    @property
    def _tries(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.broken]

    def _try(self, load: int) -> Outcome:
        repetition = sum(outcome.load == load for outcome in self.outcomes) + 1
        config = self._config.attempt(load, repetition)
        cell = self._cell(config, repetition)
        self._experiment["cells"].append(cell)
        self._directory.write(self._experiment)
        self._view.starting(load, repetition)
        try:
            directory = new_run(config, self._deployment, self._directory.runs)
            cell["run_id"] = directory.path.name
            status, detail = record_run(
                config, self._deployment, directory, self._view.show, self._say, self._meter
            )
            self._view.reporting()
            outcome = self._finished(load, directory, status, detail)
        except KeyboardInterrupt:
            cell["status"], cell["reason"] = "failed", "stopped by Ctrl-C"
            raise
        except Exception as error:
            cell["status"], cell["reason"] = "failed", str(error)
            raise
        failure = outcome.broken or " ".join(outcome.ended)
        cell["status"], cell["reason"] = ("failed", failure) if failure else ("completed", None)
        self.outcomes.append(outcome)
        self._experiment["capacity"] = self._capacity("budget")
        self._directory.write(self._experiment)
        self._view.finished(outcome, repetition, answer(self._tries))
        return outcome

    def _finished(self, load: int, directory: RunDirectory, status: RunStatus, detail: str | None) -> Outcome:
        if status == "interrupted":
            raise KeyboardInterrupt
        try:
            report = finish_run(directory, status, detail)
        except RunDirectoryError as error:
            if isinstance(error.__cause__, OSError):
                raise
            log = tail(directory.path / "locust.log", 1).strip()
            why = ": ".join(filter(None, [str(error), log]))
            return Outcome(load=load, run_id=directory.path.name, broken=why)
        if self._searched.is_rate:
            return rate_outcome(load, report)
        return batch_outcome(directory, report)

    def _cell(self, load: LoadTestConfig, repetition: int) -> CellJson:
        cell = CellJson(
            deployment=self._name,
            replicas=self._topology["replicas"],
            workers=self._topology["workers"],
            balancing=None if self._is_url else load.deployment.balancing,
            reuse_port=None if self._is_url else load.deployment.reuse_port,
            transport=load.transport,
            wait=load.options.wait.text,
            users=load.users,
            repetition=repetition,
            status="running",
            reason=None,
            run_id=None,
        )
        if load.options.arrivals is not None:
            cell["arrivals"] = load.options.arrivals.text
        return cell

    def _begin(self) -> ExperimentJson:
        config = self._config
        held = ExperimentConfig(
            scenario=config.load.scenario,
            targets={self._name: self._deployment.url if self._is_url else self._deployment.kind},
            seed=0,
            repetitions=self._plan.tries,
            duration_s=float(config.load.duration_s) if self._searched.is_rate else None,
            slo=config.load.slo,
            search={
                "start": min(self._plan.start, self._plan.most),
                "most": self._plan.most,
                "precision": self._plan.precision,
                "budget_s": config.budget_s,
            },
        )
        if (arrivals := config.load.options.arrivals) is not None:
            held["arrivals_of"] = arrivals.of
        if config.load.tags:
            held["tags"] = list(config.load.tags)
        return ExperimentJson(
            kind="experiment",
            schema_version=SCHEMA_VERSION,
            experiment_id=self._directory.path.name,
            purpose="capacity",
            status="running",
            started_at=now(),
            ended_at=None,
            config=held,
            machine=self._machine,
            cells=[],
        )

    def _capacity(self, stop: Stop) -> CapacityJson:
        return capacity_json(answer(self._tries), self.outcomes, stop, self._setup)

    def _describe(self) -> Setup:
        load = self._config.load
        return Setup(
            ceiling=self._ceiling,
            budget_s=self._config.budget_s,
            step_timeout_s=load.options.step_timeout_s,
            connect_timeout_s=load.options.connect_timeout_s,
            processes=load.processes,
            processes_setting="GENERATORS" if load.deployment.generators else "PROCESSES",
            cores=None if self._is_url else self._machine["cores"],
            generator_cores=self._machine["cores"],
            success_rate=load.slo["success_rate"],
            workers=self._topology["workers"],
            total_workers=expected_workers(self._topology),
            reuse_port=None if self._is_url else load.deployment.reuse_port,
            is_url=self._is_url,
            brief=not self._searched.is_rate,
            searched=self._searched,
        )


def capacity_json(known: Answer, outcomes: Sequence[Outcome], stop: Stop, setup: Setup) -> CapacityJson:
    """The answer as experiment.json has it."""
    limit = find_limit(outcomes, known, stop, setup)
    tries = [outcome for outcome in outcomes if not outcome.broken]
    found = CapacityJson(
        sessions=known.sessions,
        max_batch=known.max_batch,
        low=known.low,
        high=known.high,
        confidence=known.confidence,
        server_cap=known.server_cap,
        cores=setup.cores,
        lower_bound=limit.lower_bound,
        limit=limit.kind,
        explanation=limit.explanation,
        remedy=limit.remedy,
        tries=[_try_json(outcome) for outcome in tries],
    )
    if setup.searched.is_rate:
        found["unit"] = setup.searched.unit
        if tries:
            found["total_p99_limit_s"] = tries[-1].total_limit_s
    return found


def _try_json(outcome: Outcome) -> CapacityTry:
    found = CapacityTry(
        users=outcome.load,
        run_id=outcome.run_id,
        passed=outcome.met,
        succeeded=outcome.succeeded,
        success_rate=outcome.success_rate,
        total_p99_s=outcome.total_p99_s,
    )
    if outcome.missed:
        found["missed"] = outcome.missed
    return found


def likely_seconds(load: int, seconds: dict[int, float]) -> float:
    """How long a try will take: as the one did that is nearest by size; 0 s for the first."""
    if not seconds:
        return 0.0
    return seconds[min(seconds, key=lambda size: abs(size - load))]
