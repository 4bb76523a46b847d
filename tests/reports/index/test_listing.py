import io
from pathlib import Path

import pytest
from rich.console import Console

from reports.index.listing import print_index
from reports.index.report import report_index
from tests.reports.index.sample_results import SampleRun, write_run, write_series


def printed(results: Path, width: int) -> str:
    out = io.StringIO()
    print_index(
        report_index(results),
        Console(file=out, width=width, highlight=False, force_terminal=True, color_system=None),
    )
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_table_fits_the_terminal(tmp_path: Path, width: int) -> None:
    write_series(tmp_path, "shifted", 20, 1)
    write_run(tmp_path, SampleRun("20261125-002108-a-very-long-name-of-a-run" * 3, tags=("nightly",)))
    text = printed(tmp_path, width)
    assert max(map(len, text.splitlines())) <= width
    assert ("nightly" in text) == (width >= 120)
    assert "shifted-019" in text
    assert "Slower since shifted-012" in " ".join(text.split())


def test_what_was_not_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    assert printed(tmp_path, 80) == (
        "no results\nnot read: notes: holds no run, experiment, comparison or calibration\n"
    )


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    write_run(tmp_path, SampleRun("\x1b[31m[bold]red\n"))
    text = printed(tmp_path, 100)
    assert "[bold]red" in text
    assert "\x1b[31m" not in text
