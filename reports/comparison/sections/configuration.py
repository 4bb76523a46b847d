"""The settings in which two runs differ, and which differences make their comparison questionable."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from reports.page.words import listing, printable
from reports.records.schema import RunJson

Kind = Literal["load", "machine", "deployment", "versions", "measurement"]

_ASKED_FOR = ("arrivals", "arrivals_of", "shape", "trace", "group", "rollout_steps", "fault")
"""Parts of a load that a run has or has not."""
_LOAD = (
    *("scenario", "users", "wait", "think_time", "transport", "steps_per_episode"),
    *("action", "actions", "policy", "processes"),
    *_ASKED_FOR,
)
_DEPLOYMENT = ("deployment", "balancing", "reuse_port")
_TOPOLOGY = ("replicas", "workers")
_MEASUREMENT = (
    *("duration_s", "warmup_s", "spawn_rate", "connect_timeout_s", "step_timeout_s", "tls_verified", "slo"),
)
_DEFAULTS = {"scenario": "sustained", "warmup_s": 0.0, **dict.fromkeys(_ASKED_FOR, "none")}
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
    config, topology = (a["config"], b["config"]), (a["topology"], b["topology"])
    machine, versions = (a["machine"], b["machine"]), (a["versions"], b["versions"])
    return [
        *(each for each in _differing("load", *config, _LOAD) if not _same_number(each.a, each.b)),
        *_differing("machine", *machine, dict.fromkeys([*machine[0], *machine[1]])),
        *_differing("deployment", *config, _DEPLOYMENT),
        *_differing("deployment", *topology, _TOPOLOGY),
        *_differing("versions", *versions, dict.fromkeys([*versions[0], *versions[1]])),
        *_differing("measurement", *config, _MEASUREMENT),
    ]


def difference_notices(found: Iterable[Difference]) -> list[str]:
    """What the differences mean for the comparison, in sentences."""
    by_kind: dict[Kind, list[str]] = {}
    for each in found:
        by_kind.setdefault(each.kind, []).append(f"{each.name} ({each.a} in A, {each.b} in B)")
    sentences: dict[Kind, str] = {
        "load": "A and B did not carry the same load: {}. That alone makes their figures differ.",
        "machine": "A and B ran on different machines: {}. A change may be the machine's, not the server's.",
        "versions": "Versions differ: {}.",
    }
    return [text.format(listing(by_kind[kind])) for kind, text in sentences.items() if kind in by_kind]


def _differing(kind: Kind, a: Any, b: Any, keys: Iterable[str]) -> list[Difference]:
    questionable = kind in ("load", "machine")
    return [
        Difference(kind, printable(key.replace("_", " "), 60), _shown(value_a), _shown(value_b), questionable)
        for key in keys
        if (value_a := a.get(key, _DEFAULTS.get(key))) != (value_b := b.get(key, _DEFAULTS.get(key)))
    ]


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _LONGEST)


def _same_number(a: str, b: str) -> bool:
    try:
        return float(a) == float(b)
    except ValueError:
        return False
