"""What two runs did not have in common, and which of it makes their comparison questionable."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from reports.page.words import listing, printable
from reports.records.schema import RunJson

Kind = Literal["load", "machine", "deployment", "versions", "measurement"]

_LOAD = (
    "scenario",
    "users",
    "wait",
    "think_time",
    "transport",
    "steps_per_episode",
    "action",
    "actions",
    "processes",
)
_DEPLOYMENT = ("deployment", "balancing", "reuse_port")
_MEASUREMENT = (
    *("duration_s", "warmup_s", "spawn_rate", "connect_timeout_s", "step_timeout_s", "tls_verified", "slo"),
)
_DEFAULTS = {"scenario": "sustained", "warmup_s": 0.0}
_TOPOLOGY = ("replicas", "workers")
_LONGEST = 80


@dataclass(frozen=True)
class Difference:
    """One setting in which A and B differ."""

    kind: Kind
    name: str
    a: str
    b: str
    questionable: bool
    """Whether it can explain a change by itself, so that the change is not the server's."""


def differences(a: RunJson, b: RunJson) -> list[Difference]:
    """The settings in which two runs differ; another load or machine makes the comparison questionable."""
    config_a, config_b = dict(a["config"]), dict(b["config"])
    topology_a, topology_b = dict(a["topology"]), dict(b["topology"])
    found = [
        *_differing("load", _LOAD, config_a, config_b, True),
        *_differing("machine", _keys(a["machine"], b["machine"]), a["machine"], b["machine"], True),
        *_differing("deployment", _DEPLOYMENT, config_a, config_b, False),
        *_differing("deployment", _TOPOLOGY, topology_a, topology_b, False),
        *_differing("versions", _keys(a["versions"], b["versions"]), a["versions"], b["versions"], False),
        *_differing("measurement", _MEASUREMENT, config_a, config_b, False),
    ]
    return [each for each in found if not (each.kind == "load" and _same_number(each.a, each.b))]


def difference_notices(found: list[Difference]) -> list[str]:
    """What the differences mean for the comparison, in sentences."""
    notices = []
    load = [_both(each) for each in found if each.kind == "load"]
    if load:
        notices.append(
            f"A and B did not carry the same load: {listing(load)}. "
            "Their figures differ for that reason already."
        )
    machine = [_both(each) for each in found if each.kind == "machine"]
    if machine:
        notices.append(
            f"A and B ran on machines that differ: {listing(machine)}. "
            "A change may be the machine's rather than the server's."
        )
    if versions := [_both(each) for each in found if each.kind == "versions"]:
        notices.append(f"Versions differ: {listing(versions)}.")
    return notices


def _differing(kind: Kind, keys: Iterable[str], a: Any, b: Any, questionable: bool) -> list[Difference]:
    return [
        Difference(kind, printable(key.replace("_", " "), 60), _shown(value_a), _shown(value_b), questionable)
        for key in keys
        if (value_a := a.get(key, _DEFAULTS.get(key))) != (value_b := b.get(key, _DEFAULTS.get(key)))
    ]


def _keys(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys([*a, *b]))


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _LONGEST)


def _same_number(a: str, b: str) -> bool:
    try:
        return float(a) == float(b)
    except ValueError:
        return False


def _both(each: Difference) -> str:
    return f"{each.name} ({each.a} in A, {each.b} in B)"
