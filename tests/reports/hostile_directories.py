"""Results as a server leaves them that wants its words to run in the browser of who reads the reports.

Every text that a server, its host, a container's name or a tag could put into the records is one of the
PAYLOADS. What they would run sets `window.__pwned`, what they would load comes from LURE, and what elements
they would make are of the class `theirs`.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.index.report import report_index
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory
from reports.records.tables import RecordedTable
from reports.write import write_comparison, write_experiment_report, write_index, write_report
from tests.reports.comparison import simulated
from tests.reports.comparison.simulated import cell

LURE = "http://127.0.0.1:9/theirs"
PAYLOADS = (
    "</script><script class=theirs>window.__pwned=1</script>",
    '"><img class=theirs src=x onerror="window.__pwned=1">',
    "' onmouseover='window.__pwned=1' onfocus='window.__pwned=1' autofocus class='theirs",
    "</title></style></textarea></svg><svg class=theirs onload=window.__pwned=1><set onbegin=alert(1)>",
    "javascript:window.__pwned=1//",
    f'</style><style class=theirs>@import "{LURE}.css"; *{{background:url({LURE}.png)}}</style>',
    '<iframe class=theirs srcdoc="<script>parent.__pwned=1</script>"></iframe>',
    f'--></desc><base class=theirs href="{LURE}"><link class=theirs rel=stylesheet href="{LURE}.css">',
    f'<meta class=theirs http-equiv=refresh content="0;url={LURE}">',
    "\u2028window.__pwned=1\u2029//",
    "\u202e\u2066<b class=theirs>gnp.exe\u2069\u200f\x00\x1b[31m",
    "{{ 7 * 7 }}${window.__pwned=1}</template><a class=theirs href=javascript:window.__pwned=1>",
)

_WORDS_OF_THE_SCHEMA = frozenset(
    {"kind", "status", "transport", "scenario", "purpose", "order", "source", "role", "wait", "op", "code"}
    | {"think_time", "deployment", "targets", "run_id"}
)
_KEYS_ARE_FREE = frozenset({"machine", "versions", "server_settings", "action", "example", "names", "search"})


class Hostile:
    """All PAYLOADS for each harmless text, in an order in which another one is first each time."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def text(self, harmless: str) -> str:
        """The same text for the same one, so that what belongs together still does."""
        at = len(self._texts) % len(PAYLOADS)
        return self._texts.setdefault(
            harmless, "".join(PAYLOADS[at:] + PAYLOADS[:at]) + str(len(self._texts))
        )

    def instead_of(self, value: Any, key: str = "") -> Any:
        """A value of JSON with all texts replaced but those that the schema fixes."""
        if isinstance(value, dict):
            inside = {name: self.instead_of(inner, name) for name, inner in value.items()}
            return inside | {self.text("a key"): self.text("a value")} if key in _KEYS_ARE_FREE else inside
        if isinstance(value, list):
            return [self.instead_of(inner, key) for inner in value]
        return self.text(value) if isinstance(value, str) and key not in _WORDS_OF_THE_SCHEMA else value

    def rewrite(self, file: Path, **more: Any) -> None:
        """Replaces the texts of a file of JSON, after adding keys to it."""
        file.write_text(json.dumps(self.instead_of(json.loads(file.read_text()) | more)))

    def in_columns(self, table: RecordedTable, names: Iterable[str]) -> None:
        """Replaces the texts of columns."""
        rows = pq.read_table(table.parquet)
        for name in names:
            new = [value and self.text(value) for value in rows.column(name).to_pylist()]
            rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(new, pa.string()))
        pq.write_table(rows, table.parquet)


def write_run(path: Path, hostile: Hostile) -> RunDirectory:
    """A run with failures, and its report."""
    directory = write_synthetic_run(path, SyntheticRun(rows=2000, users=20, failure_share=0.05))
    run = json.loads(directory.json_path.read_text())
    action = {"message": "hello"}
    run["config"] |= {
        "action": action,
        "actions": {"source": "file", "order": "cycle", "count": 2, "example": action, "file": "a.jsonl"},
        "policy": {"name": "policy.py:act", "sha256": "0123"},
        "environment": {"name": "echo", "version": "1", "directory": "/env", "image": "echo", "digest": "1"},
        "server_settings": {"A": "b"},
        "tags": ["nightly", "main"],
        "further": "setting",
    }
    run["topology"]["names"] = {host: host for host in run["topology"]["hosts"]}
    hostile.rewrite(
        directory.json_path,
        config=run["config"],
        topology=run["topology"],
        status_detail="why",
        incidents=["a replica was killed"],
        refused_workers=["another version"],
        generators=[{"name": "here:1"}],
    )
    hostile.in_columns(directory.steps, ("host", "session_hash", "generator", "error", "error_detail"))
    hostile.in_columns(directory.resources, ("name",))
    write_report(directory)
    return directory


def write_experiment(path: Path, hostile: Hostile, seed: int) -> ExperimentDirectory:
    """An experiment with a cell that failed, and its report."""
    cells = [cell(users, repetition) for users in (8, 16) for repetition in (1, 2)]
    cells.append(cell(32, 1, status="failed", reason="it ended while starting", run_id=None))
    directory = simulated.write_experiment(path, seed, cells=cells, seconds=6.0)
    for each in directory.runs.iterdir():
        run = RunDirectory(each)
        hostile.rewrite(run.json_path)
        hostile.in_columns(run.steps, ("host", "session_hash"))
        write_report(run)
        hostile.rewrite(run.report_json)
    hostile.rewrite(directory.json_path, status_detail="why")
    write_experiment_report(directory)
    return directory


def write_pages(results: Path) -> dict[str, Path]:
    """A folder of results and the page of each kind that is made of it."""
    hostile = Hostile()
    one, other = (write_run(results / name, hostile) for name in ("one", "other"))
    write_run(results / '"><img class=theirs src=x onerror=window.__pwned=1>', hostile)
    first, second = (
        write_experiment(results / name, hostile, seed) for seed, name in enumerate(("first", "second"))
    )
    return {
        "run": one.report_html,
        "experiment": first.report_html,
        "comparison of runs": write_comparison(one.path, other.path)[1].report_html,
        "comparison of experiments": write_comparison(first.path, second.path)[1].report_html,
        "index": write_index(report_index(results)),
    }
