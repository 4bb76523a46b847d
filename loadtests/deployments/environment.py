"""The environment that a deployment serves: the Benchmark environment, a directory, or an image."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from loadtests.errors import LoadTestError
from loadtests.places import ENVIRONMENT
from reports.records.schema import EnvironmentJson

MANIFEST = "openenv.yaml"
DEFAULT_PORT = 8000

_DOCKERFILES = ("server/Dockerfile", "Dockerfile")
_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NOT_PART_OF_IT = re.compile(r"__pycache__|.*\.py[cod]|\.(?!dockerignore).*|.*\.egg-info|build|dist|uv\.lock")


@dataclass(frozen=True)
class Environment:
    """The Benchmark environment, unless it is given by a directory or an image."""

    directory: Path | None = None
    """An OpenEnv environment directory: openenv.yaml, pyproject.toml, server/app.py."""
    image: str | None = None
    """An image that serves OpenEnv."""
    image_port: int = DEFAULT_PORT
    """The port that the image serves on."""
    python: Path | None = None
    """A Python that has what the directory needs; None: a virtual environment is made for it."""

    @property
    def is_benchmark(self) -> bool:
        """Whether it is the Benchmark environment, whose observations say who answered."""
        return self.directory is None and self.image is None

    @cached_property
    def source(self) -> "EnvironmentDirectory":
        """The directory that it is made from. Raises LoadTestError where that is not one."""
        return EnvironmentDirectory.read(self.directory or ENVIRONMENT)

    @property
    def port(self) -> int:
        """The port that its containers serve on."""
        return self.source.port if self.image is None else self.image_port

    def described(self, image: str | None = None, digest: str | None = None) -> EnvironmentJson:
        """What run.json says of it: `image` and its `digest` where containers serve it."""
        described = EnvironmentJson(name=self.image or self.source.name)
        if self.image is None:
            described["content"] = self.source.content
            if self.directory is not None:
                described["directory"] = str(self.source.path)
            if self.source.version:
                described["version"] = self.source.version
        if image:
            described["image"] = image
        if digest:
            described["digest"] = digest
        return described


BENCHMARK = Environment()


@dataclass(frozen=True)
class EnvironmentDirectory:
    """What an OpenEnv environment directory says of itself."""

    path: Path
    name: str
    app: str
    """The ASGI application, as `module:attribute` seen from inside the directory."""
    port: int
    version: str | None
    project: Mapping[str, Any] = field(repr=False, compare=False)
    """What [project] of pyproject.toml says."""
    package: str | None
    """The name by which its own code may import it, besides by what lies in it."""
    dockerfile: Path | None = field(compare=False)

    @classmethod
    def read(cls, path: Path) -> "EnvironmentDirectory":
        """Reads openenv.yaml and pyproject.toml. Raises LoadTestError that says what is missing."""
        path = path.resolve()
        if not path.is_dir():
            raise LoadTestError(f"ENV={path}: there is no such directory")
        manifest = _manifest(path / MANIFEST)
        project = _project(path / "pyproject.toml")
        app = manifest.get("app")
        if not isinstance(app, str) or not _APP.fullmatch(app):
            raise LoadTestError(f"{path / MANIFEST}: app is {app!r}: write `app: server.app:app`")
        port = manifest.get("port", DEFAULT_PORT)
        if type(port) is not int or not 1 <= port <= 65535:
            raise LoadTestError(f"{path / MANIFEST}: port is {port!r}: write a number of 1 to 65535")
        about = project.get("project", {})
        version = manifest.get("version") or about.get("version")
        return cls(
            path=path,
            name=str(manifest.get("name") or path.name),
            app=app,
            port=port,
            version=None if version is None else str(version),
            project=about,
            package=_package(path, project),
            dockerfile=next((file for name in _DOCKERFILES if (file := path / name).is_file()), None),
        )

    @cached_property
    def content(self) -> str:
        """A hash of all that is in it, 16 hex digits."""
        return content_of(self.path)

    def requirements(self) -> tuple[str, ...]:
        """What it asks to be installed, as pip takes it. Raises LoadTestError where it does not say."""
        if isinstance(listed := self.project.get("dependencies"), list):
            return tuple(map(str, listed))
        for name in ("server/requirements.txt", "requirements.txt"):
            if (file := self.path / name).is_file():
                lines = (line.partition(" #")[0].strip() for line in file.read_text().splitlines())
                return tuple(line for line in lines if line and not line.startswith("#"))
        raise LoadTestError(
            f"ENV={self.path} does not say what it needs: list it in pyproject.toml ([project] dependencies) "
            "or in server/requirements.txt, or name a Python that has it with ENV_PYTHON=…"
        )


def content_of(directory: Path, *others: str) -> str:
    """A hash of the files of a directory that its image is made from, and of other inputs; 16 hex digits."""
    digest = hashlib.sha256("\0".join(others).encode())
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and not any(_NOT_PART_OF_IT.fullmatch(part) for part in relative.parts):
            digest.update(f"{relative}\0{path.stat().st_mode & 0o111:o}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _manifest(file: Path) -> Mapping[str, Any]:
    import yaml  # Locust's processes import this module, and read no manifest

    try:
        manifest = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LoadTestError(
            f"ENV={file.parent} is not an OpenEnv environment: it has no {MANIFEST}; "
            "`openenv init` writes a directory that has one"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LoadTestError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(manifest, dict):
        raise LoadTestError(f"{file} is not a mapping of names to values")
    return manifest


def _project(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LoadTestError(f"{file} cannot be read: {error}") from None


def _package(path: Path, project: Mapping[str, Any]) -> str | None:
    """The package that the directory itself is, as OpenEnv's template maps it, else by its own name."""
    folders = project.get("tool", {}).get("setuptools", {}).get("package-dir", {})
    mapped = [name for name, folder in folders.items() if folder == "."]
    name = mapped[0] if mapped else path.name
    return name if name.isidentifier() else None
