"""The command `python -m reports`."""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reports.page.words import printable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError

PASSED, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except RunDirectoryError as error:
        sys.stderr.write(f"error: {printable(str(error), 1000)}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reports", description="Turns the records of load tests into reports."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    become_report(commands.add_parser("run", help="report one run"))
    experiment = commands.add_parser(
        "experiment",
        help="report one experiment",
        description="Writes report.html and report.json into the directory of an experiment, finished or cut "
        "short.",
        epilog="Exit code: 0 where the experiment went to its end, 1 where it was cut short, "
        "2 for bad input, 130 after Ctrl-C.",
    )
    experiment.add_argument(
        "run", type=Path, metavar="EXPERIMENT_DIR", help="the experiment's directory, results/<experiment_id>"
    )
    experiment.set_defaults(command=_report_experiment)
    become_compare(commands.add_parser("compare", help="compare two runs or two experiments"))
    return parser


def become_report(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of the command which reports a run."""
    parser.description = (
        "Writes report.html and report.json into the directory of a run, finished or cut short; "
        "into that of an experiment likewise."
    )
    parser.epilog = (
        "Exit code: 0 where the run met its objective, 1 where it did not or was cut short, "
        "2 for bad input, 130 after Ctrl-C."
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's directory, results/<run_id>")
    parser.set_defaults(command=_report)


def become_compare(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of the command which compares two runs or experiments."""
    parser.description = (
        "Compares B with A, its baseline: two run directories, or two experiment directories "
        "whose cells are matched. Writes report.html and report.json."
    )
    parser.epilog = (
        "A regression is a figure that is shown to be worse, and by more than PERCENT: per cent of "
        "throughput or of a latency percentile, percentage points of the success rate. Where nothing was "
        "repeated, nothing tells how far two runs of the same deployment differ: a figure counts then only "
        "where the near end of its interval lies beyond PERCENT, so choose PERCENT above what runs differ "
        "by on your machine, or repeat. A cell or run that A has, and that failed, is missing or is not "
        "valid in B, is a regression too. "
        "Exit code: 0; 1 where --fail-on-regression is given and finds one; 2 for bad input; "
        "130 after Ctrl-C."
    )
    parser.add_argument("a", type=Path, metavar="A", help="the baseline, results/<id>")
    parser.add_argument("b", type=Path, metavar="B", help="what is held against it, results/<id>")
    parser.add_argument(
        "--fail-on-regression",
        type=_percent,
        metavar="PERCENT",
        help="exit with 1 where B is shown to be worse by more than this, or lacks what A has",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the report goes (default: B/compare-A)"
    )
    parser.set_defaults(command=_compare)


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


def _report(options: argparse.Namespace) -> int:
    if ExperimentDirectory(options.run).exists():
        return _report_experiment(options)
    # Here, because they load pandas and matplotlib, which --help should not wait for.
    from reports.run.verdict import verdict_lines
    from reports.write import write_report

    directory = RunDirectory(options.run)
    if directory.read()["status"] != "running":
        directory.compact()
    report = write_report(directory)
    sys.stdout.write("\n".join([*verdict_lines(report), f"report: {directory.report_html}"]) + "\n")
    return PASSED if report.passed else FAILED


def _report_experiment(options: argparse.Namespace) -> int:
    from reports.experiment.verdict import verdict_lines
    from reports.write import write_experiment_report

    directory = ExperimentDirectory(options.run)
    report = write_experiment_report(directory)
    sys.stdout.write("\n".join([*verdict_lines(report), f"report: {directory.report_html}"]) + "\n")
    return PASSED if report.complete else FAILED


def _compare(options: argparse.Namespace) -> int:
    from reports.comparison.regressions import regressions
    from reports.comparison.verdict import verdict_lines
    from reports.write import write_comparison

    comparison, directory = write_comparison(
        options.a, options.b, options.output, _runs_read(time.monotonic())
    )
    most_percent = options.fail_on_regression
    found = [] if most_percent is None else regressions(comparison, most_percent)
    lines = [*verdict_lines(comparison, found), f"report: {directory.report_html}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return FAILED if found else PASSED


def _runs_read(begun: float) -> Callable[[int, int], None]:
    """Prints every two seconds how many runs of a comparison have been read."""
    told = begun

    def tell(done: int, of: int) -> None:
        nonlocal told
        if time.monotonic() - told >= 2:
            told = time.monotonic()
            sys.stderr.write(f"· read {done} of {of} runs\n")

    return tell


if __name__ == "__main__":
    sys.exit(main())
