"""A run directory on disk: where its files lie, and how they are read whole or cut short."""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from reports.records.schema import RESOURCES, SCHEMA_VERSION, STEPS, RunJson, fault_in_run_json

_ROW_GROUP = 1 << 20


class RunDirectoryError(Exception):
    """A run directory that cannot be made or read; the message says which, why, and what to do."""


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run below `path`. Nothing is read or written until a method is called."""

    path: Path

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def steps_stream(self) -> Path:
        return self.path / "steps.arrows"

    @property
    def steps_parquet(self) -> Path:
        return self.path / "steps.parquet"

    @property
    def resources_stream(self) -> Path:
        return self.path / "resources.arrows"

    @property
    def resources_parquet(self) -> Path:
        return self.path / "resources.parquet"

    @property
    def report_json(self) -> Path:
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        return self.path / "report.html"

    @classmethod
    def create(cls, results: Path, slug: str, at: float | None = None) -> "RunDirectory":
        """Makes `results/YYYYMMDD-HHMMSS-<slug>`, with a number behind it where that is taken.

        Raises RunDirectoryError where the folder cannot be made or written.
        """
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(at))
        name = f"{stamp}-{re.sub(r'[^a-z0-9]+', '-', slug.lower()).strip('-') or 'run'}"
        try:
            results.mkdir(parents=True, exist_ok=True)
            for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
                try:
                    (results / (name + suffix)).mkdir()
                except FileExistsError:
                    continue
                return cls(results / (name + suffix))
        except OSError as error:
            raise RunDirectoryError(
                f"the results folder {results} cannot be written ({error.strerror}): "
                "choose another with RESULTS=…"
            ) from error
        raise RunDirectoryError(f"{results} holds too many runs named {name}: remove some")

    def write_run(self, run: RunJson) -> None:
        """Replaces run.json in one step, so that a reader never sees half of it.

        Raises RunDirectoryError where it cannot be written.
        """
        try:
            write_atomically(self.run_json, json.dumps(run, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise unwritable(self.run_json, error) from error

    def read_run(self) -> RunJson:
        """Reads run.json. Raises RunDirectoryError where it is missing, broken or from a newer schema."""
        if not self.path.is_dir():
            raise RunDirectoryError(f"{self.path} is not a folder: give a run directory, results/<run_id>")
        try:
            run = json.loads(self.run_json.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunDirectoryError(self._no_run()) from None
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.run_json} cannot be read: {error}") from error
        version = run.get("schema_version") if isinstance(run, dict) else None
        if not isinstance(version, int) or run.get("kind") != "run":
            raise RunDirectoryError(f"{self.run_json} is not of a run (kind and schema_version are missing)")
        if version > SCHEMA_VERSION:
            raise RunDirectoryError(
                f"{self.path} was written with schema {version}, this program reads up to {SCHEMA_VERSION}: "
                "update it"
            )
        if fault := fault_in_run_json(run):
            raise RunDirectoryError(
                f"{self.run_json} is damaged ({fault}): restore it, or make the run again"
            )
        return cast(RunJson, run)

    def _no_run(self) -> str:
        runs = sorted(run_json.parent for run_json in self.path.glob("*/run.json"))
        if runs:
            return f"{self.path} is a folder of runs, not a run: give one of them, the newest is {runs[-1]}"
        return f"{self.path} holds no run.json, so it is not a run directory: give results/<run_id>"

    def read_steps(self, columns: list[str] | None = None) -> pa.Table:
        """The steps table sorted by `started_at`, strings dictionary-encoded, from Parquet or the stream.

        Raises RunDirectoryError where nothing was recorded.
        """
        if not self.steps_parquet.exists() and not self.steps_stream.exists():
            raise RunDirectoryError(f"{self.path} holds no steps: the run ended before it recorded any")
        return _read(self.steps_parquet, self.steps_stream, STEPS, "started_at", columns)

    def read_resources(self) -> pa.Table:
        """The resources table sorted by `at`; without rows where none was recorded."""
        return _read(self.resources_parquet, self.resources_stream, RESOURCES, "at", None)

    def compact(self) -> None:
        """Turns the streams of a finished run into sorted Parquet files and removes the streams.

        Raises RunDirectoryError where a file cannot be written; its stream stays then.
        """
        _compact(self.steps_stream, self.steps_parquet, STEPS, "started_at")
        _compact(self.resources_stream, self.resources_parquet, RESOURCES, "at")


class StreamWriter:
    """Appends record batches to an Arrow IPC stream, each whole on disk before `append` returns."""

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
    """Reads an Arrow IPC stream that may still grow or be torn at its end, batch by batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._schema: pa.Schema | None = None

    def read(self) -> Iterator[pa.RecordBatch]:
        """The whole batches that have come since the last call."""
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


