"""What a reference server knows of the steps of a run: when each arrived, and when its reply was written."""

from pathlib import Path

import pyarrow as pa

TRUTH = pa.schema(
    [
        pa.field("session_hash", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("step_count", pa.int64(), nullable=False),
        pa.field("arrived_at", pa.float64(), nullable=False),
        pa.field("took_s", pa.float64(), nullable=False),
        pa.field("late_s", pa.float64(), nullable=False),
    ]
)
"""One row for every step that was answered.

`arrived_at` is Unix time; `took_s` are the seconds, by the server's monotonic clock, from when the kernel had
the step to when the reply was handed to the kernel; `late_s` is how much of that was not meant: the server's
own timer and queue. The metadata `cpu_cores` are the cores that the server kept busy from first step to last
reply, `woken_p50_s` and `woken_p99_s` how late the machine woke up a program that only slept.
"""


def truth_of(run: Path) -> Path:
    """Where the truth about a run lies: in its directory."""
    return run / "truth.parquet"
