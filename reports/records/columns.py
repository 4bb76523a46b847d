"""The columns of the tables in a run directory."""

import pyarrow as pa

STEPS = pa.schema(
    [
        pa.field("started_at", pa.float64(), nullable=False),
        pa.field("intended_at", pa.float64()),
        pa.field("op", pa.string(), nullable=False),
        pa.field("transport", pa.string(), nullable=False),
        pa.field("latency_s", pa.float64(), nullable=False),
        pa.field("wait_s", pa.float64()),
        pa.field("waited_s", pa.float64()),
        pa.field("host", pa.string()),
        pa.field("pid", pa.int64()),
        pa.field("session_hash", pa.string()),
        pa.field("step_count", pa.int64()),
        pa.field("server_timestamp", pa.float64()),
        pa.field("user", pa.int64(), nullable=False),
        pa.field("generator", pa.string(), nullable=False),
        pa.field("error", pa.string()),
        pa.field("error_detail", pa.string()),
        pa.field("reward", pa.float64()),
        pa.field("done", pa.bool_()),
    ]
)
"""The steps table: one row per operation, failed ones included. Times in seconds, clocks in Unix time.

`reward` and `done` are what the reply says; null where it says nothing.
"""

ADDED_TO_STEPS = frozenset({"reward", "done"})
"""Columns that runs recorded earlier do not have: they are read as null."""

EPISODES = pa.schema(
    [
        pa.field("user", pa.int64(), nullable=False),
        pa.field("session_hash", pa.string()),
        pa.field("started_at", pa.float64(), nullable=False),
        pa.field("ended_at", pa.float64(), nullable=False),
        pa.field("steps", pa.int64(), nullable=False),
        pa.field("reward", pa.float64()),
        pa.field("done", pa.bool_(), nullable=False),
    ]
)
"""The episodes of a run, sorted by `started_at`: each from the start of a reset to the end of the last step
after it.

Only successful steps count; `reward` is their sum, null where no step had one. `done` says whether a step
finished the episode; otherwise it was still going on at the end, or was cut off.
"""

RESOURCES = pa.schema(
    [
        pa.field("at", pa.float64(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("cpu_cores", pa.float64()),
        pa.field("memory_bytes", pa.int64()),
        pa.field("open_files", pa.int64()),
        pa.field("lag_s", pa.float64()),
    ]
)
"""CPU (cores kept busy since the previous sample), memory and open files of every part, each second.

`lag_s` is the 99th percentile, over the moments of that second, of how late the event loop of a generator
process was; null for other parts, and for a master, which has no users.

The role `others` is what all other programs on the generator's machine kept busy, and what its hypervisor
took away.
"""

ADDED_TO_RESOURCES = frozenset({"lag_s"})
"""As ADDED_TO_STEPS."""
