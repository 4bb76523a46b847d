"""Settings as people write them, `NAME=value`, and how values are read from them."""

import math
import os
import re
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loadtests.errors import LoadTestError

Values = Mapping[str, str]
"""The text of each setting, by name."""


@dataclass(frozen=True)
class Setting:
    """One setting: `NAME=value` for make and in the environment, `--name value` on the command line."""

    name: str
    default: str
    help: str
    topic: str = ""
    """The heading under which help shows it."""
    has_option: bool = True
    """False: a variable only."""
    alone: str | None = None
    """What the option stands for where it is given without a value; None: it needs one."""

    @property
    def option(self) -> str:
        return "--" + self.name.lower().replace("_", "-")


def add_settings(parser: ArgumentParser, settings: Iterable[Setting], *, defaults: bool = True) -> None:
    """Adds an option for each setting, under its topic; its default comes from the environment.

    That is how make sets it. Without `defaults`, a setting that neither names is None.
    """
    topics: dict[str, list[Setting]] = {}
    for setting in settings:
        topics.setdefault(setting.topic, []).append(setting)
    for topic, members in topics.items():
        variables = ", ".join(f"{s.name} ({s.help})" for s in members if not s.has_option)
        group = parser.add_argument_group(topic, f"variables only: {variables}" if variables else None)
        for setting in members:
            if setting.has_option:
                default = f" (default: {setting.default})" if setting.default else ""
                group.add_argument(
                    setting.option,
                    metavar=setting.name,
                    dest=setting.name,
                    nargs=None if setting.alone is None else "?",
                    const=setting.alone,
                    default=os.environ.get(setting.name) or (setting.default if defaults else None),
                    help=setting.help.replace("%", "%%") + default,
                )


def whole(values: Values, name: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`. Raises LoadTestError."""
    text = values[name]
    if not re.fullmatch(r"-?\d{1,12}", text.strip(), re.ASCII) or not least <= int(text) <= most:
        raise LoadTestError(f"{name}={text} is not allowed: give a whole number from {least} to {most}")
    return int(text)


def number(values: Values, name: str) -> float:
    """A finite number. Raises LoadTestError."""
    try:
        value = float(values[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LoadTestError(f"{name}={values[name]} is not a number")
    return value


def above_zero(values: Values, name: str) -> float:
    """A finite number above 0. Raises LoadTestError."""
    value = number(values, name)
    if value <= 0:
        raise LoadTestError(f"{name}={values[name]} is not allowed: give a number above 0")
    return value


def choice(values: Values, name: str, choices: tuple[str, ...]) -> str:
    """One of `choices`. Raises LoadTestError."""
    if values[name] not in choices:
        *others, last = choices
        raise LoadTestError(f"{name}={values[name]} is not known: give {', '.join(others)} or {last}")
    return values[name]
