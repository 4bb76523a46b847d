"""Where the project's files lie, in a checkout and in an installed package."""

import importlib.metadata
import os
import tomllib
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[1]
"""The folder that our packages are imported from: the root of a checkout, or `site-packages`."""
ENVIRONMENT = PACKAGES / "benchmark_env"
"""The Benchmark environment, which its image is built from."""

_PACKAGED_COMPOSE = PACKAGES / "loadtests" / "compose"


def is_installed() -> bool:
    """Whether this is an installed package, not a checkout."""
    return _PACKAGED_COMPOSE.is_dir()


def compose_folder() -> Path:
    """Where the compose file and nginx's template are."""
    return _PACKAGED_COMPOSE if is_installed() else PACKAGES / "compose"


def state_folder() -> Path:
    """Where deployments are noted: beside a checkout, or in the user's folder for such things (XDG)."""
    if not is_installed():
        return PACKAGES / ".deployments"
    named = Path(os.environ.get("XDG_STATE_HOME") or "")
    base = named if named.is_absolute() else Path.home() / ".local" / "state"
    return base / "openenv-loadtest"


def version() -> str:
    """The project's version; in a checkout as pyproject.toml has it now."""
    if is_installed():
        return importlib.metadata.version("openenv-loadtest")
    project = tomllib.loads((PACKAGES / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
