"""Open sessions at once on a running server, and show which worker answered which session.

The exit code is 0 if every session succeeded, 1 if any failed, 2 for bad input, and 130 after Ctrl-C.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic import ValidationError

from .settings import SettingsError, only_what_is_served, read_max_wait_seconds

try:
    # First of all: importing the models reads it too, but takes seconds.
    read_max_wait_seconds(os.environ)
    with only_what_is_served(os.environ):
        from .models import BenchmarkAction
    from .sessions import Plan, run_sessions
    from .table import as_json, as_text
except SettingsError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmark_env", description=__doc__)
    parser.add_argument(
        "--url", type=_url, required=True, help="the server: http://, https://, ws:// or wss://"
    )
    parser.add_argument("--sessions", type=_count, default=8, help="sessions opened at once [8]")
    parser.add_argument("--steps", type=_count, default=3, help="steps of each session [3]")
    parser.add_argument("--wait", type=_wait, default=0.5, help="seconds each step waits [0.5]")
    parser.add_argument("--transport", choices=["ws", "http"], default="ws", help="[ws]")
    parser.add_argument(
        "--header",
        type=_header,
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="sent when connecting, for example 'Authorization: Bearer …'; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    options = parser.parse_args(arguments)
    plan = Plan(
        options.url, options.sessions, options.steps, options.wait, options.transport, dict(options.header)
    )
    try:
        outcome = asyncio.run(run_sessions(plan))
    except KeyboardInterrupt:
        print("interrupted: all sessions are closed", file=sys.stderr)
        return 130
    if options.json:
        _print(json.dumps(as_json(outcome), indent=2, allow_nan=False))
    else:
        _print(as_text(outcome, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    return 1 if outcome.failed else 0


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader has read enough, as `head` does. Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as http://127.0.0.1:8000")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(
            "give only scheme, host, port and path; credentials belong in --header"
        )
    return text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _wait(text: str) -> float:
    try:
        return BenchmarkAction(wait_seconds=float(text)).wait_seconds
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.errors()[0]['msg']}") from None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None


def _header(text: str) -> tuple[str, str]:
    # The errors do not quote it: a header may contain a password.
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name or not value:
        raise argparse.ArgumentTypeError("a header is written NAME:VALUE")
    if not _HEADER_NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(
            "a header's name may have ASCII letters, digits and !#$%&'*+-.^_`|~ only"
        )
    if not value.isascii() or not value.isprintable():
        raise argparse.ArgumentTypeError("a header's value may have printable ASCII characters only")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
