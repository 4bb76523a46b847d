"""What a reader must know before believing a run's figures, and whether they may be compared with others'."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import numpy as np

from reports.page.words import count, printable, seconds
from reports.records.schema import LONGEST_RETRY_PAUSE_S, RunJson, processes_setting
from reports.run.sections import generators
from reports.run.sections.arrivals import Arrivals, rate_not_reached
from reports.run.sections.generator_lag import GeneratorLag
from reports.run.sections.isolation import Isolation
from reports.run.sections.littles_law import LittlesLaw, Unchecked
from reports.run.sections.resources import PartUsage, Resources
from reports.run.sections.totals import LAST_PART, Totals
from reports.run.sections.waits import Waits
from reports.statistics.saturation import SATURATED_CORES, SATURATED_SHARE, SHARED_SHARE

Code = Literal[
    "not_completed",
    "no_operations",
    "no_steps",
    "few_steps",
    "ramp_included",
    "users_missing",
    "users_shut_out",
    "incident",
    "stopped_early",
    "shorter_than_planned",
    "users_left",
    "rate_not_reached",
    "generator_lost",
    "clocks_differ",
    "counts_differ",
    "generator_saturated",
    "generator_late",
    "littles_law",
    "machine_saturated",
    "machine_shared",
    "isolation_violated",
    "waits_wrong",
]

INVALIDATING: frozenset[Code] = frozenset(
    {
        "not_completed",
        "no_operations",
        "incident",
        "generator_saturated",
        "isolation_violated",
        "waits_wrong",
    }
)
"""With one of these a run has not passed, and its figures stay out of fits and comparisons."""

DOUBTS: frozenset[Code] = frozenset({"generator_late", "littles_law"})
"""With one of these, figures may not be those of the deployment, and the verdict calls the run doubtful.

It stays valid: what the server did at least was done all the same, and a machine that others keep busy is
reason enough for lag. A generator that is at its own limit is `generator_saturated`.
"""

_FEW_STEPS = 100
_MUCH_SHORTER = 0.8
_SAMPLE_S = 1.0
_LEAST_SAMPLES = 2


@dataclass(frozen=True)
class RunWarning:
    """A reason for care: what was wrong, and what to do where something can be done."""

    code: Code
    message: str


@dataclass(frozen=True)
class Validity:
    """Valid where no warning is among INVALIDATING."""

    valid: bool
    warnings: list[RunWarning]

    @property
    def reasons(self) -> list[RunWarning]:
        """The warnings that make the run invalid."""
        return [warning for warning in self.warnings if warning.code in INVALIDATING]

    @property
    def doubts(self) -> list[RunWarning]:
        """The warnings that make it doubtful."""
        return [warning for warning in self.warnings if warning.code in DOUBTS]


def judge(
    run: RunJson,
    totals: Totals,
    isolation: Isolation,
    resources: Resources,
    waits: Waits | None = None,
    came: Arrivals | None = None,
    lag: GeneratorLag | None = None,
    law: LittlesLaw | Unchecked | None = None,
) -> Validity:
    """Everything that speaks against a run's figures. `lag` and `law` are None where they are not known."""
    warnings = [
        *_ending(run),
        *_steps(totals),
        *_users(run, totals),
        *_time(run, totals),
        *_arrivals(came),
        *_generators(run, totals),
        *_isolation(isolation),
        *_waits(waits),
        *_saturation(run, totals, resources),
        *_doubts(run, lag, law),
    ]
    return Validity(all(warning.code not in INVALIDATING for warning in warnings), warnings)


def _ending(run: RunJson) -> list[RunWarning]:
    why = printable(run.get("status_detail") or "")
    because = f": {why}" if why else ""
    message = {
        "running": "This run was cut short or is still going on: what had been recorded until now is shown.",
        "interrupted": f"This run was interrupted{because}. What had been recorded until then is shown.",
        "failed": f"This run failed{because}. What had been recorded until then is shown.",
    }.get(run["status"])
    return [RunWarning("not_completed", message)] if message else []


