"""gunicorn's configuration: every value comes from the environment variables that `settings.py` lists.

From the directory above `benchmark_env`::

    gunicorn -c benchmark_env/server/gunicorn.conf.py benchmark_env.server.app:app

and from inside it::

    gunicorn -c server/gunicorn.conf.py server.app:app
"""

import math
import os
import resource
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

# ruff: noqa: N999

# The worker must come from the same package as the application that it is asked to serve. It is named only,
# because importing it takes seconds, and a bad setting is to be reported at once.
if TYPE_CHECKING or Path.cwd() != Path(__file__).resolve().parent.parent:
    from benchmark_env.settings import Settings, SettingsError

    worker_class = "benchmark_env.server.worker.BenchmarkWorker"
else:
    from settings import Settings, SettingsError

    worker_class = "server.worker.BenchmarkWorker"

STOP_MARGIN_SECONDS = 5
"""How long a worker may take to stop beyond the time for steps in flight."""

try:
    _settings = Settings.from_environ(os.environ)
except SettingsError as error:
    sys.exit(str(error))

bind = _settings.bind
workers = _settings.workers
preload_app = True
reuse_port = _settings.reuse_port
backlog = _settings.backlog
timeout = _settings.worker_timeout
graceful_timeout = math.ceil(_settings.graceful_timeout) + STOP_MARGIN_SECONDS
# Longer than the 60 s that nginx keeps an idle upstream connection: nginx must be the one to close it.
keepalive = 75
loglevel = _settings.log_level
accesslog = "-" if _settings.access_log else None
control_socket_disable = True
# The heartbeat files: in memory, and writable where the root file system is not.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108


def on_starting(server: Any) -> None:
    """Fail early where the port is taken, and allow the workers as many open files as the system does."""
    # A master that takes over from a running one shares its port.
    if "GUNICORN_PID" not in os.environ:
        _claim(_settings)
    server.log.info("Serving http://%s with %d workers", _settings.bind, _settings.workers)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < _settings.max_concurrent_envs + 64:
        server.log.warning(
            "MAX_CONCURRENT_ENVS=%d: more sessions than the %d open files that a worker may have",
            _settings.max_concurrent_envs,
            most,
        )


def _claim(settings: Settings) -> None:
    # Without SO_REUSEPORT: with it, two servers would share the port and each get a part of the connections.
    host, port = settings.address
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        sys.exit(f"BIND={settings.bind}: cannot listen there: {error.strerror}")
