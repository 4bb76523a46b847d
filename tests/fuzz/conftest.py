"""One deployment that all attacks are aimed at: a replica by its own port, and nginx before it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from loadtests.deployments import DeploymentConfig, nginx
from loadtests.deployments.local import LocalDeployment
from loadtests.deployments.registry import Registry
from tests.fuzz.bystander import Bystander
from tests.fuzz.effort import LONG, printed

MAX_WAIT_SECONDS = 0.02
MAX_MESSAGE_BYTES = 20_000
REQUEST_TIMEOUT_S = 10.0
PING_INTERVAL_S = 4.0
NGINX_TIMEOUT_S = 8.0
"""For a request's head, and between two pieces that are sent or read: instead of the 20 s of its template."""
SETTINGS = {
    "MAX_WAIT_SECONDS": MAX_WAIT_SECONDS,
    "MAX_MESSAGE_BYTES": MAX_MESSAGE_BYTES,
    "REQUEST_TIMEOUT": REQUEST_TIMEOUT_S,
    "PING_INTERVAL": PING_INTERVAL_S,
}
SIGNS_OF_A_DEFECT = (
    "Traceback",
    "[ERROR]",
    "[CRITICAL]",
    "[emerg]",
    "[alert]",
    "Task exception",
    "Fatal error",
)


@dataclass(frozen=True)
class Target:
    deployment: LocalDeployment
    ports: dict[str, int]
    """Of the server itself, and of nginx before it."""
    logs: Path
    masters: dict[str, psutil.Process]
    """Of the server and of nginx; their workers are their children."""

    def check_logs(self) -> None:
        """Raises AssertionError where the logs have come to tell of a defect."""
        for log in self.logs.rglob("*.log"):
            seen = self._seen.get(log, 0)
            if log.stat().st_size > seen:
                with log.open("rb") as file:
                    file.seek(seen)
                    new = file.read()
                self._seen[log] = seen + len(new)
                text = new.decode(errors="replace")
                assert not any(sign in text for sign in SIGNS_OF_A_DEFECT), text

    _seen: dict[Path, int] = field(default_factory=dict)
    """How much of a log has been looked at."""


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A replica of one worker, so that all sessions share it, behind nginx."""
    logs = tmp_path_factory.mktemp("fuzz") / "deployments"
    name = f"fuzz-{os.getpid()}"
    registry = Registry(logs)
    deployment = LocalDeployment(
        DeploymentConfig(replicas=1, workers=1, port=0), name=name, registry=registry
    )
    with pytest.MonkeyPatch.context() as patch:
        for setting, value in SETTINGS.items():
            patch.setenv(setting, str(value))
        template = nginx.TEMPLATE.read_text()
        shortened = re.sub(
            r"((?:client_header|client_body|send)_timeout) 20s", rf"\1 {NGINX_TIMEOUT_S:g}s", template
        )
        assert shortened.count(f"timeout {NGINX_TIMEOUT_S:g}s;") == 3
        patch.setattr(nginx, "TEMPLATE", logs.with_name("nginx.conf.template"))
        nginx.TEMPLATE.write_text(shortened)
        deployment.up()
    (host,) = deployment.hosts()
    ports = {"server": int(host.rpartition(":")[2]), "nginx": int(deployment.url.rpartition(":")[2])}
    (record,) = registry.records()
    masters = [psutil.Process(process.pid) for process in record.processes]
    yield Target(deployment, ports, logs, dict(zip(ports, masters, strict=True)))
    deployment.down()


@pytest.fixture
def bystander(target: Target) -> Iterator[Bystander]:
    """A session of a good client, which steps after every example."""
    with Bystander(target.deployment.url) as bystander:
        yield bystander


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Lines that the long form prints."""
    lines: list[str] = []
    yield lines
    if LONG:
        with capsys.disabled():
            printed(lines)
