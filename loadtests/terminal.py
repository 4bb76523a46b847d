"""What the commands say in the terminal, and how they end when they are told to."""

import signal
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from reports.page.words import seconds


def printable(text: str, style: str = "") -> Text:
    """Text that is safe to show: control characters, which a server may have sent, are replaced."""
    return Text("".join(c if c.isprintable() else "�" for c in text), style=style)


def latency(value: float | None) -> str:
    """A latency in seconds with its unit; a dash where there is none."""
    return "–" if value is None else seconds(value)


def tell(console: Console, line: str, style: str = "") -> None:
    """Prints a line: wrapped for a person, whole for a log."""
    console.print(printable(line, style), soft_wrap=not console.is_terminal)


def progress(console: Console) -> Callable[[str], None]:
    """Prints a line for each step of longer work."""
    return lambda line: console.print(
        Text("· ", style="dim") + printable(line), soft_wrap=not console.is_terminal
    )


class LiveDisplay:
    """A part of the terminal that is drawn again and again; a context manager, since it holds the terminal.

    Draws nothing where the output goes to a file or a pipe.
    """

    def __init__(self, console: Console) -> None:
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def draw(self, picture: RenderableType) -> None:
        """Replaces what is shown."""
        if self._live is not None:
            self._live.update(picture, refresh=True)


def end_on_termination() -> None:
    """Lets SIGTERM and a closed terminal end the command as Ctrl-C does, so that everything is taken down."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
