"""What the generator processes write about their event loops, read by the harness.

Apart from what writes it, in loadtests.load.loop_lag: to import Locust would change this process's threads.
"""

import time
from pathlib import Path

_STALE_SECONDS = 5.0


def read_lags(folder: Path) -> dict[str, float]:
    """The lateness, in seconds, of the event loop of each process that wrote it a moment ago."""
    lags = {}
    for path in sorted(folder.glob("[!.]*")):
        try:
            if time.time() - path.stat().st_mtime < _STALE_SECONDS:
                lags[path.name] = float(path.read_text())
        except (OSError, ValueError):  # replaced or removed meanwhile
            continue
    return lags
