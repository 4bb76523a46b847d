"""Markdown for the summary of a CI job, in which text from outside stays text."""

import re
from collections.abc import Iterable, Sequence

from reports.page.formatting import unbroken
from reports.page.parts import Answer
from reports.page.words import printable

_BY_ENTITY = frozenset("&<>$@#")
_MEANT_FOR_MARKDOWN = re.compile(r"[&<>$@#\\`*_{}\[\]|~!]|:(?=//)|(?<=\bwww)\.")
_BEGINS_A_BLOCK = re.compile(r"^(?:[-+=]|\d+(?=[.)](?:\s|$)))")
_MOST = 500


def escaped(text: str) -> str:
    """Text within a line, which Markdown and the HTML in it show as it is; numbers keep to their units."""
    return _MEANT_FOR_MARKDOWN.sub(_harmless, unbroken(printable(text, _MOST)))


def paragraph(text: str) -> str:
    """A line of text that begins neither a list nor a heading, whatever it begins with."""
    return _BEGINS_A_BLOCK.sub(lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", escaped(text))


def _harmless(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};" if found[0] in _BY_ENTITY else f"\\{found[0]}"


def bullets(lines: Iterable[str]) -> str:
    """A list; its lines are escaped here."""
    return "\n".join(f"- {paragraph(line)}" for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def answers_table(answers: Iterable[Answer]) -> str:
    """The four questions of a report's first screen and their answers, in two columns, for narrow screens."""
    rows = []
    for answer in answers:
        lines = [
            f"**{escaped(answer.verdict)}**",
            *(escaped(f"{name}: {fact}") for name, fact in answer.facts),
        ]
        rows.append([escaped(answer.question.words), "<br>".join(lines)])
    return table(["question", "answer"], rows)


def code_block(text: str) -> str:
    """Text shown as it is, in letters of one width, whatever backticks it holds."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}text\n{text}\n{fence}"


def document(parts: Iterable[str]) -> str:
    """The parts, one below the other; empty ones are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
