"""What the kustomizations render to, and the parts of it that tests look for."""

import functools
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

Manifest = dict[str, Any]

KUBERNETES = ROOT / "kubernetes"
KUSTOMIZATIONS = ("base", "scale")


@functools.cache
def _printed(folder: Path) -> str:
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kustomize warns: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Pod:
    """A pod as a Deployment or a Job makes it."""

    name: str
    labels: Mapping[str, str]
    spec: Manifest

    @property
    def containers(self) -> list[Manifest]:
        """Those that run until the end."""
        return [*self.spec["containers"]]

    @property
    def every_container(self) -> list[Manifest]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        """By name."""
        return {
            port["name"]: port["containerPort"] for each in self.containers for port in each.get("ports", [])
        }

    def container(self, name: str) -> Manifest:
        return next(each for each in self.every_container if each["name"] == name)


class Rendered:
    """The objects of one kustomization."""

    def __init__(self, folder: Path) -> None:
        self.objects: list[Manifest] = [*yaml.safe_load_all(_printed(folder))]

    def kind(self, kind: str) -> dict[str, Manifest]:
        """The objects of a kind, by name."""
        return {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}

    @property
    def workloads(self) -> dict[str, Manifest]:
        return self.kind("Deployment") | self.kind("Job")

    @property
    def pods(self) -> dict[str, Pod]:
        return {name: self._pod(name, each) for name, each in self.workloads.items()}

    def selected(self, labels: Mapping[str, str]) -> list[Pod]:
        """The pods with all these labels."""
        return [pod for pod in self.pods.values() if labels.items() <= pod.labels.items()]

    def services_of(self, pod: Pod) -> list[str]:
        return [
            name
            for name, each in self.kind("Service").items()
            if each["spec"]["selector"].items() <= pod.labels.items()
        ]

    def config(self, name: str) -> dict[str, str]:
        """What a ConfigMap holds, by its name with or without what kustomize appends."""
        (found,) = [
            each["data"]
            for full, each in self.kind("ConfigMap").items()
            if full == name or full.rpartition("-")[0] == name
        ]
        return {**found}

    @staticmethod
    def _pod(name: str, workload: Manifest) -> Pod:
        template = workload["spec"]["template"]
        return Pod(name, template["metadata"]["labels"], template["spec"])

    def variables(self, container: Manifest, namespace: str) -> dict[str, str]:
        """The environment of a container in a pod of `namespace`, with what `$(NAME)` stands for."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= self.config(source["configMapRef"]["name"])
        for each in container.get("env", []):
            if "valueFrom" in each:
                assert each["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
                value = namespace
            else:
                value = each["value"]
            for name, known in found.items():
                value = value.replace(f"$({name})", known)
            found[each["name"]] = value
        return found


def rendered(name: str) -> Rendered:
    """What kubernetes/<name> renders to."""
    return Rendered(KUBERNETES / name)


def values_of(document: Any, key: str) -> Iterator[Any]:
    """Whatever stands under `key`, at any depth."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == key:
                yield value
            yield from values_of(value, key)
    elif isinstance(document, list):
        for each in document:
            yield from values_of(each, key)


def compose_services() -> dict[str, Manifest]:
    """The services of compose/compose.yaml with the defaults of their variables."""
    written = (ROOT / "compose" / "compose.yaml").read_text()
    settled = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", written)
    services: dict[str, Manifest] = yaml.safe_load(settled)["services"]
    return services
