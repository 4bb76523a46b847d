"""Operations as Locust's own statistics count them, to be held against the rows that were recorded."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any, get_args

from locust.env import Environment
from locust.runners import MasterRunner

from reports.records.schema import Op

_METHODS = frozenset({"WS", "HTTP"})
"""As `request_type` of our users has it; a locustfile of one's own may count requests of other kinds."""
_OPS = frozenset(get_args(Op))


class Accounting:
    """Counts the operations of each test by op. Workers report what is new every three seconds."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._of_workers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._reset = False
        environment.events.test_start.add_listener(self._start)
        environment.events.worker_report.add_listener(self._add)
        environment.events.reset_stats.add_listener(self._note_reset)

    def counted_of(self, worker: str) -> dict[str, int]:
        """The operations of a worker, by Locust's name for it."""
        return dict(self._of_workers[worker])

    def counted(self, without: Collection[str] = ()) -> dict[str, int] | None:
        """All operations but those of some workers; None where statistics were reset meanwhile."""
        if self._environment.reset_stats:
            return None
        if isinstance(self._environment.runner, MasterRunner):
            total: Counter[str] = Counter()
            for worker, counted in self._of_workers.items():
                if worker not in without:
                    total += counted
            return dict(total)
        if self._reset:
            return None
        return _by_op({key: entry.num_requests for key, entry in self._environment.stats.entries.items()})

    def _start(self, **_: Any) -> None:
        self._of_workers.clear()
        self._reset = False

    def _note_reset(self, **_: Any) -> None:
        self._reset = True

    def _add(self, client_id: str, data: Mapping[str, Any], **_: Any) -> None:
        entries = {(entry["name"], entry["method"]): entry["num_requests"] for entry in data["stats"]}
        self._of_workers[client_id].update(_by_op(entries))


def _by_op(entries: Mapping[tuple[str, str], int]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for (name, method), number in entries.items():
        if name in _OPS and method in _METHODS and number:
            counted[name] += number
    return dict(counted)
