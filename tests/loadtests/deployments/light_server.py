"""A gunicorn that starts at once, in the place of the environment's: for tests of what surrounds it.

It serves /health under the settings that a deployment gives, `WORKERS` and `BIND`, and refuses to start with
`LIGHT_SERVER=broken`.
"""

import os
import sys
from collections.abc import Callable, Iterable

SERVER = [
    *("-m", "gunicorn", "--config", "python:tests.loadtests.deployments.light_server"),
    "tests.loadtests.deployments.light_server:application",
]

bind = os.environ.get("BIND", "127.0.0.1:0")
workers = int(os.environ.get("WORKERS", "1"))
reuse_port = True
control_socket_disable = True

if os.environ.get("LIGHT_SERVER") == "broken":
    sys.exit("LIGHT_SERVER=broken: refuses to start")


def application(
    environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """Answers /health, and 404 elsewhere."""
    start_response("200 OK" if environ["PATH_INFO"] == "/health" else "404 Not Found", [])
    return [b""]
