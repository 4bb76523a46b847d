"""Folders for what a process needs while it runs; the next command removes those of one that was killed."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

_PREFIX = "openenv-loadtest-"


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """A new folder of this process."""
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")


def remove_abandoned_folders() -> None:
    """Removes those whose process is no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}[0-9]*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        # Others may have written what looks like one, in a folder that all users share.
        if pid.isdecimal() and not psutil.pid_exists(int(pid)) and folder.lstat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
