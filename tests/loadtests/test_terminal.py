import io
from pathlib import Path

from rich.console import Console

from loadtests.run.finish import print_outcome
from loadtests.terminal import latency, printable, progress
from reports.records.run_directory import RunDirectory
from reports.run.verdict import verdict_lines
from tests.reports import sample_reports


def console() -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, width=40), output


def test_progress_is_a_line_without_markup_or_control_characters() -> None:
    where, output = console()
    progress(where)("building [bold]x[/bold] \x1b[31m" + "long " * 20)
    assert output.getvalue() == "· building [bold]x[/bold] �[31m" + ("long " * 20) + "\n"


def test_control_characters_are_replaced() -> None:
    assert printable("a\x1b[31m\r\nb").plain == "a�[31m��b"


def test_a_latency_has_a_unit_or_is_a_dash() -> None:
    assert [latency(value) for value in (None, 0.00012, 0.0123, 0.456, 12.34)] == [
        "–",
        "0.12 ms",
        "12.3 ms",
        "456 ms",
        "12.3 s",
    ]


def test_the_verdict_names_the_report() -> None:
    where, output = console()
    print_outcome(verdict_lines(sample_reports.normal()), RunDirectory(Path("results/one")), where)
    first, *_, last = output.getvalue().splitlines()
    assert first.startswith("PASSED: ")
    assert last == "report: results/one/report.html"
