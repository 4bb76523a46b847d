"""The command `python -m reports`."""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from reports.outputs.files import OutputFiles
from reports.page.words import count, printable, seconds
from reports.records.directory import RunDirectoryError

OUTPUTS = {
    "junit": "write the verdict as JUnit XML too, which CI systems show as tests",
    "summary": "write a summary in Markdown too, for example for the page of a CI job",
}
"""Options for files that other programs read."""

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
    _add_outputs(experiment)
    experiment.set_defaults(command=_report_experiment)
    become_compare(commands.add_parser("compare", help="compare two runs or two experiments"))
    become_results(commands.add_parser("results", help="list all runs, with their trends"))
    become_csv(commands.add_parser("csv", help="write the tables of a run as CSV"))
    become_trace(commands.add_parser("trace", help="make a trace of a run's steps, which can be replayed"))
    return parser


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds the options for files that other programs read."""
    for option, what in OUTPUTS.items():
        parser.add_argument(f"--{option}", metavar="FILE", help=what)


def become_report(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of the command which reports a run."""
    parser.description = (
        "Writes report.html and report.json into the directory of a run, finished or cut short; "
        "into that of an experiment or a calibration likewise."
    )
    parser.epilog = (
        "Exit code: 0 where the run met its objective, 1 where it did not or was cut short, "
        "2 for bad input, 130 after Ctrl-C."
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's directory, results/<run_id>")
    parser.add_argument("--index", action="store_true", help=argparse.SUPPRESS)
    _add_outputs(parser)
    parser.set_defaults(command=_report)


def become_csv(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of the command which writes a run's tables as CSV."""
    parser.description = (
        "Writes steps.csv and resources.csv into the directory of a run, finished or cut short: the rows of "
        "its Parquet files, for programs that read nothing else."
    )
    parser.epilog = "Exit code: 0; 2 for bad input; 130 after Ctrl-C."
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's directory, results/<run_id>")
    parser.set_defaults(command=_csv)


def become_trace(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of the command which makes a trace of a run."""
    parser.description = (
        "Writes the steps of a run, finished or cut short, as a trace: one JSON object a line, with the time "
        "when it was sent, or was to be sent, its session, and its wait or action. A load test replays it."
    )
    parser.epilog = "Exit code: 0; 2 for bad input; 130 after Ctrl-C."
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's directory, results/<run_id>")
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="where it goes (default: RUN_DIR/trace.jsonl)"
    )
    parser.set_defaults(command=_trace)


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
    _add_outputs(parser)
    parser.set_defaults(command=_compare)


def become_results(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of the command which lists what a results folder holds."""
    parser.description = (
        "Lists all runs, experiments and comparisons in a results folder, newest first, and where the "
        "figures of runs of one configuration shifted. Writes index.html there, which shows more."
    )
    parser.epilog = "Exit code: 0; 2 for bad input, such as a folder that is not there; 130 after Ctrl-C."
    parser.add_argument(
        "results",
        type=Path,
        nargs="?",
        default=Path(os.environ.get("RESULTS") or "results"),
        metavar="DIR",
        help="the results folder (default: results)",
    )
    parser.add_argument(
        "--tag",
        metavar="TAG",
        default="",
        help="only what has this tag; of several, with commas between them, all",
    )
    parser.add_argument("--last", type=_at_least_one, metavar="N", help="only the last N")
    parser.add_argument("--json", action="store_true", help="print JSON, and write no page")
    parser.set_defaults(command=_results)


def _at_least_one(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r:.60} is not a number of at least 1")
    return number


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
    # Here, because these load pyarrow, pandas and matplotlib, which --help should not wait for.
    from reports.records.calibration_directory import CalibrationDirectory
    from reports.records.experiment_directory import ExperimentDirectory
    from reports.records.run_directory import RunDirectory

    if ExperimentDirectory(options.run).exists():
        return _report_experiment(options)
    if CalibrationDirectory(options.run).exists():
        return _report_calibration(options)
    from reports.run.verdict import verdict_lines
    from reports.write import write_report, write_run_outputs

    files = _output_files(options)
    directory = RunDirectory(options.run)
    if directory.read()["status"] != "running":
        directory.compact()
    report = write_report(directory)
    sys.stdout.write("\n".join([*verdict_lines(report), f"report: {directory.report_html}"]) + "\n")
    _refresh_index(directory.path, always=options.index)
    write_run_outputs(files, report, directory)
    return PASSED if report.passed else FAILED


def _output_files(options: argparse.Namespace) -> OutputFiles:
    """The files that were asked for. Raises RunDirectoryError where they could not be written."""
    files = OutputFiles.named(options.junit, options.summary)
    files.prepare()
    return files


def _csv(options: argparse.Namespace) -> int:
    from reports.outputs.csv_files import write_csv

    for path, rows in write_csv(options.run):
        sys.stdout.write(f"{path}: {count(rows, 'row')}\n")
    return PASSED


def _trace(options: argparse.Namespace) -> int:
    from reports.outputs.trace import write_trace

    made = write_trace(options.run, options.file)
    what = f"{count(made.steps, 'step')} of {count(made.sessions, 'session')} over {seconds(made.length_s)}"
    sys.stdout.write(f"{made.path}: {what}\nreplay it: {made.command}\n")
    return PASSED


def _report_experiment(options: argparse.Namespace) -> int:
    from reports.experiment.verdict import verdict_lines
    from reports.records.experiment_directory import ExperimentDirectory
    from reports.write import write_experiment_outputs, write_experiment_report

    files = _output_files(options)
    directory = ExperimentDirectory(options.run)
    report = write_experiment_report(directory)
    sys.stdout.write("\n".join([*verdict_lines(report), f"report: {directory.report_html}"]) + "\n")
    _refresh_index(directory.path)
    write_experiment_outputs(files, report, directory)
    return PASSED if report.complete else FAILED


def _report_calibration(options: argparse.Namespace) -> int:
    from reports.calibration.verdict import verdict_lines
    from reports.records.calibration_directory import CalibrationDirectory
    from reports.write import write_calibration_report

    if options.junit or options.summary:
        raise RunDirectoryError(f"{options.run} is a calibration, which has no JUnit file and no summary")
    directory = CalibrationDirectory(options.run)
    report = write_calibration_report(directory)
    sys.stdout.write("\n".join([*verdict_lines(report), f"report: {directory.report_html}"]) + "\n")
    _refresh_index(directory.path)
    return PASSED if report.verdict == "within" else FAILED


def _compare(options: argparse.Namespace) -> int:
    from reports.comparison.regressions import found_regressions
    from reports.comparison.verdict import verdict_lines
    from reports.write import write_comparison, write_comparison_outputs

    files = _output_files(options)

    comparison, directory = write_comparison(
        options.a, options.b, options.output, _runs_read(time.monotonic())
    )
    most_percent = options.fail_on_regression
    found = None if most_percent is None else found_regressions(comparison, most_percent)
    sentences = [each.sentence for each in found or ()]
    lines = [*verdict_lines(comparison, sentences), f"report: {directory.report_html}"]
    sys.stdout.write("\n".join(lines) + "\n")
    _refresh_index(directory.path if options.output else options.b)
    write_comparison_outputs(files, comparison, found, directory)
    return FAILED if found else PASSED


def _results(options: argparse.Namespace) -> int:
    from reports.index.listing import print_index
    from reports.index.report import report_index, to_json
    from reports.write import write_index

    every = report_index(options.results)
    tags = [tag for each in options.tag.split(",") if (tag := each.strip())]
    index = report_index(options.results, tags) if tags else every
    if options.last:
        index = index.last(options.last)
    if options.json:
        sys.stdout.write(json.dumps(to_json(index), indent=2) + "\n")
        return PASSED
    print_index(index)
    try:
        sys.stdout.write(f"page: {write_index(every)}\n")
    except RunDirectoryError as error:
        sys.stderr.write(f"note: {printable(str(error), 1000)}\n")
    return PASSED


def _refresh_index(entry: Path, *, always: bool = False) -> None:
    """Writes the index of the folder in which an entry lies again; where there is none, only if `always`."""
    from reports.write import is_index, refresh_index

    results = Path(os.path.abspath(entry)).parent  # noqa: PTH100 - of a link, where people put it
    page = results / "index.html"
    try:
        wanted = always or (page.is_file() and is_index(page))
    except OSError:
        wanted = False
    if wanted and (problem := refresh_index(results)):
        sys.stderr.write(f"note: {printable(problem, 1000)}\n")


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
