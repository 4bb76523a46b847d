"""The actions that users send: one for all steps, those of a file, or those made from a server's schema."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import choice
from typing import Any, Literal, NoReturn

from loadtests.errors import LoadTestError
from reports.records.schema import ActionOrder, ActionsJson

Source = Literal["constant", "file", "schema", "tools"]

_LARGEST_BYTES = 32 * 2**20
LONGEST_WAIT_S = 3600.0
"""The longest wait of the Benchmark environment, unless its MAX_WAIT_SECONDS says otherwise."""


@dataclass(frozen=True)
class Actions:
    """Actions, at least one, and how users take them."""

    source: Source
    values: Sequence[Mapping[str, Any]]
    order: ActionOrder = "cycle"
    file: str | None = None
    """The name of the file that they come from, if any."""

    @property
    def longest_wait_s(self) -> float:
        """The longest wait that one of them asks the Benchmark environment for."""
        return max(asked_wait(action) or 0.0 for action in self.values)

    @property
    def constant(self) -> dict[str, Any] | None:
        """The one action of every step, where a person gave one."""
        return dict(self.values[0]) if self.source == "constant" else None

    def turns(self) -> Iterator[int]:
        """The places of the actions that one user takes, endlessly."""
        places = range(len(self.values))
        return itertools.cycle(places) if self.order == "cycle" else iter(lambda: choice(places), None)

    def described(self) -> ActionsJson | None:
        """What run.json says about them; None for one constant action, which it shows as it is."""
        if self.source == "constant":
            return None
        described = ActionsJson(
            source=self.source, order=self.order, count=len(self.values), example=dict(self.values[0])
        )
        if self.file is not None:
            described["file"] = self.file
        return described

    def write(self, path: Path) -> None:
        """Writes them as JSONL. Raises OSError."""
        path.write_text("".join(json.dumps(action) + "\n" for action in self.values), encoding="utf-8")


def asked_wait(action: Mapping[str, Any]) -> float | None:
    """The seconds that an action asks the environment to wait, if it names a sensible number."""
    wait = action.get("wait_seconds")
    if not isinstance(wait, int | float) or isinstance(wait, bool):
        return None
    return float(wait) if 0 <= wait <= LONGEST_WAIT_S else None


def one_action(text: str) -> Actions:
    """The action that ACTION gives as JSON. Raises LoadTestError."""
    return Actions("constant", [_action(text, f"ACTION={text}")])


def actions_of_file(path: str, order: ActionOrder) -> Actions:
    """The actions of a JSONL file, one JSON object per line. Raises LoadTestError that names the bad line."""
    file = Path(path).expanduser()
    try:
        status = file.stat()
        if status.st_size > _LARGEST_BYTES:
            raise LoadTestError(
                f"ACTIONS={path} has {status.st_size / 2**20:,.0f} MB, which every load process would hold: "
                f"give at most {_LARGEST_BYTES // 2**20} MB, for example a sample of its lines"
            )
        values = _read(file, status.st_mtime_ns)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise LoadTestError(
            f"ACTIONS={path} cannot be read ({why}): "
            "give a file with one JSON object per line, wait, or schema"
        ) from None
    return Actions("file", values, order, file.name)


@lru_cache(maxsize=4)
def _read(file: Path, _changed_at: int) -> Sequence[Mapping[str, Any]]:
    with file.open(encoding="utf-8-sig") as lines:
        values = [
            _action(line, f"ACTIONS={file}, line {number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
    if not values:
        raise LoadTestError(f"ACTIONS={file} has no action: write one JSON object per line")
    return values


def _action(text: str, where: str) -> dict[str, Any]:
    """A JSON object that can be sent and recorded: without NaN and lone surrogates."""
    try:
        action = json.loads(text, parse_constant=_refuse)
        json.dumps(action, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise LoadTestError(f"{where} is not JSON: {error}") from None
    if not isinstance(action, dict):
        raise LoadTestError(f'{where} is not a JSON object: write one like {{"message": "hello"}}')
    return action


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
