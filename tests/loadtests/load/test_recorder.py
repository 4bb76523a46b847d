import subprocess
import sys
from pathlib import Path

import gevent
import pyarrow as pa
import pytest

from loadtests.load.recorder import Recorder
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter
from tests.conftest import ROOT
from tests.loadtests.rows import ROW, row


def test_rows_become_a_batch_of_the_steps_table() -> None:
    delivered: list[pa.RecordBatch] = []
    recorder = Recorder(delivered.append)
    recorder.append(row(user=1))
    recorder.append(row(user=2, error="timeout", error_detail="no reply", host=None, pid=None))
    recorder.flush()
    assert delivered[0].schema == STEPS
    assert delivered[0].to_pylist()[0] == ROW | {"user": 1}
    assert delivered[0]["error"].to_pylist() == [None, "timeout"]


def test_nothing_recorded_delivers_nothing() -> None:
    delivered: list[pa.RecordBatch] = []
    Recorder(delivered.append).flush()
    assert delivered == []


def test_other_greenlets_run_while_a_busy_second_is_flushed() -> None:
    delivered: list[pa.RecordBatch] = []
    recorder = Recorder(delivered.append)
    for _ in range(20_000):
        recorder.append(row())
    turns = 0

    def count_turns() -> None:
        nonlocal turns
        while not delivered:
            turns += 1
            gevent.sleep(0)

    other = gevent.spawn(count_turns)
    recorder.flush()
    other.join()
    assert delivered[0].num_rows == 20_000
    assert turns >= 20


def test_rows_that_come_during_a_flush_are_in_the_next_one() -> None:
    delivered: list[pa.RecordBatch] = []
    recorder = Recorder(delivered.append)
    for _ in range(2000):
        recorder.append(row())
    flush = gevent.spawn(recorder.flush)
    gevent.sleep(0)
    recorder.append(row(user=99))
    flush.join()
    recorder.stop()
    assert [batch.num_rows for batch in delivered] == [2000, 1]


def test_rows_reach_the_disk_each_second(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    recorder = Recorder(StreamWriter(directory.steps.stream, STEPS).append)
    recorder.start()
    for number in (1, 2):
        recorder.append(row())
        with gevent.Timeout(60):
            while not directory.steps.stream.exists() or directory.read_steps().num_rows < number:
                gevent.sleep(0.02)
    recorder.stop()
    assert directory.read_steps().num_rows == 2


def test_a_second_of_many_rows_is_one_batch_in_order() -> None:
    delivered: list[pa.RecordBatch] = []
    recorder = Recorder(delivered.append)
    recorder.start()
    for user in range(1200):
        recorder.append(row(user=user))
    gevent.sleep(0.2)
    for user in range(1200, 1300):
        recorder.append(row(user=user))
    with gevent.Timeout(60):
        while not delivered:
            gevent.sleep(0.02)
    recorder.stop()
    assert [user for batch in delivered for user in batch["user"].to_pylist()] == list(range(1300))
    assert len(delivered) == 1


def test_stopping_counts_the_rows_that_were_not_delivered() -> None:
    def deliver(_: pa.RecordBatch) -> None:
        raise OSError(28, "No space left on device")

    recorder = Recorder(deliver)
    for _ in range(700):
        recorder.append(row())
    recorder.flush()
    recorder.append(row())
    assert recorder.stop() == 701


def test_rows_that_could_not_be_written_are_written_later() -> None:
    delivered: list[int] = []
    full = True

    def deliver(batch: pa.RecordBatch) -> None:
        if full:
            raise OSError(28, "No space left on device")
        delivered.append(batch.num_rows)

    recorder = Recorder(deliver)
    recorder.append(row())
    recorder.flush()
    full = False
    recorder.append(row())
    recorder.flush()
    assert delivered == [2]


@pytest.mark.servers
def test_a_locust_process_stays_light() -> None:
    program = (
        "import sys, runpy, locust; sys.argv = ['locust'];"
        "runpy.run_path('loadtests/locustfile.py');"
        "from loadtests.load.recorder import Recorder; from tests.loadtests.rows import row;"
        "recorder = Recorder(lambda batch: None); recorder.append(row()); recorder.flush();"
        "print([name for name in ('openenv', 'pandas', 'matplotlib', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240
    )
    assert done.stdout.strip() == "[]"
