"""What the READMEs tell their readers to run: code blocks, and commands within sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .conftest import ROOT

READMES = ("README.md", "benchmark_env/README.md")
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
        """Where a reader of this README runs its commands."""
        return (ROOT / self.readme).parent


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


def commands_of(readme: str) -> list[Command]:
    """Each command once, in the order of the README; what only names a command of a block is left out."""
    in_blocks = [
        command for block in blocks_of(readme) if block.language == "bash" for command in block.commands()
    ]
    named = [
        command
        for command in _within_sentences(readme)
        if command.text == "make"
        or not any(f"{each.text} ".startswith(f"{command.text} ") for each in in_blocks)
    ]
    first = {command.text: command for command in sorted(named + in_blocks, key=lambda each: -each.line)}
    return sorted(first.values(), key=lambda command: command.line)


def _within_sentences(readme: str) -> Iterator[Command]:
    text = (ROOT / readme).read_text()
    prose = _BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)
    for match in _WITHIN_A_SENTENCE.finditer(prose):
        words = match[1].split()
        program = words[0].removeprefix(".venv/bin/")
        if program in PROGRAMS and (len(words) > 1 or program == "make"):
            yield Command(readme, _line(prose, match.start()), " ".join(words))


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
