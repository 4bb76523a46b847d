"""Where an entry's report is, and the command that compares two."""

import os
import re
import shlex
from pathlib import Path
from urllib.parse import quote

from reports.index.entries import Entry

_SAFE_FOR_MAKE = re.compile(r"[\w./-]+", re.ASCII)


def page_of(entry: Entry) -> str | None:
    """The address of an entry's report, relative to the index; None where it has none."""
    if not entry.has_page:
        return None
    return "/".join(quote(os.fsencode(part), safe="") for part in [*entry.path.split("/"), "report.html"])


def argument_of(entry: Entry, results: Path) -> str | None:
    """How the entry is named on a command line; None where nothing can compare it."""
    return (
        None
        if entry.kind in ("comparison", "calibration")
        else shlex.quote(str(_shortest(results) / entry.path))
    )


def by_make(argument: str) -> bool:
    """Whether people compare with `make compare`: in a checkout, with a name that make takes as it is."""
    in_checkout = (Path(__file__).resolve().parents[2] / "Makefile").is_file()
    return in_checkout and _SAFE_FOR_MAKE.fullmatch(argument) is not None


def _shortest(results: Path) -> Path:
    """The folder from where the command runs, if it lies below; else its whole path."""
    whole = Path(os.path.abspath(results))  # noqa: PTH100 - of a link, where people put it
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