def _steps(totals: Totals) -> list[RunWarning]:
    if not totals.operations:
        return [RunWarning("no_operations", "No operation was recorded.")]
    if not totals.steps:
        message = "No step succeeded, so there are no step latencies and no throughput."
        return [RunWarning("no_steps", message)]
    warnings = []
    if totals.steps < _FEW_STEPS:
        message = (
            f"Only {count(totals.steps, 'step')} succeeded: "
            "the 99th percentile and beyond rest on one or two."
        )
        warnings.append(RunWarning("few_steps", message))
    if totals.ramp_included and totals.batch_users is None:
        message = (
            "All users were there together too briefly to measure in, so throughput counts the whole run of "
            f"{seconds(totals.duration_s)}, ramp-up and end included. Run longer, or spawn faster."
        )
        warnings.append(RunWarning("ramp_included", message))
    return warnings


def _users(run: RunJson, totals: Totals) -> list[RunWarning]:
    warnings = []
    users = run["config"]["users"]
    come_and_go = run["config"].get("arrivals") or run["config"].get("shape")
    if run["status"] == "completed" and totals.operations and totals.users < users and not come_and_go:
        started = f"Only {totals.users:,} of {count(users, 'user')}"
        message = (
            f"{started} had started when the load ended. Run longer, or spawn faster."
            if totals.batch_users is None
            else f"{started} of the batch began: the records of the others are lost, or their generator died."
        )
        warnings.append(RunWarning("users_missing", message))
    if totals.batch_users is None and totals.users_shut_out and totals.steps:
        message = (
            f"{totals.users_shut_out:,} of {count(totals.users, 'user')} completed no step and met failures: "
            "latencies and throughput are those of the others."
        )
        warnings.append(RunWarning("users_shut_out", message))
    warnings += [RunWarning("incident", printable(incident)) for incident in run.get("incidents", [])]
    return warnings


def _time(run: RunJson, totals: Totals) -> list[RunWarning]:
    if totals.batch_users is not None:
        return []
    warnings = []
    planned_s = run["config"]["duration_s"]
    pause_s, thinking = _pause(run["config"]["think_time"], totals)
    if (took := run.get("policy_time")) is not None:
        pause_s += took["max_s"]
    if run["status"] == "completed" and totals.operations and planned_s is not None:
        if run.get("stopped_on_page"):
            message = (
                f"Somebody stopped this test on Locust's page after {seconds(totals.duration_s)} of the "
                f"{seconds(planned_s)} that it was to run."
            )
            warnings.append(RunWarning("stopped_early", message))
        elif not run["config"].get("arrivals") and totals.duration_s + pause_s < _MUCH_SHORTER * planned_s:
            message = (
                f"Operations are recorded for only {seconds(totals.duration_s)} of the {seconds(planned_s)} "
                f"that the run was to last: {thinking}the server stopped answering, the load ended early, "
                "or records were lost."
            )
            warnings.append(RunWarning("shorter_than_planned", message))
    if totals.left_early and not totals.ramp_included and pause_s < LAST_PART * totals.duration_s:
        message = (
            f"{totals.left_early:,} of {count(totals.users, 'user')} completed nothing in the last "
            f"fifth of the run: {thinking}the server left them without an answer, they were stopped, or "
            "their generator died. What they were waiting for is not in the figures."
        )
        warnings.append(RunWarning("users_left", message))
    return warnings


def _pause(think_time: str, totals: Totals) -> tuple[float, str]:
    """How long a user that is well may make no operation, and the cause besides where it cannot be told."""
    after_error_s = LONGEST_RETRY_PAUSE_S if totals.failures else 0.0
    try:
        return after_error_s + float(think_time), ""
    except ValueError:
        return after_error_s, f"users were in their think time ({printable(think_time)}), "


def _arrivals(came: Arrivals | None) -> list[RunWarning]:
    message = rate_not_reached(came)
    return [RunWarning("rate_not_reached", message)] if message else []


def _generators(run: RunJson, totals: Totals) -> list[RunWarning]:
    warnings = [RunWarning("generator_lost", message) for message in generators.lost(run)]
    warnings += [RunWarning("clocks_differ", message) for message in generators.clocks(run)]
    if message := generators.counts(run, totals.by_op):
        warnings.append(RunWarning("counts_differ", message))
    return warnings


