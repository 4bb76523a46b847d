import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.records import tables
from reports.records.columns import ADDED_TO_STEPS, RESOURCES, STEPS
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.tables import StreamReader, StreamWriter
from tests.reports.operations import Row, session, step, table


def batch(rows: list[Row]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=STEPS)


def stream_of(path: Path, *batches: list[Row]) -> RunDirectory:
    """A run whose stream holds `batches` and was never closed."""
    directory = RunDirectory(path)
    path.mkdir()
    stream = StreamWriter(directory.steps.stream, STEPS)
    for rows in batches:
        stream.append(batch(rows))
    return directory


def starts(read: pa.Table) -> list[float]:
    return [float(at) for at in read.column("started_at").to_pylist()]


def test_a_stream_is_read_sorted(tmp_path: Path) -> None:
    directory = stream_of(tmp_path / "run", [step(3.0), step(1.0)], [step(2.0)])
    assert starts(directory.read_steps()) == sorted(starts(directory.read_steps()))
    assert directory.read_steps(["op"]).column_names == ["op"]


def test_compacting_keeps_every_row_in_order_and_removes_the_stream(tmp_path: Path) -> None:
    rows = [*session("s", [1, 2]), step(0.05, user=2, error="timeout", error_detail="30 s")]
    directory = stream_of(tmp_path / "run", rows[:3], rows[3:])
    directory.compact()
    assert not directory.steps.stream.exists()
    assert directory.read_steps().to_pylist() == table(rows).to_pylist()
    directory.compact()
    assert directory.steps.parquet.exists()


def test_a_stream_larger_than_what_is_sorted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_ROW_GROUP", 4)
    at = [0.0, 5.0, 1.0, 1.0, 9.0, 1.0, 1.0, 7.0, 8.0, 1.0, 3.0, 12.0, 0.5, 11.0, 2.0]
    rows = [step(start, user=user, session_hash=f"s{user}") for user, start in enumerate(at)]
    directory = stream_of(tmp_path / "run", rows[:3], rows[3:4], rows[4:10], rows[10:])
    whole = directory.read_steps().to_pylist()
    directory.compact()
    assert directory.read_steps().to_pylist() == whole == table(rows).to_pylist()
    assert [piece.to_pylist() for piece in directory.steps.pieces("user")] == [
        [0, 12],
        [2, 3, 5, 6, 9, 14],
        [10, 1, 7, 8],
        [4, 13, 11],
    ]


def test_a_torn_stream_is_read_up_to_its_last_whole_batch(tmp_path: Path) -> None:
    directory = stream_of(tmp_path / "run", [step(1.0)], [step(2.0), step(3.0)])
    whole = directory.steps.stream.read_bytes()
    found = set()
    for length in range(0, len(whole) + 1, 8):
        directory.steps.stream.write_bytes(whole[:length])
        found.add(len(directory.read_steps()))
    assert found == {0, 1, 3}


def test_a_reader_follows_a_growing_stream(tmp_path: Path) -> None:
    path = tmp_path / "steps.arrows"
    reader = StreamReader(path)
    assert list(reader.read()) == []
    stream = StreamWriter(path, STEPS)
    stream.append(batch([step(1.0)]))
    assert [rows.num_rows for rows in reader.read()] == [1]
    stream.append(batch([step(2.0), step(3.0)]))
    assert [rows.num_rows for rows in reader.read()] == [2]
    stream.close()
    assert list(reader.read()) == []


def test_a_stream_of_another_table(tmp_path: Path) -> None:
    path = tmp_path / "steps.arrows"
    stream = StreamWriter(path, RESOURCES)
    stream.append(pa.RecordBatch.from_pylist([{"at": 1.0, "role": "nginx", "name": "n"}], schema=RESOURCES))
    with pytest.raises(RunDirectoryError, match="columns are not those"):
        RunDirectory(tmp_path).read_steps()


def test_a_parquet_file_that_is_broken_or_lacks_a_column(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.steps.parquet.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(RunDirectoryError, match=r"steps\.parquet cannot be read"):
        directory.read_steps()
    pq.write_table(table([step(0)]).drop_columns(["user"]), directory.steps.parquet)
    with pytest.raises(RunDirectoryError, match="the column user is missing"):
        directory.read_steps(["op"])
    columns = table([step(0)])
    place = columns.column_names.index("user")
    pq.write_table(columns.set_column(place, "user", pa.array(["one"])), directory.steps.parquet)
    with pytest.raises(RunDirectoryError, match="the column user is string, not int64"):
        directory.read_steps(["op"])


EARLIER = pa.schema([field for field in STEPS if field.name not in ADDED_TO_STEPS])


def test_a_run_recorded_before_there_were_rewards_is_read_without_them(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    rows = [step(1), step(0)]
    stream = StreamWriter(directory.steps.stream, EARLIER)
    stream.append(pa.RecordBatch.from_pylist(rows, schema=EARLIER))

    assert directory.read_steps().to_pylist() == table(rows).to_pylist()

    directory.steps.stream.unlink()
    pq.write_table(table(rows).drop_columns(list(ADDED_TO_STEPS)), directory.steps.parquet)
    assert directory.read_steps().to_pylist() == table(rows).to_pylist()
    assert directory.read_steps(["done"]).to_pydict() == {"done": [None, None]}
    assert directory.read_steps(["done", "op"]).column_names == ["done", "op"]


def test_resources_that_were_never_recorded(tmp_path: Path) -> None:
    assert len(RunDirectory(tmp_path).resources.read()) == 0


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Lets a write fail that makes a file longer, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_too_full_to_compact_leaves_the_stream_and_no_scraps(tmp_path: Path) -> None:
    rows = [step(at, latency_s=1 / (at + 3), session_hash=f"{at * 7919:016x}") for at in range(2000)]
    directory = stream_of(tmp_path / "run", rows)
    with files_of_at_most(4096), pytest.raises(RunDirectoryError, match=r"steps\.parquet cannot be written"):
        directory.compact()
    assert list(directory.path.iterdir()) == [directory.steps.stream]
    assert len(directory.read_steps()) == 2000


@pytest.mark.parametrize("compacted", [False, True])
def test_resources_without_lag_are_of_an_earlier_time(tmp_path: Path, compacted: bool) -> None:
    earlier = pa.schema([field for field in RESOURCES if field.name != "lag_s"])
    resources = RunDirectory(tmp_path).resources
    rows = [{"at": 1.0, "role": "generator", "name": "a:1", "cpu_cores": 0.5}]
    if compacted:
        pq.write_table(pa.Table.from_pylist(rows, schema=earlier), resources.parquet)
    else:
        stream = StreamWriter(resources.stream, earlier)
        stream.append(pa.RecordBatch.from_pylist(rows, schema=earlier))
    read = resources.read()
    assert read.column_names == RESOURCES.names
    assert read["cpu_cores"].to_pylist() == [0.5]
    assert read["lag_s"].to_pylist() == [None]
