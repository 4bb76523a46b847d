"""Virtual environments for environment directories: made once for what a directory asks for, and kept."""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.deployments import Progress
from loadtests.deployments.environment import EnvironmentDirectory
from loadtests.deployments.processes import tail
from loadtests.errors import LoadTestError
from loadtests.places import state_folder

SERVED_WITH = ("gunicorn", "uvicorn[standard]", "uvicorn-worker")
"""What we serve every environment with."""

_OTHER_CONTENT = re.compile(r"DO NOT MATCH THE HASHES[^\n]*\n\s+(\S+)")
_STEP = re.compile(r"^(?:Collecting|Building wheel for) ([\w.-]+)", re.MULTILINE)


def python_for(environment: EnvironmentDirectory, progress: Progress, lock: Path | None = None) -> Path:
    """The Python of the virtual environment that has what the directory asks for, made where it is missing.

    `lock` is a file of versions and hashes of all that is installed then, instead of what the directory asks
    for. Raises LoadTestError with the end of pip's output where it cannot be made.
    """
    wanted = sorted({*environment.requirements(), *SERVED_WITH})
    pinned = lock.read_text() if lock else ""
    key = hashlib.sha256("\0".join([sys.version, *wanted, pinned]).encode()).hexdigest()[:12]
    folder = state_folder() / "environments" / f"{_plain(environment.name)}-{key}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists():
        return python
    with _alone(folder):
        if not ready.exists():
            progress(f"installing what {environment.name} asks for: takes a minute the first time")
            shutil.rmtree(folder, ignore_errors=True)
            options = ["--no-deps", "--require-hashes", "--requirement", str(lock)] if lock else wanted
            _install(folder, options, environment, progress)
            ready.touch()
    return python


def _install(folder: Path, options: list[str], environment: EnvironmentDirectory, progress: Progress) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    log = folder / "pip.log"
    python = str(folder / "bin" / "python")
    # Python compiles what it imports, a tenth of all.
    pip = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--progress-bar=off",
        "--no-compile",
    ]
    with log.open("w") as output:
        # Paths that it names are seen from the directory.
        process = subprocess.Popen(
            [*pip, *options], cwd=environment.path, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            shown = ""
            while True:
                try:
                    code = process.wait(0.5)
                    break
                except subprocess.TimeoutExpired:
                    steps = _STEP.findall(log.read_text(errors="replace"))
                    if steps and steps[-1] != shown:
                        shown = steps[-1]
                        progress(f"installing what {environment.name} asks for: {shown[:60]} ({len(steps)})")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code:
        changed = _OTHER_CONTENT.search(log.read_text(errors="replace"))
        if changed:
            raise LoadTestError(
                f"{changed[1]} does not have the content that {options[-1]} was made with, so nothing of it "
                "was installed. Is the file as it was committed? Then the package was changed where it comes "
                f"from; pip's output is in {log}"
            )
        raise LoadTestError(
            f"ENV={environment.path}: what it asks for cannot be installed; the end of {log}:\n{tail(log)}\n"
            "A Python that has it can be named with ENV_PYTHON=…"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits for others that make the same one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _plain(name: str) -> str:
    return re.sub(r"\W+", "-", name)[:40].strip("-") or "environment"
