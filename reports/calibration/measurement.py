"""One load of a calibration: what its run reported beside what the reference server noted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports.calibration.difference import PERCENTILES, Difference
from reports.calibration.range import not_prompt, not_quiet, out_of_range
from reports.records.directory import RunDirectoryError
from reports.records.run_directory import RunDirectory
from reports.records.schema import CalibrationCell
from reports.records.steps import STEP, Floats, StepColumns, load_failures, load_steps
from reports.records.truth import TRUTH, truth_of
from reports.run.sections.latency import Curve, curve_quantiles
from reports.run.sections.validity import RunWarning
from reports.statistics.quantiles import quantiles_of

Verdict = Literal["within", "beyond", "not judged"]

_KEY = ["session_hash", "step_count"]
_ROLES = ("generator", "others")


@dataclass(frozen=True)
class Added:
    """What the harness and the way to the server added to single steps, in seconds."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True)
class Measurement:
    """A load and what came of it."""

    name: str
    reply_times: str
    arrivals: str | None
    users: int
    run_id: str
    steps: int
    """In the measured window, that both the harness and the server know."""
    steps_per_s: float
    differences: list[Difference]
    """Of the steps in the measured window, as comparisons and experiments take them, by PERCENTILES."""
    whole_run: list[Difference]
    """Of all steps: those while users start, and the last ones, too."""
    added: Added
    unknown_steps: int
    """That the harness recorded and the server did not answer, or not as often."""
    lost_steps: int
    """That the server answered and the harness did not record, but for the last of each session."""
    timer_late_p99_s: float
    """How late the reference server was with its replies; that is part of the truth."""
    woken_late_p99_s: float
    """How late the machine woke up a program that only slept."""
    server_cores: float
    generator_cores: float | None
    reasons: list[str]
    """Why the load was not one that the instrument can measure; empty where it was."""
    reported: Curve = field(repr=False)
    true: Curve = field(repr=False)

    @property
    def counted(self) -> bool:
        """Whether the harness recorded just the steps that there were."""
        return not self.unknown_steps and not self.lost_steps

    @property
    def verdict(self) -> Verdict:
        """Whether the bounds were kept. Beyond the instrument's range nothing is promised."""
        if self.counted and all(difference.kept for difference in self.differences):
            return "within"
        return "not judged" if self.reasons else "beyond"

    def difference(self, percentile: str) -> Difference:
        return next(each for each in self.differences if each.percentile == percentile)


def measure(directory: RunDirectory, cell: CalibrationCell) -> Measurement:
    """Holds a run against the truth beside it. Raises RunDirectoryError where one of them cannot be read."""
    truth = _truth(directory)
    report = _report(directory)
    server = truth.to_pandas()
    rows = _successful_steps(directory)
    both = rows.drop_duplicates(_KEY).merge(server, on=_KEY)
    # In the open model a step's time begins when it was due, which only the schedule knows.
    both["true_s"] = both["took_s"] + (both["arrived_at"] - both["due_at"]).fillna(0.0)
    begin, end = report["totals"]["window_s"]
    measured = both[(both["ended_s"] >= begin) & (both["ended_s"] <= end)]
    if measured.empty:
        raise RunDirectoryError(
            f"{directory.path} has no step while all users were there that the server knows too"
        )
    reported, true = _floats(measured["reported_s"]), _floats(measured["true_s"])
    at = curve_quantiles(len(measured))
    added = quantiles_of(reported - true, np.array([0.5, 0.99, 1.0])).tolist()
    warnings = [RunWarning(each["code"], each["message"]) for each in report["validity"]["warnings"]]
    cpu = {role: _cores(report, role) for role in _ROLES}
    noted = truth.schema.metadata or {}
    server_cores, woken_p50_s, woken_p99_s = (
        float(noted.get(name, b"0")) for name in (b"cpu_cores", b"woken_p50_s", b"woken_p99_s")
    )
    machine_cores = int(report["machine_cores"])
    sessions = int(server["session_hash"].nunique())
    return Measurement(
        name=cell["name"],
        reply_times=cell["reply_times"],
        arrivals=cell["arrivals"],
        users=cell["users"],
        run_id=directory.path.name,
        steps=len(measured),
        steps_per_s=float(report["totals"]["throughput_steps_per_s"]),
        differences=_differences(report["latency_in_window"]["step"], true),
        whole_run=_differences(report["latency"]["step"], _floats(both["true_s"])),
        added=Added(*added),
        unknown_steps=len(rows) - len(both),
        lost_steps=max(len(server) - len(both) - sessions, 0),
        timer_late_p99_s=float(quantiles_of(_floats(server["late_s"]), np.array([0.99]))[0]),
        woken_late_p99_s=woken_p99_s,
        server_cores=server_cores,
        generator_cores=cpu["generator"],
        reasons=[
            *out_of_range(warnings),
            *not_quiet(machine_cores, server_cores, cpu["generator"], cpu["others"]),
            *not_prompt(woken_p50_s, woken_p99_s),
        ],
        reported=Curve(at, quantiles_of(reported, at)),
        true=Curve(at, quantiles_of(true, at)),
    )


