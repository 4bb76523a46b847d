"""A locustfile of one's own: its users play connect four in a way of their own.

    locust -f examples/connect_four_users.py -H http://127.0.0.1:8000 --headless -u 8 -t 10s

It keeps all of the harness: its options, the records of every step, and the report.
"""

from collections.abc import Mapping
from typing import Any

from loadtests.locustfile import OpenEnvWebSocketUser


class MostlyTheMiddle(OpenEnvWebSocketUser):
    """Plays one of the three middle columns, if one of them has room."""

    def act(self, observation: dict[str, Any], reward: float | None, step: int) -> Mapping[str, Any]:
        """The column to play; `self.rng` is a source of chance of each user's own."""
        if step == 0:
            self.favourite = self.rng.choice([2, 3, 4])
        legal = observation["legal_columns"]
        return {"column": self.favourite if self.favourite in legal else self.rng.choice(legal)}
