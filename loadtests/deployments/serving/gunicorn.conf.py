"""gunicorn's configuration for environments of others, which run in a Python of their own.

The deployment sets BIND, WORKERS, REUSE_PORT and HOST_URL, the user the rest. It needs gunicorn and uvicorn
only. The values are those of the Benchmark environment's server.
"""

# ruff: noqa: N999

import os
import resource
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

bind = os.environ["BIND"]
workers = int(os.environ["WORKERS"])
worker_class = "openenv_served.SigningWorker"
preload_app = True
reuse_port = os.environ["REUSE_PORT"] == "1"
backlog = int(os.environ.get("BACKLOG") or 4096)
timeout = int(os.environ.get("WORKER_TIMEOUT") or 60)
graceful_timeout = 5
keepalive = 75
loglevel = os.environ.get("LOG_LEVEL") or "info"
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
