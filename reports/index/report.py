"""The index of a results folder as data, and its form as JSON."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reports.index.entries import Entry, Unread, read_entries
from reports.index.trends import Trend, trends_of
from reports.records.json_values import finite
from reports.records.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class Index:
    """Everything that the page and the list of a results folder show."""

    results: Path
    entries: list[Entry]
    """Newest first."""
    trends: list[Trend]
    unread: list[Unread]

    def last(self, number: int) -> "Index":
        """The same with the newest entries only; trends still tell of all."""
        return replace(self, entries=self.entries[:number])


def report_index(results: Path, tags: Collection[str] = ()) -> Index:
    """Reads a results folder; with `tags`, only what has all of them.

    Raises RunDirectoryError where the folder is not there.
    """
    entries, unread = read_entries(results)
    chosen = [entry for entry in entries if set(tags) <= set(entry.tags)]
    return Index(results, chosen, trends_of(chosen), unread)


def to_json(index: Index) -> dict[str, Any]:
    """The index in JSON values: seconds, shares in 0…1, changes as shares of what was before."""
    plain: dict[str, Any] = finite(
        {
            "kind": "results",
            "schema_version": SCHEMA_VERSION,
            "results": str(index.results),
            "entries": [_entry(entry) for entry in index.entries],
            "trends": [
                {
                    "label": trend.label,
                    "verdict": trend.verdict,
                    "sentence": trend.sentence,
                    "runs": [entry.path for entry in trend.runs],
                    "left_out": trend.left_out,
                    "shifts": [
                        {"from": shift.entry.path, "besides": shift.besides, **asdict(shift.change)}
                        for shift in trend.shifts
                    ],
                }
                for trend in index.trends
            ],
            "unread": [asdict(each) for each in index.unread],
        }
    )
    return plain


def _entry(entry: Entry) -> dict[str, Any]:
    """An entry, with the configuration of a run as its run.json has it."""
    form = {**asdict(replace(entry, run=None)), "config": entry.run["config"] if entry.run else None}
    del form["run"]
    return form
