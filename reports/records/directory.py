"""What the directories of runs, experiments and comparisons share: their names, JSON files and reports."""

import fcntl
import glob
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from reports.records.schema import SCHEMA_VERSION, CalibrationJson, ExperimentJson, RunJson, fault_in

Record = TypeVar("Record", RunJson, ExperimentJson, CalibrationJson)


class RunDirectoryError(Exception):
    """A directory that cannot be created, read or written; the message says which, why, and what to do."""


@dataclass(frozen=True)
class ReportDirectory:
    """A directory with a report. Nothing is read or written until a method is called."""

    path: Path

    @property
    def report_json(self) -> Path:
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        return self.path / "report.html"

    def write_report(self, form: dict[str, Any], page: str, otherwise: str = "") -> None:
        """Replaces report.json and report.html. Raises RunDirectoryError where that is not possible.

        `otherwise` is added to what the message says to do then.
        """
        remove_drafts(self.path)
        try:
            write_atomically(self.report_json, json.dumps(form, indent=2) + "\n")
            write_atomically(self.report_html, page)
        except OSError as error:
            raise unwritable(self.path, error, otherwise) from error


@dataclass(frozen=True)
class RecordDirectory(ReportDirectory, Generic[Record]):
    """The directory of a run, an experiment or a calibration, described by a JSON file."""

    kind: ClassVar[str]
    """run, experiment or calibration."""
    shape: ClassVar[type[RunJson | ExperimentJson | CalibrationJson]]
    """Of the JSON file."""

    @classmethod
    def create(cls, results: Path, slug: str, at: float | None = None) -> Self:
        """Creates `results/YYYYMMDD-HHMMSS-<slug>`, with a number appended if that is taken.

        Raises RunDirectoryError where it cannot be created.
        """
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(at))
        name = f"{stamp}-{re.sub(r'[^a-z0-9]+', '-', slug.lower()).strip('-') or cls.kind}"
        path, number = results / name, 1
        try:
            results.mkdir(parents=True, exist_ok=True)
            while True:
                try:
                    path.mkdir()
                    return cls(path)
                except FileExistsError:
                    number += 1
                    path = results / f"{name}-{number}"
        except OSError as error:
            raise RunDirectoryError(
                f"the results folder {results} cannot be written ({error.strerror}): "
                "choose another with RESULTS=…"
            ) from error

    @property
    def json_path(self) -> Path:
        """run.json, experiment.json or calibration.json."""
        return self.path / f"{self.kind}.json"

    def write(self, record: Record) -> None:
        """Replaces the JSON file in one step, so that a reader never sees half of it.

        Raises RunDirectoryError where it cannot be written.
        """
        try:
            write_atomically(self.json_path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise unwritable(self.json_path, error) from error

    def read(self) -> Record:
        """Reads the JSON file. Raises RunDirectoryError where it is missing, broken or of a newer schema."""
        if not self.path.is_dir():
            raise RunDirectoryError(f"{self.path} is not a folder: give results/<{self.kind}_id>")
        try:
            value = json.loads(self.json_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunDirectoryError(f"{self.path} {self._what_is_missing()}") from None
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.json_path} cannot be read: {error}") from error
        version = value.get("schema_version") if isinstance(value, dict) else None
        if not isinstance(version, int) or value.get("kind") != self.kind:
            raise RunDirectoryError(
                f'{self.json_path} has no schema_version, or its kind is not "{self.kind}"'
            )
        if version > SCHEMA_VERSION:
            raise RunDirectoryError(
                f"{self.path} was written with schema {version}, this program reads up to {SCHEMA_VERSION}: "
                "update it"
            )
        if fault := fault_in(value, self.shape):
            raise RunDirectoryError(
                f"{self.json_path} is damaged ({fault}): restore it, or repeat the {self.kind}"
            )
        return cast(Record, value)

    def _what_is_missing(self) -> str:
        return f"holds no {self.json_path.name}: give results/<{self.kind}_id>"


def write_atomically(path: Path, text: str) -> None:
    """Writes `text` to `path` so that a reader sees the old file or the new one, never a part of it.

    Half a surrogate pair that a server sent, which no file can hold, becomes a question mark.
    """
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8", errors="replace")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Another path to write to: at the end it replaces `path`, after an error it is removed.

    A process that is killed meanwhile leaves it: the next one to replace `path` removes it.
    """
    remove_drafts(path.parent, of=path.name)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = _held(scratch)
    try:
        yield scratch
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def remove_drafts(folder: Path, of: str | None = None) -> None:
    """Removes what processes that were killed meant to replace a file by; `of` names the only such file."""
    for draft in folder.glob(f".{'*' if of is None else glob.escape(of)}.*"):
        if draft.suffix[1:].isdecimal() and draft.is_file():
            with suppress(OSError):
                descriptor = os.open(draft, os.O_RDONLY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    draft.unlink()
                finally:
                    os.close(descriptor)


def _held(scratch: Path) -> int:
    """The descriptor by which a new file is locked as long as this process lives, or until it is closed.

    A pid would not tell who is alive: processes in containers write to the same folders.
    """
    while True:
        descriptor = os.open(scratch, os.O_RDWR | os.O_CREAT, 0o666)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), scratch.stat()):
                return descriptor
        os.close(descriptor)


def unwritable(path: Path, error: OSError, otherwise: str = "") -> RunDirectoryError:
    """The error for a file or folder that cannot be written; `otherwise` is added to what to do."""
    return RunDirectoryError(
        f"{path} cannot be written ({error.strerror or error}): "
        f"check its permissions and the free disk space{otherwise}"
    )