def _isolation(isolation: Isolation) -> list[RunWarning]:
    if not isolation.violations:
        return []
    violations = f"{count(isolation.violations, 'violation')} of isolation"
    message = (
        f"Sessions were not kept apart: {violations} in {count(isolation.sessions_checked, 'session')}."
        if isolation.sessions_checked
        else f"Requests were not kept apart: {violations}."
    )
    return [RunWarning("isolation_violated", message)]


def _waits(waits: Waits | None) -> list[RunWarning]:
    if waits is None or not waits.wrong:
        return []
    return [RunWarning("waits_wrong", f"Reported waits cannot be true: {' '.join(waits.takeaways)}")]


def _saturation(run: RunJson, totals: Totals, resources: Resources) -> list[RunWarning]:
    if not totals.operations:
        return []
    used = [(part, mean_cores(part, totals.window_s)) for part in resources.parts]
    warnings = [
        RunWarning(
            "generator_saturated",
            f"The generator {part.name} kept {cores:.2f} of a core busy on average, all that one process "
            "can: its own slowness is in the latencies. Give it more processes "
            f"({processes_setting(run['config'])}=…).",
        )
        for part, cores in used
        if part.role == "generator" and cores is not None and cores >= SATURATED_CORES
    ]
    cores_of_machine = run["machine"].get("cores")
    if not (isinstance(cores_of_machine, int) and cores_of_machine > 0):
        return warnings
    others = sum(cores for part, cores in used if part.role == "others" and cores is not None)
    if others >= SHARED_SHARE * cores_of_machine and not _serves_here(run):
        message = (
            f"Other programs kept {others:.1f} of this machine's {count(cores_of_machine, 'core')} busy "
            "meanwhile: without them the figures may be better. Run again when the machine is quiet."
        )
        warnings.append(RunWarning("machine_shared", message))
    if run["config"]["deployment"] != "url":
        busy = sum(
            cores
            for part, cores in used
            if part.role != "others" and cores is not None and not _is_elsewhere(run, part)
        )
        if busy >= SATURATED_SHARE * cores_of_machine:
            message = (
                f"The machine was full: generator and deployment together kept {busy:.1f} of its "
                f"{count(cores_of_machine, 'core')} busy, so each took from the other. The deployment alone "
                "may carry more: generate the load on another machine (TARGET=URL)."
            )
            warnings.append(RunWarning("machine_saturated", message))
    return warnings


def _doubts(run: RunJson, lag: GeneratorLag | None, law: LittlesLaw | Unchecked | None) -> list[RunWarning]:
    warnings = []
    if lag is not None and lag.explained is not None:
        message = (
            f"The generator's own lag explains {lag.explained}. Give it more "
            f"processes ({processes_setting(run['config'])}=…), less to do between steps, or a quiet machine."
        )
        warnings.append(RunWarning("generator_late", message))
    if law is not None and law.doubt is not None:
        warnings.append(RunWarning("littles_law", law.doubt))
    return warnings


def _serves_here(run: RunJson) -> bool:
    """Whether a server that was given by its URL is one of the programs of this machine."""
    host = urlsplit(run["config"]["url"]).hostname or ""
    return run["config"]["deployment"] == "url" and (host == "localhost" or host.startswith("127."))


def _is_elsewhere(run: RunJson, part: PartUsage) -> bool:
    """Whether a part is a generator, `host:pid`, on another machine than the one whose cores are known."""
    host = part.name.rpartition(":")[0]
    return part.role == "generator" and host not in ("", run["machine"].get("hostname", host))


def mean_cores(part: PartUsage, window_s: tuple[float, float]) -> float | None:
    """The cores that a part kept busy on average in a window (seconds since the run's start).

    A sample stands for the time since the one before, and counts where all of that lies in the window: what
    went before is a process that starts. None for fewer than two such samples.
    """
    begin, end = window_s
    since = np.concatenate([part.at_s[:1] - _SAMPLE_S, part.at_s[:-1]])
    inside = (since >= begin) & (part.at_s <= end) & ~np.isnan(part.cpu_cores) & (part.at_s > since)
    if np.count_nonzero(inside) < _LEAST_SAMPLES:
        return None
    return float(np.average(part.cpu_cores[inside], weights=(part.at_s - since)[inside]))
