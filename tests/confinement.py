"""What a running container may do, as the engine has it and as its own processes find it."""

from typing import Any

import docker
from docker.models.containers import Container

NO_RIGHTS = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0}
LIMITS = {
    "Memory": ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "PidsLimit": ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"),
}
"""Where a container reads its limits, with cgroups of version 2 and of version 1."""


def assert_confined(client: docker.DockerClient, name: str, user: str = "10001:10001") -> None:
    """The running container has a user, a root and limits as it should, and no rights."""
    container = client.containers.get(name)
    assert container.status == "running"
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    assert config["User"] == user, name
    assert host["ReadonlyRootfs"], name
    assert not host["Privileged"], name
    assert (host["CapDrop"], host["CapAdd"] or []) == (["ALL"], []), name
    assert host["SecurityOpt"] == ["no-new-privileges:true"], name
    assert host["RestartPolicy"]["Name"] in {"", "no"}, name
    assert [limit["Name"] for limit in host["Ulimits"]] == ["nofile"], name
    assert "docker.sock" not in str(container.attrs["Mounts"]), name
    for limit, files in LIMITS.items():
        assert host[limit] > 0, name
        assert _output(container, "sh", "-c", f"cat {' '.join(files)} 2>/dev/null; true") == str(host[limit])

    uid = user.partition(":")[0]
    # The first process, and those that its own root would start.
    for process, starter, expected in (("1", user, uid), ("self", "0", "0")):
        status = _status(container, process, starter)
        assert status["Uid"] == [expected] * 4, name
        assert {key: int(status[key][0], 16) for key in NO_RIGHTS} == NO_RIGHTS, name
        assert status["NoNewPrivs"] == ["1"], name
        assert status["Seccomp"] == ["2"], name
    for starter in (user, "0"):
        for folder in ("/", "/etc", "/usr/bin", "/var/tmp"):
            failed = container.exec_run(["touch", f"{folder}/written"], user=starter)
            assert failed.exit_code != 0, (name, folder)
            assert b"Read-only file system" in failed.output, (name, folder, failed.output)
    _output(container, "touch", "/tmp/written")


def assert_healthy(client: docker.DockerClient, name: str) -> None:
    """The container has a check of its health, which passes now and needs no curl."""
    container = client.containers.get(name)
    kind, *command = container.attrs["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    assert "curl" not in command
    _output(container, *command)


def published(client: docker.DockerClient, name: str) -> list[str]:
    """The addresses of this machine that lead into the running container."""
    ports: dict[str, Any] = client.containers.get(name).attrs["NetworkSettings"]["Ports"]
    return [address["HostIp"] for addresses in ports.values() for address in addresses or []]


def gateways(client: docker.DockerClient, name: str) -> list[str]:
    """Further addresses of this machine: those by which the container's networks reach it."""
    networks = client.containers.get(name).attrs["NetworkSettings"]["Networks"]
    return [network["Gateway"] for network in networks.values() if network["Gateway"]]


def _status(container: Container, process: str, user: str) -> dict[str, list[str]]:
    lines = _output(container, "cat", f"/proc/{process}/status", user=user).splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def _output(container: Container, *command: str, user: str = "") -> str:
    done = container.exec_run(list(command), user=user)
    assert done.exit_code == 0, (container.name, command, done.output)
    assert isinstance(done.output, bytes)
    return done.output.decode().strip()
