"""The command `python -m reports`."""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reports.page.words import printable
from reports.records.directory import ReportDirectory
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.write import write_comparison, write_experiment_report, write_report

PASSED, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "compare":
            return _compare(options.a, options.b, options.output, options.fail_on_regression)
        if options.command == "experiment" or ExperimentDirectory(options.path).exists():
            return _report_experiment(options.path)
        return _report_run(options.path)
    except RunDirectoryError as error:
        sys.stderr.write(f"error: {printable(str(error), 1000)}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reports", description="Turns the records of load tests into reports."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for kind, whose, outcome in (
        ("run", "a run, or of an experiment", "0 if the run met its objective, 1 if it did not"),
        ("experiment", "an experiment", "0 if the experiment was completed, 1 if it failed"),
    ):
        command = commands.add_parser(
            kind,
            help=f"report one {kind}",
            description=f"Writes report.html and report.json into the directory of {whose}, even if it was "
            "cut short.",
            epilog=f"Exit code: {outcome} or was cut short, 2 for bad input, 130 after Ctrl-C.",
        )
        command.add_argument(
            "path", type=Path, metavar=f"{kind.upper()}_DIR", help=f"its directory, results/<{kind}_id>"
        )
    compare = commands.add_parser(
        "compare",
        help="compare two runs or two experiments",
        description="Compares B with A, its baseline: two run directories, or two experiment directories "
        "whose cells are matched. Writes report.html and report.json.",
        epilog="A regression is a figure that is shown to be worse by more than PERCENT: per cent of "
        "throughput or of a latency percentile, percentage points of the success rate. If nothing was "
        "repeated, it is unknown how far two runs of the same deployment differ. Then a figure counts only "
        "if even the near end of its interval is beyond PERCENT, so choose PERCENT above the differences "
        "between runs on your machine, or repeat the runs. A cell or run of A that failed, is missing or is "
        "not valid in B is a regression too. "
        "Exit code: 0; 1 if --fail-on-regression finds one; 2 for bad input; 130 after Ctrl-C.",
    )
    compare.add_argument("a", type=Path, metavar="A", help="the baseline, results/<id>")
    compare.add_argument("b", type=Path, metavar="B", help="what is compared with it, results/<id>")
    compare.add_argument(
        "--fail-on-regression",
        type=_percent,
        metavar="PERCENT",
        help="exit with 1 if B is shown to be worse by more than this, or lacks what A has",
    )
    compare.add_argument(
        "--output", type=Path, metavar="DIR", help="where the report goes (default: B/compare-A)"
    )
    return parser


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = math.nan
    if not 0 <= percent < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r:.60} is not a percentage: give a number of at least 0, such as 5"
        )
    return percent


def _report_run(path: Path) -> int:
    # Imported here because it loads pandas, which --help should not wait for; so below.
    from reports.run.verdict import passed, verdict_lines

    directory = RunDirectory(path)
    report = write_report(directory)
    _print(verdict_lines(report), directory)
    return PASSED if passed(report) else FAILED


def _report_experiment(path: Path) -> int:
    from reports.experiment.verdict import verdict_lines

    directory = ExperimentDirectory(path)
    report = write_experiment_report(directory)
    _print(verdict_lines(report), directory)
    return PASSED if report.complete else FAILED


def _compare(a: Path, b: Path, output: Path | None, most_percent: float | None) -> int:
    from reports.comparison.regressions import regressions
    from reports.comparison.verdict import verdict_lines

    comparison, directory = write_comparison(a, b, output, _runs_read())
    found = [] if most_percent is None else regressions(comparison, most_percent)
    _print(verdict_lines(comparison, found), directory)
    return FAILED if found else PASSED


def _print(lines: list[str], directory: ReportDirectory) -> None:
    sys.stdout.write("\n".join([*lines, f"report: {directory.report_html}"]) + "\n")


def _runs_read() -> Callable[[int, int], None]:
    """Prints every two seconds how many runs of a comparison have been read."""
    told = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal told
        if time.monotonic() - told >= 2:
            told = time.monotonic()
            sys.stderr.write(f"· read {done} of {of} runs\n")

    return tell


if __name__ == "__main__":
    sys.exit(main())
