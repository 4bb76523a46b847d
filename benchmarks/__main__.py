"""Runs all benchmarks, or those that are named, and prints every figure beside its target and its peer.

`python -m benchmarks`, or `make bench`. Each benchmark is a command of its own as well, with options:
`python -m benchmarks.batches --help`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping

from benchmarks import (
    batches,
    first_report,
    generator_speed,
    recorder_cost,
    report_speed,
    scaling_out,
    server_cost,
)
from benchmarks.figures import Figure, conclude

BENCHMARKS: Mapping[str, Callable[[], list[Figure]]] = {
    each.__name__.rpartition(".")[2]: each.measure
    for each in (
        recorder_cost,
        report_speed,
        server_cost,
        generator_speed,
        batches,
        scaling_out,
        first_report,
    )
}


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns 0 where every target was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"BENCH={unknown[0]} is not known: give {', '.join(BENCHMARKS)}")
    figures: list[Figure] = []
    broken = []
    for name in names:
        print(f"· {name}", flush=True)
        try:
            figures += BENCHMARKS[name]()
        except (RuntimeError, OSError) as error:
            broken.append(f"{name}: {error}")
        except KeyboardInterrupt:
            broken.append(f"{name}: stopped by Ctrl-C")
            break
    missed = conclude(figures)
    for line in broken:
        print(f"\nfailed: {line}", file=sys.stderr)
    return 1 if broken else missed


if __name__ == "__main__":
    sys.exit(main())
