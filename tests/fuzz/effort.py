"""How long the tests look for bad input: FUZZ is how many examples of each kind; a few seconds without it."""

import os
import sys
from collections.abc import Iterable

import hypothesis

LONG = bool(os.environ.get("FUZZ"))
EXAMPLES = int(os.environ.get("FUZZ") or 100)


def effort(share: float = 1.0) -> hypothesis.settings:
    """That many examples, or a share of them: the same ones every time in the short form."""
    return hypothesis.settings(
        max_examples=max(1, round(EXAMPLES * share)),
        deadline=None,
        database=None,
        derandomize=not LONG,
        print_blob=True,
        # A defect that makes the server wait would take minutes to find the smallest example of.
        phases=[each for each in hypothesis.Phase if LONG or each is not hypothesis.Phase.shrink],
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
    )


def printed(lines: Iterable[str]) -> None:
    """Writes lines so that they stand apart from what pytest says."""
    sys.stdout.write("".join(f"\n· {line}" for line in lines))
    sys.stdout.flush()
