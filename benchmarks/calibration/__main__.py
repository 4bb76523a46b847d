"""The command `python -m benchmarks.calibration`, which `make calibrate` runs."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.calibration.plan import cells_of
from loadtests.commands import CALIBRATE_SETTINGS
from loadtests.errors import LoadTestError
from loadtests.run.config import whole_seconds
from loadtests.settings import add_settings, whole
from loadtests.terminal import printable
from reports.records.directory import RunDirectoryError

BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Runs a calibration and returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration",
        description="Holds what the harness reports against a server whose reply times are known.",
        epilog="Exit codes: 0 within the bounds, 1 not, 2 bad input, 130 interrupted.",
    )
    add_settings(parser, CALIBRATE_SETTINGS)
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        users = [whole({"USERS": each}, "USERS", 1, 100_000) for each in options.USERS.split(",")]
        duration_s = whole_seconds(vars(options), "DURATION")
        from benchmarks.calibration.runner import calibrate  # it loads pandas

        code, _ = calibrate(cells_of(users), duration_s, Path(options.RESULTS), console)
    except (LoadTestError, RunDirectoryError) as error:
        Console(stderr=True, highlight=False).print(printable(f"error: {error}"), soft_wrap=True)
        return BAD_INPUT
    return code


if __name__ == "__main__":
    sys.exit(main())
