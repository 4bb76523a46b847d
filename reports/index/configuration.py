"""Which runs are of one configuration: alike in all but what is being watched."""

import json
import re
from collections.abc import Mapping, Sequence

from reports.page import formatting
from reports.page.words import printable
from reports.records.schema import RunJson

_NOT_COUNTED = frozenset({"url", "slo", "tags", "environment"})
"""Ports differ from run to run, objectives change no figure, and a new version is what a trend is to show."""
_DEFAULTS = {"scenario": "sustained", "warmup_s": 0.0}
_OF_THE_MACHINE = ("cpu_model", "cores")
"""Names of machines differ from one CI job to the next."""
_TAG_OF_AN_IMAGE = re.compile(r"(:[^/:@]+)?(@.*)?$")
_MOST_NAMED = 4
_LONGEST = 40

Configuration = Mapping[str, str]
"""The text of every setting that counts, by name."""


def configuration_of(run: RunJson) -> Configuration:
    """The settings of a run, where it went and on which machine, without versions: these may change."""
    config, topology = dict(run["config"]), run["topology"]
    counted = _DEFAULTS | {name: value for name, value in config.items() if name not in _NOT_COUNTED}
    if config["deployment"] == "url":
        counted["url"] = config["url"]
    if environment := run["config"].get("environment"):
        counted["environment"] = _TAG_OF_AN_IMAGE.sub("", environment["name"])
    counted |= {"replicas": topology["replicas"], "workers": topology["workers"]}
    counted |= {name.replace("_", " "): run["machine"].get(name) for name in _OF_THE_MACHINE}
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in sorted(counted.items())
        if value is not None
    }


def peculiarities(labels: Sequence[str], configurations: Sequence[Configuration]) -> list[list[str]]:
    """Of each configuration the settings by which it differs from those with the same label."""
    alike: dict[str, list[Configuration]] = {}
    for label, configuration in zip(labels, configurations, strict=True):
        alike.setdefault(label, []).append(configuration)
    return [
        _peculiar(configuration, alike[label])
        for label, configuration in zip(labels, configurations, strict=True)
    ]


def _peculiar(configuration: Configuration, others: Sequence[Configuration]) -> list[str]:
    names = dict.fromkeys(name for each in others for name in each)
    differing = [name for name in names if len({each.get(name) for each in others}) > 1]
    return [
        f"{printable(name.replace('_', ' '), _LONGEST)} "
        + formatting.shortened(configuration.get(name, "not set"), _LONGEST)
        for name in differing[:_MOST_NAMED]
    ]
