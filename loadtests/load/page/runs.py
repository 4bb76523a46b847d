"""The tab Runs: every test that was started from this page, its verdict and its files."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gevent
import pyarrow as pa
import pyarrow.csv

from loadtests.commands import invocation
from reports.page.words import printable, seconds, share
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.run.outcome import Outcome, outcome_of

State = Literal["running", "reporting", "no report"] | Outcome

_SLICE_ROWS = 2000
_LONGEST_TEXT = 300
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_STRICTEST = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass
class StartedRun:
    """A test that was started from the page."""

    directory: RunDirectory
    ended: bool = False
    reporting: "subprocess.Popen[bytes] | None" = None
    """What writes its report."""

    @property
    def files(self) -> dict[str, Path]:
        """What there is to download, by name."""
        known = {"steps.parquet": self.directory.steps.parquet, "report.json": self.directory.report_json}
        files = {name: path for name, path in known.items() if path.is_file()}
        return files if self._is_busy else files | {"steps.csv": self._steps}

    @property
    def _is_busy(self) -> bool:
        return not self.ended or (self.reporting is not None and self.reporting.poll() is None)

    @property
    def _steps(self) -> Path:
        steps = self.directory.steps
        return steps.parquet if steps.parquet.is_file() else steps.stream

    def form(self) -> dict[str, Any]:
        """Its row of the tab as JSON."""
        run_id = self.directory.path.name
        try:
            run = self.directory.read()
        except RunDirectoryError as error:
            said = printable(str(error), _LONGEST_TEXT)
            return {"run_id": run_id, "outcome": "no report", "why": said, "report": False, "files": []}
        config, report = run["config"], self._report()
        form: dict[str, Any] = {
            "run_id": run_id,
            "started_at": run["started_at"],
            "ended_at": run["ended_at"],
            "url": config["url"],
            "users": config["users"],
            "transport": config["transport"],
            "wait": config["wait"],
            "duration_s": config["duration_s"],
            "outcome": self._outcome(report),
            "why": "",
            "figures": [],
            "report": report is not None and self.directory.report_html.is_file(),
            "files": sorted(self.files),
        }
        if report is not None:
            form |= {"why": _why(report), "figures": list(_figures(report))}
        elif form["outcome"] == "no report":
            detail = printable(str(run.get("status_detail") or ""), _LONGEST_TEXT)
            form["why"] = detail or f"to make it: {invocation('report', RUN=self.directory.path)}"
        return form

    def report_policy(self) -> str:
        """The content security policy that its report asks for itself."""
        with self.directory.report_html.open(encoding="utf-8") as page:
            found = _POLICY.search(page.read(4096))
        return found[1] if found else _STRICTEST

    def csv(self) -> Iterator[bytes]:
        """All steps as CSV, in slices between which the load goes on."""
        yield (",".join(f'"{name}"' for name in STEPS.names) + "\n").encode()
        without_header = pa.csv.WriteOptions(include_header=False)
        for batch in self.directory.steps.batches():
            for start in range(0, batch.num_rows, _SLICE_ROWS):
                sink = pa.BufferOutputStream()
                pa.csv.write_csv(batch.slice(start, _SLICE_ROWS), sink, without_header)
                yield sink.getvalue().to_pybytes()
                gevent.sleep(0)

    def _report(self) -> dict[str, Any] | None:
        if self._is_busy:
            return None
        try:
            report: dict[str, Any] = json.loads(self.directory.report_json.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return report

    def _outcome(self, report: dict[str, Any] | None) -> State:
        if not self.ended:
            return "running"
        if report is None:
            return "reporting" if self._is_busy else "no report"
        reasons = report["validity"]["reasons"]
        return outcome_of(report["status"], report["passed"], report["slo"]["passed"], reasons)


class StartedRuns:
    """The tests that were started from the page, by their ids; no others are shown or served."""

    def __init__(self) -> None:
        self._runs: dict[str, StartedRun] = {}

    def begin(self, directory: RunDirectory) -> None:
        """Adds a test that starts."""
        self._runs[directory.path.name] = StartedRun(directory)

    def end(self, directory: RunDirectory, reporting: "subprocess.Popen[bytes] | None") -> None:
        """Notes that a test is over and what writes its report."""
        if (run := self._runs.get(directory.path.name)) is not None:
            run.ended, run.reporting = True, reporting

    def get(self, run_id: str) -> StartedRun | None:
        """The test with this id."""
        return self._runs.get(run_id)

    def form(self) -> dict[str, Any]:
        """The tab's content as JSON, the newest test first."""
        return {"runs": [run.form() for run in reversed(self._runs.values())]}


def _figures(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    totals, latency = report["totals"], report["latency"].get("step")
    yield "steps/s", f"{totals['throughput_steps_per_s']:,.1f}"
    if latency:
        yield "p50", seconds(latency["p50"])
        yield "p99", seconds(latency["p99"])
    yield "succeeded", share(totals["success_rate"])


def _why(report: dict[str, Any]) -> str:
    """The first reason that it has not passed."""
    missed = [each["sentence"] for each in report["slo"]["criteria"] if not each["passed"]]
    validity = report["validity"]
    reasons = [each["message"] for each in validity["warnings"] if each["code"] in validity["reasons"]]
    return printable([*missed, *reasons, ""][0], _LONGEST_TEXT)
