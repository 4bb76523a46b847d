"""What a run recorded beside what Locust counted."""

import re
from collections import Counter

from reports.records.run_directory import RunDirectory


def recorded(directory: RunDirectory) -> dict[str, int]:
    """How many operations of each kind have a row."""
    return dict(Counter(directory.read_steps().column("op").to_pylist()))


def counted_by_locust(directory: RunDirectory) -> dict[str, int]:
    """The same as the first table in Locust's log has it."""
    log = (directory.path / "locust.log").read_text()
    rows = re.findall(r"\| WS +(\w+) +(\d+) +\d+\(", log)
    assert rows, log
    return {op: int(number) for op, number in rows}


def whose_lag_is_recorded(directory: RunDirectory) -> set[str]:
    """The parts of a run of which it is known how late they were."""
    rows = directory.resources.read().select(["name", "lag_s"]).to_pylist()
    assert all(row["lag_s"] is None or 0 <= row["lag_s"] < 60 for row in rows)
    return {row["name"] for row in rows if row["lag_s"] is not None}
