"""Who served a run so far: sessions and steps of each worker, and sessions that were not kept apart."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

Worker = tuple[str, int | None]
"""Host and pid; no pid where replies name only their host."""

NOBODY: Worker = ("", None)
"""Whoever answered without naming a host."""

_KEYS = ["transport", "host", "pid", "session_hash", "user"]


class Spread:
    """Folds record batches of the steps table; everything is known at any time."""

    def __init__(self) -> None:
        self.steps: Counter[Worker] = Counter()
        """Successful steps of each worker, and of NOBODY."""
        self._owners: dict[tuple[str, Worker | None], Worker] = {}
        self._users: dict[str, int] = {}
        self._workers: dict[str, Worker] = {}
        self._moved: set[str] = set()
        self._shared: set[str] = set()

    @property
    def sessions(self) -> Counter[Worker]:
        """Over WebSocket sessions, over HTTP users, of each worker that answered, and of NOBODY.

        Of a user whose replies name no session, the latest counts.
        """
        return Counter(self._owners.values())

    @property
    def sessions_checked(self) -> int:
        """WebSocket sessions that replies named."""
        return len(self._users)

    @property
    def moves_checked(self) -> bool:
        """Whether replies named the processes that sessions would have moved between."""
        return bool(self._workers)

    @property
    def moved_sessions(self) -> int:
        """Sessions answered by more than one (host, pid)."""
        return len(self._moved)

    @property
    def shared_sessions(self) -> int:
        """Session hashes that more than one user got."""
        return len(self._shared)

    def update(self, batch: pa.RecordBatch) -> None:
        """Folds in a batch of the steps table."""
        answered = batch.filter(pc.and_(pc.is_null(batch["error"]), pc.not_equal(batch["op"], "connect")))
        is_step = pc.cast(pc.equal(answered["op"], "step"), pa.int64())
        table = pa.Table.from_arrays([*(answered[key] for key in _KEYS), is_step], [*_KEYS, "steps"])
        for row in table.group_by(_KEYS, use_threads=False).aggregate([("steps", "sum")]).to_pylist():
            worker = NOBODY if row["host"] is None else (row["host"], row["pid"])
            self.steps[worker] += row["steps_sum"]
            self._attribute(row["transport"], row["session_hash"], row["user"], worker)

    def _attribute(self, transport: str, session: str | None, user: int, worker: Worker) -> None:
        if transport == "http":
            self._owners[str(user), worker] = worker
        elif session is None:
            self._owners[f"user {user}", None] = worker
        else:
            if self._owners.get((session, None), NOBODY) == NOBODY:
                self._owners[session, None] = worker
            if self._users.setdefault(session, user) != user:
                self._shared.add(session)
            if worker[1] is not None and self._workers.setdefault(session, worker) != worker:
                self._moved.add(session)
