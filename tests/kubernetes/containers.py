"""Pods as containers of a Docker engine: what a node would run, as far as an engine alone can.

Names of Services are aliases in one network, which an engine resolves to the addresses of all containers that
have them: as with a headless Service. Nothing balances in their stead, and no policy of the network holds.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from .rendering import Manifest, Pod, Rendered

NAMESPACE = "openenv-loadtest"
_MEBIBYTE = 1 << 20
_UNITS = {"Mi": _MEBIBYTE, "Gi": _MEBIBYTE << 10}


def docker(*arguments: str, timeout: float = 120) -> str:
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def size(quantity: str) -> int:
    """Bytes of a quantity such as 64Mi."""
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]


class Node:
    """Starts pods of rendered objects; the names of their containers begin with that of their network."""

    def __init__(self, network: str, objects: Rendered, folder: Path) -> None:
        """`folder` gets what is in the pods' volumes."""
        self._network = network
        self._objects = objects
        self._folder = folder
        docker("network", "create", network)

    def remove(self) -> None:
        """Removes what it has started, and its network."""
        for container in docker("ps", "--all", "--quiet", "--filter", f"network={self._network}").split():
            docker("rm", "--force", "--volumes", container)
        docker("network", "rm", self._network)

    def start(self, pod: Pod, container: Manifest, name: str) -> str:
        """Starts one container of a pod. Returns its name."""
        options, command = [], container.get("args", [])
        if "command" in container:
            options = [f"--entrypoint={container['command'][0]}"]
            command = [*container["command"][1:], *command]
        full = f"{self._network}-{name}"
        docker(
            "run", "--detach", "--name", full,
            *self._names(pod, container), *self._confinement(pod, container), *self._variables(container),
            *self._mounts(pod, container), *options, container["image"], *command,
        )  # fmt: skip
        return full

    def _names(self, pod: Pod, container: Manifest) -> Iterator[str]:
        yield f"--network={self._network}"
        # The others of its pod have addresses of their own here, where nobody listens.
        for service in self._objects.services_of(pod) if "ports" in container else []:
            yield f"--network-alias={service}"
            yield f"--network-alias={service}.{NAMESPACE}.svc.cluster.local"

    @staticmethod
    def _confinement(pod: Pod, container: Manifest) -> Iterator[str]:
        whole, own = pod.spec["securityContext"], container["securityContext"]
        yield f"--user={whole['runAsUser']}:{whole['runAsGroup']}"
        yield f"--memory={size(container['resources']['limits']['memory'])}"
        for each in whole.get("sysctls", []):
            yield f"--sysctl={each['name']}={each['value']}"
        if own["readOnlyRootFilesystem"]:
            yield "--read-only"
        if not own["allowPrivilegeEscalation"]:
            yield "--security-opt=no-new-privileges"
        yield from (f"--cap-drop={each}" for each in own["capabilities"]["drop"])

    def _variables(self, container: Manifest) -> Iterator[str]:
        variables = self._objects.variables(container, NAMESPACE)
        if "NGINX_ENTRYPOINT_LOCAL_RESOLVERS" in variables:
            # What the image's own entrypoint finds in /etc/resolv.conf, where it looks.
            variables["NGINX_LOCAL_RESOLVERS"] = "127.0.0.11"
        yield from (f"--env={key}={value}" for key, value in variables.items())

    def _mounts(self, pod: Pod, container: Manifest) -> Iterator[str]:
        volumes = {each["name"]: each for each in pod.spec.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            volume, target = volumes[mount["name"]], mount["mountPath"]
            if volume.get("emptyDir", {}).get("medium") == "Memory":
                yield f"--tmpfs={target}:size={size(volume['emptyDir']['sizeLimit'])},mode=1777"
                continue
            folder = self._folder / pod.name / mount["name"]
            folder.mkdir(parents=True, exist_ok=True)
            if "configMap" in volume:
                for key, text in self._objects.config(volume["configMap"]["name"]).items():
                    (folder / key).write_text(text)
            else:
                folder.chmod(0o777)
            yield f"--volume={folder}:{target}{':ro' if mount.get('readOnly') else ''}"


def address(container: str) -> str:
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return docker("inspect", "--format", template, container)


def exit_code(container: str) -> int:
    """Waits for the end of a container."""
    return int(docker("wait", container))


def logs(container: str) -> str:
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
