"""What lies in a results folder: runs, experiments, comparisons, calibrations, and what could not be read."""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reports.page.words import TRANSPORTS, count, listing, printable, signed_percent
from reports.records import sent
from reports.records.calibration_directory import CalibrationDirectory
from reports.records.directory import RecordDirectory, ReportDirectory, RunDirectoryError
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory
from reports.records.schema import CapacityJson, ExperimentJson, RunJson, is_batch
from reports.run.masthead import DEPLOYMENTS, environment, headline
from reports.run.outcome import Outcome, outcome_of
from reports.run.sections.validity import INVALIDATING

Kind = Literal["run", "experiment", "comparison", "calibration"]
Verdict = Literal[Outcome, "no report", "completed", "faster", "slower", "no difference shown"]
"""Of a run its outcome, of an experiment whether it went to its end, of a comparison what it shows, of a
calibration whether the harness kept its bounds."""

_MOST_BYTES = 64 * 2**20
"""Of a JSON file: none of ours is as large, and an index must not take long."""
_LONGEST = 300
_CALIBRATED: dict[str, Verdict] = {"within": "passed", "beyond": "failed", "not shown": "invalid"}
_NO_END = "no end recorded: still running, or cut off"


@dataclass(frozen=True)
class Figures:
    """Of a run; of an experiment its largest throughput, and the most sessions within the objective."""

    throughput_steps_per_s: float | None = None
    p50: float | None = None
    """Seconds. As comparisons take them: of the steps in the measured window; in a batch of total time."""
    p99: float | None = None
    success_rate: float | None = None
    sessions: float | None = None


@dataclass(frozen=True)
class Entry:
    """One run, experiment, comparison or calibration."""

    kind: Kind
    path: str
    """Of its folder, within the results folder."""
    verdict: Verdict
    at: float | None
    """When it started, Unix seconds; of a comparison when it was made."""
    headline: str
    details: list[str]
    tags: list[str]
    figures: Figures
    note: str | None = None
    """What to know besides: why it has no verdict, or was cut short."""
    has_page: bool = False
    run: RunJson | None = field(default=None, repr=False)
    valid: bool = False
    """Whether it is a run that went to its end and whose figures tell of the deployment."""


@dataclass(frozen=True)
class Unread:
    """A folder that holds nothing of ours, or something that could not be read."""

    path: str
    reason: str


def read_entries(results: Path) -> tuple[list[Entry], list[Unread]]:
    """Everything in a results folder, newest first, and what could not be read.

    Reads no steps, and no runs within experiments. Raises RunDirectoryError where the folder is not there.
    """
    entries: list[Entry] = []
    unread: list[Unread] = []
    for folder in _folders(results):
        inside = [(folder, folder.name)]
        try:
            inside += [(each, f"{folder.name}/{each.name}") for each in _comparisons_in(folder)]
        except OSError as error:
            unread.append(Unread(_text(folder.name), f"cannot be looked into ({error.strerror})"))
            continue
        for path, name in inside:
            try:
                entries.append(_entry(path, name))
            except RunDirectoryError as error:
                unread.append(Unread(_text(name), _text(str(error).replace(f"{path}{os.sep}", ""))))
            except RecursionError:
                unread.append(Unread(_text(name), "its JSON is nested too deeply"))
            except Exception as error:  # whatever it is, the others must still be listed
                unread.append(Unread(_text(name), _text(f"cannot be read ({error or type(error).__name__})")))
    entries.sort(key=lambda entry: (-math.inf if entry.at is None else entry.at, entry.path), reverse=True)
    return entries, unread


def _folders(results: Path) -> list[Path]:
    try:
        found = [Path(each.path) for each in os.scandir(results) if each.is_dir() and each.name[0] != "."]
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise RunDirectoryError(
            f"the results folder {results} {why}: name another, or run a load test first"
        ) from None
    return sorted(found)


def _comparisons_in(folder: Path) -> Iterator[Path]:
    """Where comparisons with a run or experiment as B lie by default."""
    for each in os.scandir(folder):
        if each.name.startswith("compare-") and each.is_dir():
            yield Path(each.path)