def write_atomically(path: Path, text: str) -> None:
    """Writes `text` to `path` so that a reader sees the old file or the new one, never a part.

    What no file can hold, half of a surrogate pair that a server sent, becomes a question mark.
    """
    with _replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8", errors="replace")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Another path to write to, which takes the place of `path` at the end, or is gone after an error."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def unwritable(path: Path, error: OSError, otherwise: str = "") -> RunDirectoryError:
    """The error for a file or folder that cannot be written; `otherwise` ends what to do about it."""
    return RunDirectoryError(
        f"{path} cannot be written ({error.strerror or error}): "
        f"check its permissions and the space on the disk{otherwise}"
    )


def _dictionary_encoded(schema: pa.Schema) -> pa.Schema:
    encoded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [field.with_type(encoded) if pa.types.is_string(field.type) else field for field in schema]
    )


def _encode(batches: Iterable[pa.RecordBatch], encoded: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Some columns of every batch, text as codes, copied so that the rest of the batch can go."""
    for batch in batches:
        every_row = pa.array(np.arange(batch.num_rows))
        columns: list[Any] = []
        for column in batch.select(encoded.names).columns:
            text = pa.types.is_string(column.type)
            columns.append(column.dictionary_encode() if text else column.take(every_row))
        yield pa.RecordBatch.from_arrays(columns, schema=encoded)


def _read(
    parquet: Path, stream: Path, schema: pa.Schema, sort_key: str, columns: list[str] | None
) -> pa.Table:
    strings = [field.name for field in schema if pa.types.is_string(field.type)]
    if parquet.exists():
        try:
            _check_columns(parquet, schema)
            return pq.read_table(parquet, columns=columns, read_dictionary=strings)
        except (OSError, pa.ArrowException) as error:
            raise RunDirectoryError(f"{parquet} cannot be read: {error}") from error
    names = [name for name in schema.names if columns is None or name in columns or name == sort_key]
    table = _read_stream(stream, schema, names)
    order = pc.sort_indices(table, sort_keys=[(sort_key, "ascending")])
    for place, field in enumerate(table.schema):  # one by one, so that there are never two whole tables
        table = table.set_column(place, field, table.column(place).take(order))
        pa.default_memory_pool().release_unused()
    return table.select(columns) if columns else table


def _check_columns(parquet: Path, schema: pa.Schema) -> None:
    found = pq.read_schema(parquet)
    for name, wanted in zip(schema.names, schema.types, strict=True):
        if name not in found.names:
            raise RunDirectoryError(f"{parquet} is damaged: the column {name} is missing")
        kind = found.field(name).type
        if (kind.value_type if pa.types.is_dictionary(kind) else kind) != wanted:
            raise RunDirectoryError(f"{parquet} is damaged: the column {name} is {kind}, not {wanted}")


def _read_stream(stream: Path, schema: pa.Schema, names: list[str]) -> pa.Table:
    encoded = _dictionary_encoded(pa.schema([schema.field(name) for name in names]))
    batches = _encode(_checked(StreamReader(stream).read(), schema, stream), encoded)
    return pa.Table.from_batches(batches, schema=encoded).unify_dictionaries()


def _checked(batches: Iterable[pa.RecordBatch], schema: pa.Schema, stream: Path) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if not batch.schema.equals(schema):
            raise RunDirectoryError(f"{stream} is damaged: its columns are not those of this table")
        yield batch


def _compact(stream: Path, parquet: Path, schema: pa.Schema, sort_key: str) -> None:
    if not stream.exists():
        return
    table = _read_stream(stream, schema, schema.names)
    order = pc.sort_indices(table, sort_keys=[(sort_key, "ascending")])
    try:
        with (
            _replacing(parquet) as scratch,
            pq.ParquetWriter(scratch, table.schema, compression="zstd", compression_level=1) as writer,
        ):
            for start in range(0, max(table.num_rows, 1), _ROW_GROUP):
                writer.write_table(table.take(order.slice(start, _ROW_GROUP)))
    except OSError as error:
        raise unwritable(parquet, error) from error
    stream.unlink()
