"""The deployments of this checkout or user: one file each, written before any part of it starts."""

import json
import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from loadtests.deployments import Kind
from loadtests.errors import LoadTestError
from loadtests.places import state_folder

MARKER = "OPENENV_LOADTEST_DEPLOYMENT"
"""The environment variable that tells which deployment a process belongs to."""
CLOCK_TOLERANCE_S = 2.0

Purpose = Literal["run", "up"]
"""`run`: lasts as long as the command that started it. `up`: stays until it is taken down."""


@dataclass(frozen=True)
class Process:
    """A process, distinguished from a later one with the same pid."""

    pid: int
    created: float
    """When it was created, Unix seconds."""
    command: list[str]

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this pid now. Raises psutil.NoSuchProcess."""
        process = psutil.Process(pid)
        return cls(pid, process.create_time(), process.cmdline())

    def alive(self) -> bool:
        """Whether this same process is still running."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.created) <= CLOCK_TOLERANCE_S
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False


@dataclass
class Record:
    """What must be known about a deployment to take it down."""

    name: str
    kind: Kind
    purpose: Purpose
    owner: Process | None
    """The command that takes it down; None once it is left running, and where the record is unreadable."""
    left_running: bool = False
    started_at: float = field(default_factory=time.time)
    url: str | None = None
    ports: list[int] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    project: str | None = None
    """The compose project."""

    @property
    def abandoned(self) -> bool:
        """Whether nobody is left to take it down."""
        return not self.left_running and (self.owner is None or not self.owner.alive())


class Registry:
    """The records under one directory; beside each, a directory for the deployment's own files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def home(self, name: str) -> Path:
        """Where the deployment keeps its configuration and logs."""
        return self.directory / name

    def create(self, record: Record) -> None:
        """Writes a new record and makes the deployment's directory. Raises LoadTestError."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            draft = self._draft(record)
            try:
                # Fails if the name is taken, and nobody sees a file without content.
                (self.directory / f"{record.name}.json").hardlink_to(draft)
            finally:
                draft.unlink()
            self.home(record.name).mkdir(exist_ok=True)
        except FileExistsError:
            raise LoadTestError(f"a deployment named {record.name!r} exists already") from None
        except OSError as error:
            raise LoadTestError(
                f"cannot write {self.directory}: {error.strerror}; deployments are recorded there so that "
                "nothing is left behind"
            ) from error

    def update(self, record: Record) -> None:
        """Writes the record again, all or nothing."""
        self._draft(record).replace(self.directory / f"{record.name}.json")

    def _draft(self, record: Record) -> Path:
        draft = self.directory / f"{record.name}.{os.getpid()}.{threading.get_native_id()}.draft"
        draft.write_text(json.dumps(asdict(record), indent=2) + "\n")
        return draft

    def remove_drafts(self) -> None:
        """Removes records that were being written by processes which were killed then."""
        for draft in self.directory.glob("*.draft"):
            pid = draft.stem.rpartition(".")[2]
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                draft.unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    def leave_running(self, record: Record) -> None:
        """Records that the deployment is up and stays up when its owner ends."""
        record.owner = None
        record.left_running = True
        self.update(record)

    def remove(self, name: str, *, keep: str | None = None) -> None:
        """Forgets a deployment and deletes its files, except those that match the pattern `keep`."""
        home = self.home(name)
        kept = set(home.glob(keep)) if keep else set()
        if kept:
            for path in set(home.iterdir()) - kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        else:
            shutil.rmtree(home, ignore_errors=True)
        (self.directory / f"{name}.json").unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    def records(self) -> list[Record]:
        """All records, oldest first; for one that cannot be read, only what its name says."""
        found = [_read(path) for path in self.directory.glob("*.json")]
        return sorted((record for record in found if record), key=lambda record: record.started_at)

    def left_running(self) -> Record | None:
        """The deployment that was left running, if there is one."""
        return next((record for record in self.records() if record.left_running), None)


REGISTRY = Registry(state_folder())


def _read(path: Path) -> Record | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        values["owner"] = Process(**values["owner"]) if values["owner"] else None
        values["processes"] = [Process(**process) for process in values["processes"]]
        return Record(**values)
    except FileNotFoundError:
        # It has just been taken down.
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return Record(path.stem, "local", "run", owner=None, started_at=0.0)