def _entry(path: Path, name: str) -> Entry:
    """Reads one folder. Raises RunDirectoryError, or anything else that damaged files may cause."""
    run, experiment, report = RunDirectory(path), ExperimentDirectory(path), ReportDirectory(path)
    if os.path.lexists(run.json_path):
        return _of_run(run, name)
    if os.path.lexists(experiment.json_path):
        return _of_experiment(experiment, name)
    if os.path.lexists((calibration := CalibrationDirectory(path)).json_path):
        return _of_calibration(calibration, name)
    form = _read(report.report_json) if report.report_json.is_file() else None
    if _inside(form, "kind") == "comparison":
        return _of_comparison(report, name, form)
    raise RunDirectoryError("holds no run, experiment, comparison or calibration")


def _of_run(directory: RunDirectory, name: str) -> Entry:
    _check(directory.json_path)
    run = directory.read()
    report, missing = _report_of(directory)
    verdict, why = _outcome(run, report)
    note = why or missing
    config = run["config"]
    steps = "total" if is_batch(run) else "step"
    times = _inside(report, "latency_in_window", steps) or _inside(report, "latency", steps)
    return Entry(
        kind="run",
        path=name,
        verdict=verdict,
        at=_number(run["started_at"]),
        headline=_text(headline(run)),
        details=[
            _text(each)
            for each in (
                DEPLOYMENTS[config["deployment"]],
                *([config["balancing"]] if config["balancing"] else []),
                *environment(config),
                sent.sent(config),
            )
        ],
        tags=_tags(config.get("tags")),
        figures=Figures(
            None if is_batch(run) else _number(_inside(report, "totals", "throughput_steps_per_s")),
            _number(_inside(times, "p50")),
            _number(_inside(times, "p99")),
            _number(_inside(report, "totals", "success_rate")),
            _number(_inside(report, "totals", "sessions")),
        ),
        note=_text(note) if note else None,
        has_page=directory.report_html.is_file(),
        run=run,
        valid=run["status"] == "completed" and _inside(report, "validity", "valid") is True,
    )


def _outcome(run: RunJson, report: Any) -> tuple[Verdict, str | None]:
    """The verdict of a run by its report.json, and why it is not the best."""
    status = run["status"]
    warnings = [_object(each) for each in _list(_inside(report, "validity", "warnings"))]
    passed, slo_passed = _inside(report, "passed") is True, _inside(report, "slo", "passed") is True
    verdict: Verdict = "cut short" if status != "completed" else "no report"
    if report is not None:
        verdict = outcome_of(status, passed, slo_passed, {str(each.get("code")) for each in warnings})
    if status == "running":
        return verdict, _NO_END
    if detail := run.get("status_detail"):
        return verdict, detail
    criteria = [_object(each) for each in _list(_inside(report, "slo", "criteria"))]
    reasons = [
        *(each.get("sentence") for each in criteria if each.get("passed") is False),
        *(each.get("message") for each in warnings if each.get("code") in INVALIDATING),
    ]
    return verdict, next((why for why in reasons if isinstance(why, str)), None)


def _of_experiment(directory: ExperimentDirectory, name: str) -> Entry:
    _check(directory.json_path)
    experiment = directory.read()
    report, note = _report_of(directory)
    cells, capacity = experiment["cells"], experiment.get("capacity")
    done = sum(cell["status"] == "completed" for cell in cells)
    pending = any(cell["status"] in ("pending", "running") for cell in cells)
    if experiment["status"] == "running":
        note = _NO_END
    elif detail := experiment.get("status_detail"):
        note = detail
    return Entry(
        kind="experiment",
        path=name,
        verdict="cut short" if experiment["status"] != "completed" or pending else "completed",
        at=_number(experiment["started_at"]),
        headline=_text(_experiment_headline(experiment)),
        details=[
            f"{done:,} of {count(len(cells), 'cell')} done",
            *([_text(f"on {listing(sorted(experiment['config']['targets']))}")]),
        ],
        tags=_tags(experiment["config"].get("tags")),
        figures=_experiment_figures(report, capacity),
        note=_text(note) if note else None,
        has_page=directory.report_html.is_file(),
    )


def _experiment_headline(experiment: ExperimentJson) -> str:
    cells = experiment["cells"]
    transports = listing(sorted({TRANSPORTS[cell["transport"]] for cell in cells}))
    if experiment["purpose"] == "capacity":
        over = " over rates" if "arrivals_of" in experiment["config"] else ""
        return f"Capacity search{over}, {transports}" if transports else f"Capacity search{over}"
    loads = sorted({cell["users"] for cell in cells})
    if not loads:
        return "Scaling"
    users = f"{loads[0]:,} to {loads[-1]:,}" if len(loads) > 1 else f"{loads[0]:,}"
    return f"Scaling, {users} {transports} users"


