"""The files that a command writes for other programs, where its caller wants them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reports.outputs.junit import Suite, to_xml
from reports.records.directory import RunDirectoryError, unwritable, write_atomically

_ELSEWHERE = ", or name a file elsewhere"


@dataclass(frozen=True)
class OutputFiles:
    """Where the results of a command go besides its report; None: not wanted."""

    junit: Path | None = None
    summary: Path | None = None

    @classmethod
    def named(cls, junit: str | None, summary: str | None) -> "OutputFiles":
        """The files by their names, empty for those that are not wanted."""
        return cls(Path(junit) if junit else None, Path(summary) if summary else None)

    def prepare(self) -> None:
        """Removes what an earlier command left there, which nobody should take for the results of this one.

        Raises RunDirectoryError where the files could not be written, which is better known before a load
        than after it.
        """
        for path in filter(None, (self.junit, self.summary)):
            try:
                _prepare(path)
            except OSError as error:
                raise unwritable(path, error, _ELSEWHERE) from error

    def write(self, suite: Callable[[], Suite], summary: Callable[[], str]) -> None:
        """Writes what is wanted. Raises RunDirectoryError where that is not possible."""
        if self.junit:
            _write(self.junit, to_xml(suite()))
        if self.summary:
            _write(self.summary, summary())


NO_FILES = OutputFiles()


def _prepare(path: Path) -> None:
    if path.is_dir():
        raise RunDirectoryError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise RunDirectoryError(
            f"{path} cannot be written: {path.parent} is not a folder; make it{_ELSEWHERE}"
        )
    if _is_plain(path):
        probe = path.with_name(f".{path.name}.probe")
        probe.touch()
        probe.unlink()
        path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    try:
        if _is_plain(path):
            write_atomically(path, text)
        else:
            path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise unwritable(path, error, _ELSEWHERE) from error


def _is_plain(path: Path) -> bool:
    """Whether the file may be replaced by another: not a link, a pipe or a device such as /dev/stdout."""
    return not path.is_symlink() and (path.is_file() or not path.exists())
