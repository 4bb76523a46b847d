"""The tables of a run as CSV, beside the Parquet files, written piece by piece."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from reports.records.directory import RunDirectoryError, replacing, unwritable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory
from reports.records.tables import RecordedTable

_A_FORMULA = r"^[=+\-@\t\r]"
"""What a spreadsheet takes for a formula, and would compute, if a cell begins with it."""


def write_csv(path: Path) -> Iterator[tuple[Path, int]]:
    """Writes `steps.csv` and `resources.csv` of a run; gives each file, once it is written, and its rows.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, since servers may send such
    text. Of a run that is going on, or was cut short, the rows are in the order in which they were recorded.
    Raises RunDirectoryError where nothing was recorded, or a file cannot be read or written.
    """
    directory = RunDirectory(path)
    if ExperimentDirectory(path).exists():
        raise RunDirectoryError(
            f"{path} is an experiment: give one of its runs, {path / 'runs' / '<run_id>'}"
        )
    if directory.read()["status"] != "running":
        directory.compact()
    if not (directory.steps.stream.exists() or directory.steps.parquet.exists()):
        raise RunDirectoryError(f"{path} holds no steps: the run ended before it recorded any")
    for table in (directory.steps, directory.resources):
        if table.stream.exists() or table.parquet.exists():
            yield table.parquet.with_suffix(".csv"), _write(table)


def _write(table: RecordedTable) -> int:
    """Writes one table; returns its number of rows."""
    rows = 0
    path = table.parquet.with_suffix(".csv")
    try:
        with replacing(path) as scratch, pa.csv.CSVWriter(scratch, table.schema) as writer:
            for batch in table.batches():
                writer.write_batch(_harmless(batch))
                rows += batch.num_rows
    except OSError as error:
        raise unwritable(path, error) from error
    return rows


def _harmless(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        pc.if_else(
            pc.match_substring_regex(column, _A_FORMULA), pc.binary_join_element_wise("'", column, ""), column
        )
        if pa.types.is_string(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
