"""A copy of the project whose deployments are no other command's business, and the commands run in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.places import PACKAGES

TOKEN = "OPENENV_LOADTEST_KILLS"
"""The environment variable that all processes of a copy have."""
COPIED = ("benchmark_env", "loadtests", "reports", "compose", "pyproject.toml")
_END_S = 180.0


@dataclass(frozen=True)
class Checkout:
    """A copy of the project below a scratch folder."""

    scratch: Path

    @property
    def path(self) -> Path:
        return self.scratch / "checkout"

    @property
    def temporary(self) -> Path:
        """Where its commands put temporary files."""
        return self.scratch / "tmp"

    def make(self) -> None:
        """Copies the project."""
        self.temporary.mkdir(parents=True)
        self.path.mkdir()
        for name in COPIED:
            source = PACKAGES / name
            if source.is_dir():
                shutil.copytree(source, self.path / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, self.path)

    @property
    def environ(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return {**plain, TOKEN: str(self.scratch), "TMPDIR": str(self.temporary)}

    def start(self, *arguments: str, output: Path) -> "subprocess.Popen[bytes]":
        """Starts `python -m …`; what it prints goes to a file."""
        with output.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.path,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Runs `python -m …` to its end; its exit code and what it printed."""
        output = self.scratch / "output.txt"
        code = self.start(*arguments, output=output).wait(_END_S)
        return code, output.read_text(errors="replace")

    def deployments(self) -> Iterator[Mapping[str, Any]]:
        """The records of its deployments."""
        for path in (self.path / ".deployments").glob("*.json"):
            with suppress(OSError, ValueError):
                yield json.loads(path.read_text())
