"""The tables of a run on disk: Arrow streams while the run is going on, sorted Parquet files after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from reports.records.directory import RunDirectoryError, replacing, unwritable

_ROW_GROUP = 1 << 20
_PIECE = 1 << 16


class StreamWriter:
    """Appends record batches to an Arrow IPC stream; each is on disk as a whole when `append` returns."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("wb", buffering=0)
        self._write(schema.serialize())

    def append(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._write(batch.serialize())

    def append_serialized(self, batch: bytes) -> None:
        """Appends a batch that was serialized elsewhere, with the same schema."""
        self._write(batch)

    def close(self) -> None:
        """Ends the stream with the format's end mark."""
        if not self._file.closed:
            self._write(b"\xff\xff\xff\xff\x00\x00\x00\x00")
            self._file.close()

    def _write(self, message: pa.Buffer | bytes) -> None:
        start = self._file.tell()
        rest = memoryview(message)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError:
            self._file.truncate(start)
            self._file.seek(start)
            raise


class StreamReader:
    """Reads an Arrow IPC stream, batch by batch; it may still grow, or be torn at its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._schema: pa.Schema | None = None

    def read(self) -> Iterator[pa.RecordBatch]:
        """The whole batches that were added since the last call."""
        try:
            source = pa.OSFile(str(self._path))
        except OSError:
            return
        with source:
            source.seek(self._offset)
            while True:
                try:
                    message = pa.ipc.read_message(source)
                except (EOFError, pa.ArrowInvalid, OSError):
                    return
                if message.type == "schema":
                    self._schema = pa.ipc.read_schema(message)
                elif self._schema is not None:
                    yield pa.ipc.read_record_batch(message, self._schema)
                self._offset = source.tell()


@dataclass(frozen=True)
class RecordedTable:
    """One table of a run, in its stream or in Parquet, sorted by its first column."""

    stream: Path
    parquet: Path
    schema: pa.Schema

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """The table or some of its columns, strings dictionary-encoded; without rows where there is no file.

        Raises RunDirectoryError where a file is damaged.
        """
        if self.parquet.exists():
            return self._read_parquet(columns)
        key = self.schema.names[0]
        table = self._read_stream([n for n in self.schema.names if columns is None or n in (key, *columns)])
        order = pc.sort_indices(table, sort_keys=[(key, "ascending")])
        for place, field in enumerate(table.schema):  # one by one, so that there are never two whole tables
            table = table.set_column(place, field, table.column(place).take(order))
            pa.default_memory_pool().release_unused()
        return table.select(columns) if columns else table

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows piece by piece, however many there are: sorted from Parquet, as recorded from the stream.

        Raises RunDirectoryError where a file is damaged.
        """
        if not self.parquet.exists():
            yield from self._batches()
            return
        self._read_parquet(self.schema.names[:1])  # which says what is wrong with the others too
        try:
            with pq.ParquetFile(self.parquet) as file:
                for batch in file.iter_batches(_PIECE, columns=self.schema.names):
                    columns = [
                        batch[field.name].cast(field.type)
                        if field.name in batch.schema.names
                        else pa.nulls(batch.num_rows, field.type)
                        for field in self.schema
                    ]
                    yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
        except (OSError, pa.ArrowException) as error:
            raise RunDirectoryError(f"{self.parquet} cannot be read: {error}") from error

    def compact(self) -> None:
        """Turns the stream into a sorted Parquet file and removes it; does nothing where there is no stream.

        Raises RunDirectoryError where the file cannot be written; the stream is kept then.
        """
        if not self.stream.exists():
            return
        table = self._read_stream(self.schema.names)
        order = pc.sort_indices(table, sort_keys=[(self.schema.names[0], "ascending")])
        try:
            with (
                replacing(self.parquet) as scratch,
                pq.ParquetWriter(scratch, table.schema, compression="zstd", compression_level=1) as writer,
            ):
                for start in range(0, max(table.num_rows, 1), _ROW_GROUP):
                    writer.write_table(table.take(order.slice(start, _ROW_GROUP)))
        except OSError as error:
            raise unwritable(self.parquet, error) from error
        self.stream.unlink()

    def _read_parquet(self, columns: list[str] | None) -> pa.Table:
        strings = [field.name for field in self.schema if pa.types.is_string(field.type)]
        try:
            found = pq.read_schema(self.parquet)
            for field in self.schema:
                if field.name not in found.names:
                    raise self._damaged(f"the column {field.name} is missing")
                kind = found.field(field.name).type
                if (kind.value_type if pa.types.is_dictionary(kind) else kind) != field.type:
                    raise self._damaged(f"the column {field.name} is {kind}, not {field.type}")
            return pq.read_table(self.parquet, columns=columns, read_dictionary=strings)
        except (OSError, pa.ArrowException) as error:
            raise RunDirectoryError(f"{self.parquet} cannot be read: {error}") from error

    def _damaged(self, how: str) -> RunDirectoryError:
        return RunDirectoryError(f"{self.parquet} is damaged: {how}")

    def _read_stream(self, names: list[str]) -> pa.Table:
        """Some columns of the stream in the order in which they were written, text as codes."""
        codes = pa.dictionary(pa.int32(), pa.string())
        fields = [self.schema.field(name) for name in names]
        encoded = pa.schema([f.with_type(codes) if pa.types.is_string(f.type) else f for f in fields])
        batches = (_encode(batch, encoded) for batch in self._batches())
        return pa.Table.from_batches(batches, schema=encoded).unify_dictionaries()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in StreamReader(self.stream).read():
            if not batch.schema.equals(self.schema):
                raise RunDirectoryError(f"{self.stream} is damaged: its columns are not those of this table")
            yield batch


def _encode(batch: pa.RecordBatch, encoded: pa.Schema) -> pa.RecordBatch:
    """Some columns of a batch, text as codes, copied so that the memory of the others can be freed."""
    every_row = pa.array(np.arange(batch.num_rows))
    columns: list[Any] = [
        column.dictionary_encode() if pa.types.is_string(column.type) else column.take(every_row)
        for column in batch.select(encoded.names).columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=encoded)