def _differences(reported: Mapping[str, float], true: Floats) -> list[Difference]:
    """Percentiles as the harness reported them beside those of the true times."""
    found = quantiles_of(true, np.array(list(PERCENTILES.values()))).tolist()
    return [
        Difference(name, float(reported[name]), value) for name, value in zip(PERCENTILES, found, strict=True)
    ]


def _successful_steps(directory: RunDirectory) -> pd.DataFrame:
    """The steps as reports see them, with `due_at` where a schedule wanted them sent, in Unix time."""
    columns = StepColumns.of_run(directory)
    steps = load_steps(columns, load_failures(columns))
    session = columns.encoded("session_hash")
    numbers = columns.ints("step_count")
    chosen = steps.successes(STEP) & (session.codes >= 0)
    due_at = np.full(steps.started_s.size, np.nan)
    if steps.late_s is not None:
        due_at = np.where(np.isnan(steps.late_s), np.nan, steps.origin + steps.started_s)
    names = np.array([*session.values.to_pylist(), ""], dtype=object)
    return pd.DataFrame(
        {
            "session_hash": names[session.codes[chosen]],
            "step_count": -1 if numbers is None else numbers[chosen],
            "reported_s": steps.latency_s[chosen],
            "ended_s": steps.ended_s[chosen],
            "due_at": due_at[chosen],
        }
    )


def _truth(directory: RunDirectory) -> pa.Table:
    path = truth_of(directory.path)
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}") from error
    if not table.schema.equals(TRUTH):
        raise RunDirectoryError(f"{path} has other columns than a truth has: run the calibration again")
    at = table.schema.get_field_index("session_hash")
    return table.set_column(at, "session_hash", table["session_hash"].cast(pa.string()))


def _report(directory: RunDirectory) -> dict[str, Any]:
    """What the harness reported of the run, and the cores of the machine."""
    try:
        report: dict[str, Any] = json.loads(directory.report_json.read_text(encoding="utf-8"))
        cores = directory.read()["machine"]["cores"]
        return {
            **report,
            "machine_cores": cores,
            "validity": report["validity"],
            "latency": report["latency"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(
            f"{directory.report_json} cannot be read ({error!r:.200}): make report RUN={directory.path}"
        ) from error


def _cores(report: dict[str, Any], role: str) -> float | None:
    """What all parts of a role kept busy while all users were there; None: unknown."""
    known = [part["cpu_in_window"] for part in report["resources"] if part["role"] == role]
    return None if not known or None in known else float(sum(known))


def _floats(values: "pd.Series[Any]") -> Floats:
    return values.to_numpy(dtype=np.float64)
