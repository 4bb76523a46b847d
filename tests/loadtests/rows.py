"""Rows of the steps table for tests."""

from typing import Any

import pyarrow as pa

from loadtests.load.recorder import Row
from reports.records.columns import STEPS

ROW: dict[str, Any] = {
    "started_at": 1000.0,
    "intended_at": None,
    "op": "step",
    "transport": "ws",
    "latency_s": 0.1,
    "wait_s": 0.05,
    "waited_s": 0.05,
    "host": "127.0.0.1:8001",
    "pid": 1,
    "session_hash": "a",
    "step_count": 1,
    "server_timestamp": 1000.1,
    "user": 0,
    "generator": "here:1",
    "error": None,
    "error_detail": None,
    "reward": 0.5,
    "done": False,
}


def row(**changes: Any) -> Row:
    """A successful step, but for `changes`."""
    return tuple((ROW | changes).values())


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    """A record batch of rows, each given as its changes to a successful step."""
    return pa.RecordBatch.from_pylist([ROW | changes for changes in rows], schema=STEPS)
