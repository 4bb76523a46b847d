"""What the pages of all reports share: templates and what they may use, answers, drawings, common words."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.page import formatting, palette, words
from reports.page.drawing import NARROW, WIDE

ENDINGS = {
    "completed": "ran to its end",
    "interrupted": "interrupted",
    "failed": "failed",
    "running": "cut short, no end recorded",
}

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Answer:
    """One of the four answers on the first screen. `state`: good, bad, caution, unknown or none ("")."""

    question: str
    verdict: str
    state: str
    facts: list[tuple[str, str]]
    section: str
    """The id of the section with the evidence."""
    more: str
    """What the way to that section is called."""


@dataclass(frozen=True)
class Drawing:
    """A figure as drawn for a desktop and for a phone."""

    wide: Markup
    narrow: Markup


def drawn(paint: Callable[[float], str], wide: float = WIDE) -> Drawing:
    """The drawing of a figure that `paint` writes as SVG for a given width in pixels."""
    return Drawing(markup(paint(wide)), markup(paint(NARROW)))


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
    templates.filters.update(
        count=formatting.count,
        significant=formatting.significant,
        seconds=formatting.seconds,
        duration=formatting.duration,
        percent=formatting.percent,
        memory=formatting.memory,
        moment=formatting.moment,
        probability=formatting.probability,
        quantity=words.count,
        signed=formatting.signed,
    )
    return templates


def page_parts() -> dict[str, Any]:
    """What `base.html` needs: style, script, and the script's hash for the page's security policy."""
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    style = palette.style_sheet() + (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"style": Markup(style), "script": Markup(script), "script_hash": digest}  # noqa: S704 - our own files


def markup(svg: str) -> Markup:
    """A figure's SVG as markup that the page takes as it is."""
    return Markup(svg)  # noqa: S704 - written by an XML writer, which escapes


def machine_facts(machine: dict[str, Any]) -> list[tuple[str, str]]:
    """What run.json or experiment.json says of the machine, in words."""
    return [
        ("memory", formatting.memory(value))
        if key == "memory_bytes" and isinstance(value, int)
        else (key.replace("_", " "), formatting.text(value))
        for key, value in machine.items()
    ]


def limit_share(limit: float) -> str:
    """A share that somebody set, as a percentage without further digits: `95 %`."""
    return f"{limit * 100:.6g}{formatting.SPACE}%"


def plural(number: int, noun: str) -> str:
    """A number of things: `1 session`, `1,024 sessions`."""
    return f"{formatting.count(number)} {noun}{'' if number == 1 else 's'}"


def _showable(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return formatting.unbroken(formatting.showable(value))