def _experiment_figures(report: Any, capacity: CapacityJson | None) -> Figures:
    valid = [cell for each in _list(_inside(report, "cells")) if (cell := _object(each)).get("valid") is True]
    speeds = [_number(cell.get("throughput_steps_per_s")) for cell in valid]
    sessions: list[float | None] = []
    if capacity and capacity.get("unit", "sessions") == "sessions":
        sessions = [_number(capacity["sessions"])]
    if not capacity:
        sessions = [_number(_object(row).get("max_batch")) for row in _list(_inside(report, "max_batch"))]
    return Figures(
        throughput_steps_per_s=max((each for each in speeds if each is not None), default=None),
        sessions=max((each for each in sessions if each is not None), default=None),
    )


def _of_comparison(directory: ReportDirectory, name: str, form: Any) -> Entry:
    rows = [_object(row) for row in _list(_inside(form, "rows"))]
    verdicts = [str(row.get("verdict")) for row in rows]
    verdict: Verdict = "no difference shown"
    if "slower" in verdicts or "faster" in verdicts:
        verdict = "slower" if "slower" in verdicts else "faster"
    if len(rows) == 1:
        said = [
            f"{change.get('metric')} {signed_percent(size)}"
            for each in _list(rows[0].get("changes"))
            if (size := _number((change := _object(each)).get("change"))) is not None
        ]
    else:
        said = [
            f"{verdicts.count(word):,} of {count(len(rows), 'cell')} {word}"
            for word in ("slower", "faster")
            if word in verdicts
        ]
    return Entry(
        kind="comparison",
        path=name,
        verdict=verdict,
        at=directory.report_json.stat().st_mtime,
        headline=_text(f"{_inside(form, 'a', 'id')} → {_inside(form, 'b', 'id')}"),
        details=[_text(", ".join(said))] if said else [],
        tags=[],
        figures=Figures(),
        has_page=directory.report_html.is_file(),
    )


def _of_calibration(directory: CalibrationDirectory, name: str) -> Entry:
    _check(directory.json_path)
    calibration = directory.read()
    report, note = _report_of(directory)
    verdict = _CALIBRATED.get(str(_inside(report, "verdict")), "no report")
    if calibration["status"] != "completed":
        verdict, note = "cut short", calibration.get("status_detail") or _NO_END
    up_to, cells = _number(_inside(report, "up_to_users")), calibration["cells"]
    within = (
        f"within bounds up to {count(int(up_to), 'user')}" if up_to else "within bounds at no load in full"
    )
    return Entry(
        kind="calibration",
        path=name,
        verdict=verdict,
        at=_number(calibration["started_at"]),
        headline=count(len(cells), "load"),
        details=[within] if report else [],
        tags=[],
        figures=Figures(),
        note=_text(note) if note else None,
        has_page=directory.report_html.is_file(),
    )


def _report_of(directory: RecordDirectory[Any]) -> tuple[Any, str | None]:
    """The report.json of a run or an experiment; else None, and why."""
    try:
        report = _read(directory.report_json)
    except FileNotFoundError:
        return None, "no report.json: make report RUN=…"
    except (RunDirectoryError, OSError, ValueError, RecursionError):
        return None, "report.json cannot be read: make report RUN=…"
    return (report, None) if isinstance(report, dict) else (None, "report.json is damaged: make report RUN=…")


def _read(path: Path) -> Any:
    _check(path)
    return json.loads(path.read_text(encoding="utf-8"))


def _check(path: Path) -> None:
    """Raises RunDirectoryError for what is no file, such as a pipe that would never end, or far too large."""
    if path.exists() and not path.is_file():
        raise RunDirectoryError(f"{path.name} is not a file")
    if path.stat().st_size > _MOST_BYTES:
        raise RunDirectoryError(f"{path.name} is larger than {_MOST_BYTES // 2**20} MB")


def _inside(form: Any, *keys: str) -> Any:
    """What lies in nested objects of a JSON file; None where one of the keys is missing."""
    for key in keys:
        form = form.get(key) if isinstance(form, dict) else None
    return form


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    """A number that is finite and not absurd; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 2.0**63 else None


def _tags(value: Any) -> list[str]:
    return [_text(each) for each in _list(value) if isinstance(each, str)][:20]


def _text(text: str) -> str:
    return printable(text, _LONGEST)
