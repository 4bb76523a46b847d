"""The command `python -m reports`."""

import argparse
import sys
from pathlib import Path

from reports.run_directory import RunDirectory, RunDirectoryError
from reports.words import printable

PASSED, FAILED, BAD_INPUT = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _report_run(options.run)
    except RunDirectoryError as error:
        sys.stderr.write(f"error: {printable(str(error), 1000)}\n")
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reports", description="Turns the records of load tests into reports."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="report one run",
        description="Writes report.html and report.json into the directory of a run, finished or cut short.",
        epilog="Exit code: 0 where the run met its objective, 1 where it did not or was cut short, "
        "2 for bad input.",
    )
    run.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's directory, results/<run_id>")
    return parser


def _report_run(path: Path) -> int:
    # Here, because they load pandas and matplotlib, which --help should not wait for.
    from reports.verdict import passed, verdict_lines
    from reports.write import write_report

    directory = RunDirectory(path)
    report = write_report(directory)
    sys.stdout.write("\n".join([*verdict_lines(report), f"report: {directory.report_html}"]) + "\n")
    return PASSED if passed(report) else FAILED


if __name__ == "__main__":
    sys.exit(main())
