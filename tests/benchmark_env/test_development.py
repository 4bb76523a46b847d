"""The server without gunicorn, as one runs it while developing."""

import re
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from .conftest import ROOT, Server, eventually, step

pytestmark = pytest.mark.servers


def test_with_reload_it_serves_changed_code(serve: Callable[..., Server], tmp_path: Path) -> None:
    copy = tmp_path / "anything"
    shutil.copytree(ROOT / "benchmark_env", copy, ignore=shutil.ignore_patterns("__pycache__"))
    server = serve("--reload", "--port", "{port}", command=(sys.executable, "-m", "server.app"), cwd=copy)
    with server.connect() as session:
        assert step(session)["host_url"] == server.url

    environment = copy / "server" / "benchmark_environment.py"
    assert eventually(lambda: watches(server.process.pid, environment.parent))
    environment.write_text(re.sub(r'version="[^"]+"', 'version="9.9.9"', environment.read_text()))

    def is_reloaded() -> bool:
        try:
            return bool(server.get("/metadata").json()["version"] == "9.9.9")
        except httpx.TransportError:
            return False

    assert eventually(is_reloaded, seconds=120)


def watches(pid: int, folder: Path) -> bool:
    """Whether the process is told by the kernel of changes in the folder."""
    inode = f" ino:{folder.stat().st_ino:x} "
    with suppress(OSError):
        return any(inode in each.read_text() for each in Path(f"/proc/{pid}/fdinfo").iterdir())
    return False


@pytest.mark.parametrize(
    ("how", "directory"),
    [
        (("-m", "benchmark_env.server.app"), ROOT),
        (("server/app.py",), ROOT / "benchmark_env"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_module_serves_by_itself(
    serve: Callable[..., Server], how: tuple[str, ...], directory: Path
) -> None:
    server = serve("--port", "{port}", command=(sys.executable, *how), cwd=directory)
    with server.connect() as session:
        assert step(session)["host_url"] == server.url
