"""What the READMEs and docs/ tell their readers to run: code blocks, and commands within sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .conftest import ROOT

PAGES = tuple(sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md")))
READMES = ("README.md", *PAGES, "benchmark_env/README.md")
"""README.md, the pages that it leads to, and the README of the environment."""
NOT_CODE = ("",)
PROGRAMS = {"docker", "gunicorn", "make", "openenv", "pip", "python", "python3", "uvicorn"}

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_WITHIN_A_SENTENCE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    readme: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.readme}:{self.line}"

    def commands(self) -> list["Command"]:
        lines = self.text.replace("\\\n", " ").splitlines()
        texts = [re.sub(r"(^|\s+)# .*$", "", line).strip() for line in lines]
        return [Command(self.readme, self.line, text) for text in texts if text]


@dataclass(frozen=True)
class Command:
    readme: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.readme}:{self.line} {' '.join(self.text.split()[:3])}"

    @property
    def directory(self) -> Path:
        """Where a reader of this README or page runs its commands."""
        return ROOT if self.readme in PAGES else (ROOT / self.readme).parent


def blocks_of(readme: str) -> list[Block]:
    text = (ROOT / readme).read_text()
    return [
        Block(readme, _line(text, match.start()), match[2], match[3])
        for match in _BLOCK.finditer(text)
        if match[2] not in NOT_CODE
    ]


def starts_container(block: Block) -> bool:
    """Whether the block is Python that has a client start a container."""
    return block.language == "python" and "from_docker_image" in block.text


def all_commands() -> list[Command]:
    """Each command once for each directory; what only names a command of a block is left out."""
    in_blocks = [
        command
        for readme in READMES
        for block in blocks_of(readme)
        if block.language == "bash"
        for command in block.commands()
    ]
    named = [
        command
        for readme in READMES
        for command in named_in_sentences(readme)
        if _is_command(command.text)
        and (command.text == "make" or not any(_is_named_by(command, each) for each in in_blocks))
    ]
    first: dict[tuple[Path, str], Command] = {}
    for command in sorted(in_blocks + named, key=lambda each: (READMES.index(each.readme), each.line)):
        first.setdefault((command.directory, command.text), command)
    return [*first.values()]


def _is_command(text: str) -> bool:
    program, *arguments = text.split()
    return program.removeprefix(".venv/bin/") in PROGRAMS and (bool(arguments) or program == "make")


def _is_named_by(name: Command, command: Command) -> bool:
    return name.directory == command.directory and f"{command.text} ".startswith(f"{name.text} ")


def named_in_sentences(readme: str) -> Iterator[Command]:
    """Whatever stands in backquotes outside of blocks, command or not."""
    text = (ROOT / readme).read_text()
    prose = _BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)
    for match in _WITHIN_A_SENTENCE.finditer(prose):
        yield Command(readme, _line(prose, match.start()), " ".join(match[1].split()))


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
