"""Records every operation: rows are gathered in memory and delivered as Arrow batches every second."""

import logging
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder

import gevent
import pyarrow as pa

from reports.records.columns import STEPS
from reports.records.schema import ErrorCategory, Op, Transport

FLUSH_SECONDS = 1.0
_SLICE_ROWS = 250
_LOOKS = 20
"""How often in a second whole slices are looked for."""

Row = tuple[
    float,
    float | None,
    Op,
    Transport,
    float,
    float | None,
    float | None,
    str | None,
    int | None,
    str | None,
    int | None,
    float | None,
    int,
    str,
    ErrorCategory | None,
    str | None,
    float | None,
    bool | None,
]
"""One row of the steps table, its values in the order of the schema."""


logger = logging.getLogger(__name__)


class Recorder:
    """Gathers the rows of one generator process and delivers them as record batches.

    A batch is built in slices of a few hundred rows, and other greenlets run in between: built in one go, the
    rows of a busy second would hold up every user, which would look like latency of the server. Slices are
    built while rows come in, so that few rows wait as Python objects, which are large.
    """

    def __init__(self, deliver: Callable[[pa.RecordBatch], None]) -> None:
        self._deliver = deliver
        self._rows: list[Row] = []
        self._slices: list[pa.RecordBatch] = []
        self._greenlet: gevent.Greenlet | None = None
        self.append: Callable[[Row], None] = self._rows.append
        """Records a row."""
        keep_pandas_out()

    def start(self) -> None:
        """Starts to deliver every second."""
        self._greenlet = gevent.spawn(self._flush_each_second)

    def stop(self) -> int:
        """Delivers the remaining rows. Returns how many could not be delivered."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
        self.flush()
        return self._undelivered

    def flush(self) -> None:
        """Delivers the rows gathered so far as one batch."""
        self._slice(len(self._rows))
        slices, self._slices = self._slices, []
        if not slices:
            return
        batch = pa.concat_batches(slices)
        try:
            self._deliver(batch)
        except Exception as error:  # a full disk, a master that is gone: both may come back
            self._slices.insert(0, batch)
            logger.error("%d rows wait to be recorded: %s", self._undelivered, error)  # noqa: TRY400

    @property
    def _undelivered(self) -> int:
        return len(self._rows) + sum(int(each.num_rows) for each in self._slices)

    def _slice(self, number: int) -> None:
        """Turns the first so many rows into slices."""
        while number > 0 and self._rows:
            rows = self._rows[: min(number, _SLICE_ROWS)]
            del self._rows[: len(rows)]
            number -= len(rows)
            self._slices.append(_batch(rows))
            gevent.sleep(0)

    def _flush_each_second(self) -> None:
        while True:
            try:
                for _ in range(_LOOKS):
                    gevent.sleep(FLUSH_SECONDS / _LOOKS)
                    self._slice(len(self._rows) // _SLICE_ROWS * _SLICE_ROWS)
                self.flush()
            except Exception:
                logger.exception("rows could not be recorded")


class _Without(MetaPathFinder):
    """Makes one module look as if it were not installed."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == self._module:
            raise ModuleNotFoundError(fullname)


def keep_pandas_out() -> None:
    """Makes pyarrow do without pandas in this process.

    Where pandas is installed, pyarrow imports it with the first array that it makes: more than a second
    in the middle of the load, in which no user runs.
    """
    finder = _Without("pandas")
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, STEPS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=STEPS)
