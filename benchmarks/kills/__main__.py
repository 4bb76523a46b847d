"""Kills processes of load tests with SIGKILL at random moments; exits with 1 where a promise is broken.

`python -m benchmarks.kills`, or `make kills`: fifty runs, one kill each, of every kind of process in turn. At
most the last second of rows may be lost, the report reads what is there and does not say that a run which was
cut has passed, and after the next command nothing is left.
"""

import argparse
import itertools
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.kills.checkout import Checkout
from benchmarks.kills.killed_run import killed
from benchmarks.kills.kinds import CONTAINER, KINDS, Kind
from benchmarks.kills.outcome import Kill, Outcome
from benchmarks.kills.traces import end_all
from loadtests.deployments.docker_engine import unavailable
from loadtests.terminal import tell

_WIDTH = 110
"""Of a table that is not for a terminal."""
_THEN_RUN = 0.2
"""How often the next command is another run."""


def planned(number: int, seed: int, kinds: Sequence[Kind] = KINDS) -> list[Kill]:
    """So many kills, of each kind as many as of the others or one more, the same for the same seed."""
    chance = random.Random(seed)
    return [
        Kill(place, kind, chance.random(), chance.randrange(1 << 16), chance.random() < _THEN_RUN)
        for place, kind in enumerate(itertools.islice(_in_turn(kinds, chance), number), 1)
    ]


def _in_turn(kinds: Sequence[Kind], chance: random.Random) -> Iterator[Kind]:
    while True:
        yield from chance.sample(kinds, len(kinds))


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """A line for each kind of process."""
    table = Table(box=box.SIMPLE)
    for title in (
        "process",
        "kills",
        "rows lost",
        "seconds lost",
        "report reads",
        "left behind",
        "told true",
    ):
        table.add_column(title, no_wrap=True)
    for kind in KINDS:
        ours = [each for each in outcomes if each.kill.kind.name == kind.name]
        if not ours:
            continue
        rows = [each.rows_lost for each in ours if each.rows_lost is not None]
        readable = [each for each in ours if each.reads is not None]
        table.add_row(
            kind.name,
            str(len(ours)),
            str(max(rows)) if rows else "–",
            f"{max(each.seconds_lost for each in ours):.2f}",
            f"{sum(each.reads is True for each in readable)} of {len(readable)}",
            str(sum(len(each.left) for each in ours) or "nothing"),
            f"{sum(not each.untrue for each in ours)} of {len(ours)}",
        )
    return table


def conclude(outcomes: Sequence[Outcome], planned_kills: int, console: Console) -> int:
    """Prints the table and each broken promise; returns 1 where there is one or where kills are missing."""
    console.print(table_of(outcomes))
    tell(
        console,
        "rows lost, seconds lost: the most of any run. Rows of a killed generator are counted by its rate.",
    )
    broken = [each for each in outcomes if each.broken]
    for each in broken:
        tell(console, f"kill {each.kill.number}, {each.kill.kind.name}: {'; '.join(each.broken)}", "red")
    kept = len(outcomes) - len(broken)
    tell(console, f"{kept} of {len(outcomes)} kills kept every promise")
    if missing := planned_kills - len(outcomes):
        tell(console, f"{missing} kills were not tried", "red")
    return 1 if broken or missing else 0


def main(arguments: list[str] | None = None) -> int:
    """Kills, and prints what that did."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kills", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=_number, default=50, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of the moments and choices (default: drawn, and told)")
    parser.add_argument(
        "--kind", action="append", choices=[each.name for each in KINDS], help="only these; may be repeated"
    )
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    kinds = [each for each in KINDS if options.kind is None or each.name in options.kind]
    if CONTAINER in kinds and (reason := unavailable()):
        tell(console, f"containers are left out: {reason}")
        kinds.remove(CONTAINER)
    if not kinds:
        parser.error("nothing is left to kill")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    tell(console, f"the seed is {seed}")
    plan = planned(options.kills, seed, kinds)
    scratch = Path(tempfile.mkdtemp(prefix="openenv-loadtest-kills-"))
    checkout = Checkout(scratch)
    outcomes: list[Outcome] = []
    try:
        checkout.make()
        _kill_all(plan, checkout, outcomes, console)
    except KeyboardInterrupt:
        tell(console, "stopped by Ctrl-C: this is what was seen so far")
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        tell(console, f"the series broke off: {error}", "red")
    finally:
        end_all(checkout)
    code = conclude(outcomes, len(plan), console)
    if code:
        tell(console, f"the runs are kept in {scratch}")
    else:
        shutil.rmtree(scratch, ignore_errors=True)
    return code


def _kill_all(plan: Sequence[Kill], checkout: Checkout, outcomes: list[Outcome], console: Console) -> None:
    """Adds the outcome of each kill as soon as it is known."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("kills", total=len(plan))
        for kill in plan:
            progress.update(task, description=kill.kind.name)
            outcome = killed(kill, checkout)
            outcomes.append(outcome)
            tell(progress.console, line_of(outcome))
            progress.advance(task)


def line_of(outcome: Outcome) -> str:
    """An outcome in a line."""
    rows = "nothing recorded yet" if outcome.rows_lost is None else f"{outcome.rows_lost} rows lost"
    verdict = "; ".join(outcome.broken) or "every promise kept"
    return f"kill {outcome.kill.number}, {outcome.kill.kind.name}: {rows}, {verdict}"


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"KILLS={text} is not allowed: give 1 to 10000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
