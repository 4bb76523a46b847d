"""What the commands say in the terminal, and how they end when they are told to."""

import signal
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from loadtests.run.live_view import printable


def progress(console: Console) -> Callable[[str], None]:
    """Prints a line for each step of longer work."""
    return lambda line: console.print(
        Text("· ", style="dim") + printable(line), soft_wrap=not console.is_terminal
    )


def end_on_termination() -> None:
    """Lets SIGTERM and a closed terminal end the command as Ctrl-C does, so that everything is taken down."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
