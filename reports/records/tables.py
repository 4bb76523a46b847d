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
from numpy.typing import NDArray

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

    def __init__(self, path: Path, offset: int = 0, schema: pa.Schema | None = None) -> None:
        """Begins at `offset`, where the batches before are to be left out; their `schema` is needed then."""
        self._path = path
        self._offset = offset
        self.read_from = offset
        """Where in the file the last batch that was read begins."""
        self.schema = schema
        """Of the stream; None until it was read."""

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
                    self.schema = pa.ipc.read_schema(message)
                elif self.schema is not None:
                    self.read_from = self._offset
                    yield pa.ipc.read_record_batch(message, self.schema)
                self._offset = source.tell()


@dataclass(frozen=True)
class RecordedTable:
    """One table of a run, in its stream or in Parquet, sorted by its first column."""

    stream: Path
    parquet: Path
    schema: pa.Schema
    added: frozenset[str] = frozenset()
    """Columns that tables written earlier do not have: they are read as null."""

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
            yield from self._batches(StreamReader(self.stream))
            return
        self._columns_found()
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
            raise self._unreadable(error) from error

    def compact(self) -> None:
        """Turns the stream into a sorted Parquet file and removes it; does nothing where there is no stream.

        Raises RunDirectoryError where the file cannot be written; the stream is kept then.
        """
        if not self.stream.exists():
            return
        encoded = self._encoded(self.schema.names)
        try:
            with (
                replacing(self.parquet) as scratch,
                pq.ParquetWriter(scratch, encoded, compression="zstd", compression_level=1) as writer,
            ):
                for rows in self._sorted_pieces(encoded):
                    writer.write_table(rows)
        except OSError as error:
            raise unwritable(self.parquet, error) from error
        self.stream.unlink()

    def _sorted_pieces(self, encoded: pa.Schema) -> Iterator[pa.Table]:
        """The rows of the stream, sorted, in pieces of _ROW_GROUP rows, or more where keys are equal.

        Rows come nearly in order, so that each batch is read again for a piece or two.
        """
        keys, places = [np.empty(0)], []
        reader = StreamReader(self.stream)
        for batch in self._batches(reader):
            places.append(reader.read_from)
            keys.append(batch.column(0).to_numpy().copy())
        in_order = np.concatenate(keys)
        in_order.sort()
        begins = np.unique(in_order[_ROW_GROUP::_ROW_GROUP])
        del in_order
        needed: list[list[int]] = [[] for _ in range(begins.size + 1)]
        for place, of_batch in zip(places, keys[1:], strict=True):
            for piece in np.unique(_piece_of(of_batch, begins)).tolist():
                needed[piece].append(place)
        del keys
        for piece, offsets in enumerate(needed):
            chosen = []
            for offset in offsets:
                batch = next(self._batches(StreamReader(self.stream, offset, reader.schema)))
                inside = _piece_of(batch.column(0).to_numpy(), begins) == piece
                chosen.append(_encode(batch, encoded, np.flatnonzero(inside)))
            table = pa.Table.from_batches(chosen, schema=encoded).unify_dictionaries()
            yield table.take(pc.sort_indices(table, sort_keys=[(encoded.names[0], "ascending")]))

    @property
    def rows(self) -> int:
        """How many rows the Parquet file has. Raises RunDirectoryError where it is damaged."""
        self._columns_found()
        return int(pq.read_metadata(self.parquet).num_rows)

    def pieces(self, column: str) -> Iterator[pa.Array]:
        """A column of the Parquet file, piece by piece, text as codes that are the piece's own.

        Raises RunDirectoryError where the file is damaged.
        """
        found = self._columns_found()
        try:
            with pq.ParquetFile(self.parquet, read_dictionary=self._text) as file:
                for group in range(file.num_row_groups):
                    if column in found:
                        yield from file.read_row_group(group, columns=[column]).column(0).chunks
                    else:
                        nulls = pa.nulls(
                            file.metadata.row_group(group).num_rows, self.schema.field(column).type
                        )
                        yield nulls
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    @property
    def _text(self) -> list[str]:
        return [field.name for field in self.schema if pa.types.is_string(field.type)]

    def _columns_found(self) -> list[str]:
        """The columns that the Parquet file has. Raises RunDirectoryError where they are not the table's."""
        try:
            found = pq.read_schema(self.parquet)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error
        for field in self.schema:
            if field.name not in found.names:
                if field.name in self.added:
                    continue
                raise self._damaged(f"the column {field.name} is missing")
            kind = found.field(field.name).type
            if (kind.value_type if pa.types.is_dictionary(kind) else kind) != field.type:
                raise self._damaged(f"the column {field.name} is {kind}, not {field.type}")
        return list(found.names)

    def _read_parquet(self, columns: list[str] | None) -> pa.Table:
        found = self._columns_found()
        wanted = columns or self.schema.names
        present = [name for name in wanted if name in found]
        try:
            if len(present) == len(wanted):
                return pq.read_table(self.parquet, columns=columns, read_dictionary=self._text)
            table = pq.read_table(self.parquet, columns=present, read_dictionary=self._text)
            rows = pq.read_metadata(self.parquet).num_rows
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error
        for name in wanted:
            if name not in present:
                field = self.schema.field(name)
                table = table.append_column(field, pa.nulls(rows, field.type))
        return table.select(wanted)

    def _unreadable(self, error: Exception) -> RunDirectoryError:
        return RunDirectoryError(f"{self.parquet} cannot be read: {error}")

    def _damaged(self, how: str) -> RunDirectoryError:
        return RunDirectoryError(f"{self.parquet} is damaged: {how}")

    def _read_stream(self, names: list[str]) -> pa.Table:
        """Some columns of the stream in the order in which they were written, text as codes."""
        encoded = self._encoded(names)
        batches = (
            _encode(batch, encoded, np.arange(batch.num_rows))
            for batch in self._batches(StreamReader(self.stream))
        )
        return pa.Table.from_batches(batches, schema=encoded).unify_dictionaries()

    def _encoded(self, names: list[str]) -> pa.Schema:
        """The schema of some columns with text as codes."""
        codes = pa.dictionary(pa.int32(), pa.string())
        fields = [self.schema.field(name) for name in names]
        return pa.schema([f.with_type(codes) if pa.types.is_string(f.type) else f for f in fields])

    def _batches(self, reader: StreamReader) -> Iterator[pa.RecordBatch]:
        for batch in reader.read():
            if batch.schema.equals(self.schema):
                yield batch
                continue
            if not batch.schema.equals(pa.schema([f for f in self.schema if f.name not in self.added])):
                raise RunDirectoryError(f"{self.stream} is damaged: its columns are not those of this table")
            for name in self.schema.names:
                if name in self.added:
                    field = self.schema.field(name)
                    batch = batch.append_column(field, pa.nulls(batch.num_rows, field.type))
            yield batch.select(self.schema.names)


def _piece_of(keys: NDArray[np.float64], begins: NDArray[np.float64]) -> NDArray[np.intp]:
    """In which piece each key belongs; pieces but the first begin at `begins`."""
    pieces: NDArray[np.intp] = np.searchsorted(begins, keys, side="right")
    return pieces


def _encode(batch: pa.RecordBatch, encoded: pa.Schema, rows: NDArray[np.intp]) -> pa.RecordBatch:
    """Some columns and rows of a batch, text as codes, copied so that the memory of the rest can be freed."""
    taken = batch.select(encoded.names).take(pa.array(rows))
    columns: list[Any] = [
        column.dictionary_encode() if pa.types.is_string(column.type) else column for column in taken.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=encoded)
