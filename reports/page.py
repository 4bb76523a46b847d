"""What the pages of all reports share: templates and what they may use, answers, drawings, common words."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import formatting, palette
from reports.drawing import NARROW, WIDE
from reports.schema import ActionsJson, RunConfig
from reports.words import printable

ENDINGS = {
    "completed": "ran to its end",
    "interrupted": "interrupted",
    "failed": "failed",
    "running": "cut short, no end recorded",
}

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_ACTION = 60
_ORDERS = {"cycle": "in turn", "sample": "drawn at random"}


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
        else (key.replace("_", " "), text(value))
        for key, value in machine.items()
    ]


def text(value: Any) -> str:
    """A value of a JSON file as text."""
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def wait(spec: str) -> str:
    """A wait as configured: `0.5` becomes `500 ms`, a distribution stays as it is written."""
    try:
        return formatting.seconds(float(spec))
    except ValueError:
        return spec


def has_actions(config: RunConfig) -> bool:
    """Whether a run sent actions of its own, not the Benchmark environment's waits."""
    return config["action"] is not None or "actions" in config


def sent(config: RunConfig) -> str:
    """What each step of a run sent, in a few words: `wait 100 ms a step`, `action {"message": "hello"}` …"""
    if actions := config.get("actions"):
        return f"{_which(actions)}, {_ORDERS[actions['order']]}"
    if config["action"] is not None:
        return f"action {printable(text(config['action']), _LONGEST_ACTION)}"
    return f"wait {wait(config['wait'])} a step"


def actions(config: RunConfig) -> list[tuple[str, str]]:
    """Rows of a configuration table that say what was sent."""
    if several := config.get("actions"):
        return [
            ("actions", _which(several)),
            ("order of actions", _ORDERS[several["order"]]),
            ("first action", text(several["example"])),
        ]
    return [("action", text(config["action"] if config["action"] is not None else "wait"))]


def _which(actions: ActionsJson) -> str:
    number = plural(actions["count"], "action")
    match actions["source"]:
        case "schema":
            return f"{number} made from the server’s schema"
        case "tools":
            return f"{number} made from the schemas of the server’s tools"
        case "file":
            return f"{number} from {printable(actions.get('file', 'a file'), _LONGEST_ACTION)}"


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
