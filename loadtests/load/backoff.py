"""How long a client waits after a failure before it tries again: exponential back-off with full jitter.

Full jitter, a wait drawn evenly from 0 to a bound that doubles, spreads clients that failed together the most
evenly: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

import random
from collections.abc import Callable

from reports.records.schema import LONGEST_RETRY_PAUSE_S

FIRST_SECONDS = 0.1
"""The longest wait after the first failure; it doubles with each further one, five times."""


class Backoff:
    """The waits of one client. `draw` gives a number from a lower to an upper bound, each as likely."""

    def __init__(self, draw: Callable[[float, float], float] = random.uniform) -> None:
        self._draw = draw
        self._bound_s = FIRST_SECONDS

    def after_failure(self) -> float:
        """Seconds to wait now that something has failed."""
        bound_s = self._bound_s
        self._bound_s = min(2 * bound_s, LONGEST_RETRY_PAUSE_S)
        return self._draw(0.0, bound_s)

    def after_success(self) -> None:
        """Forgets the failures before."""
        self._bound_s = FIRST_SECONDS
