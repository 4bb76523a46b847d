"""What the pages of all reports share: templates, answers, drawings, rows of settings."""

import base64
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.page import formatting, palette, readings, words
from reports.page.drawing import NARROW, WIDE

ENDINGS = {
    "completed": "completed",
    "interrupted": "interrupted",
    "failed": "failed",
    "running": "cut short, no end recorded",
}

MOST_ROWS = 300
"""Rows of a table of workers, replicas or compared cells; report.json holds the rest."""

Facts = Sequence[tuple[str, str]]

_TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("script.js", "figures.js")
"""The scripts of a page with figures."""
_FORMATS = (
    "count", "plain", "significant", "seconds", "duration", "percent", "rounded_percent", "signed", "rate",
    "times", "coefficient", "memory", "moment", "probability", "wait",
)  # fmt: skip
"""Functions of `formatting` that templates use as filters."""


@dataclass(frozen=True)
class Question:
    """One of the four questions that the first screen answers."""

    words: str
    section: str
    """The id of the section with the evidence."""
    more: str
    """What the link to that section says."""

    def answer(self, verdict: str, state: str, facts: Facts) -> "Answer":
        return Answer(self, verdict, state, facts)

    def decide(self, facts: Facts, *rules: tuple[object, str, str]) -> "Answer":
        """The answer of the first of the rules (condition, verdict, state) whose condition holds."""
        _, verdict, state = next(rule for rule in rules if rule[0])
        return self.answer(verdict, state, facts)


@dataclass(frozen=True)
class Answer:
    """The answer to a question. `state`: good, bad, caution, unknown or none ("")."""

    question: Question
    verdict: str
    state: str
    facts: Facts


@dataclass(frozen=True)
class Drawing:
    """A figure as drawn for a desktop and for a phone."""

    wide: Markup
    narrow: Markup


def drawn(paint: Callable[..., str], *data: Any, wide: float = WIDE) -> Drawing:
    """The drawing of a figure that `paint` writes as SVG, given `data` and then the width in pixels."""
    desktop, phone = (paint(*data, width) for width in (wide, NARROW))
    # An XML writer, which escapes, wrote the SVG.
    return Drawing(Markup(desktop), Markup(readings.without_repeats(phone, desktop)))  # noqa: S704


def render(
    kind: str,
    sections: Mapping[str, str],
    filters: Mapping[str, Callable[..., Any]],
    scripts: Sequence[str] = SCRIPTS,
    **values: Any,
) -> str:
    """The page of a `kind` of report from its templates: its sections by id, with their titles."""
    templates = environment()
    templates.filters.update(filters)
    script = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in scripts)
    style = palette.style_sheet() + (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return templates.get_template(f"{kind}.html").render(
        values,
        kind=kind,
        sections=sections,
        most_rows=MOST_ROWS,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=digest,
    )


@functools.cache
def environment() -> Environment:
    """The templates, with autoescape and the filters that show values."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_showable,
    )
    templates.filters.update({name: getattr(formatting, name) for name in _FORMATS}, quantity=words.count)
    return templates


def machine_facts(machine: dict[str, Any]) -> list[tuple[str, str]]:
    """What run.json or experiment.json says about the machine, in words."""
    return [
        ("memory", formatting.memory(value))
        if key == "memory_bytes" and isinstance(value, int)
        else (key.replace("_", " "), formatting.text(value))
        for key, value in machine.items()
    ]


def tags(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The row of a configuration with the tags; none where there are none."""
    return [("tags", ", ".join(found))] if (found := config.get("tags")) else []


def settings(rows: list[tuple[str, str]], config: Mapping[str, Any], known: type) -> list[tuple[str, str]]:
    """Rows of a configuration, and after them the keys of `config` that `known`, its type, does not name."""
    further = sorted(set(config) - set(known.__annotations__))
    return rows + [(key.replace("_", " "), formatting.text(config[key])) for key in further]


def _showable(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return formatting.unbroken(formatting.showable(value))
