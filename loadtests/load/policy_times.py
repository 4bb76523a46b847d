"""How long a policy's calls took: counted in classes of equal relative width, which processes can add up."""

import math
from collections import Counter
from collections.abc import Mapping

from reports.records.schema import PolicyTime

_WIDTH = math.log(1.02)
"""Each class reaches 2 % further than the one before, so that its middle is within 1 % of all in it."""
_SHORTEST_S = 1e-9

Packed = dict[str, object]


class PolicyTimes:
    """The seconds of each call, counted: mean and maximum are exact, quantiles within 1 %."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._sum_s = 0.0
        self._max_s = 0.0

    def add(self, seconds: float) -> None:
        """Counts one call."""
        self._counts[math.floor(math.log(max(seconds, _SHORTEST_S)) / _WIDTH)] += 1
        self._sum_s += seconds
        self._max_s = max(self._max_s, seconds)

    def packed(self) -> Packed:
        """All that was counted, to be sent to another process."""
        return {"counts": list(self._counts.items()), "sum_s": self._sum_s, "max_s": self._max_s}

    def add_packed(self, packed: Mapping[str, object]) -> None:
        """Adds what another process counted."""
        counts, sum_s, max_s = packed["counts"], packed["sum_s"], packed["max_s"]
        assert isinstance(counts, list)
        assert isinstance(sum_s, float)
        assert isinstance(max_s, float)
        for place, count in counts:
            self._counts[place] += count
        self._sum_s += sum_s
        self._max_s = max(self._max_s, max_s)

    def summary(self) -> PolicyTime | None:
        """What run.json says; None where there was no call."""
        calls = self._counts.total()
        if not calls:
            return None
        return PolicyTime(
            calls=calls,
            mean_s=self._sum_s / calls,
            p50_s=self._quantile(0.5, calls),
            p99_s=self._quantile(0.99, calls),
            max_s=self._max_s,
        )

    def _quantile(self, quantile: float, calls: int) -> float:
        rank, seen = quantile * (calls - 1), 0
        for place in sorted(self._counts):
            seen += self._counts[place]
            if seen > rank:
                return min(math.exp((place + 0.5) * _WIDTH), self._max_s)
        return self._max_s
