"""What the Makefile asks of the tables of settings, with nothing installed yet: `python -m loadtests.make`.

Without arguments it lists the settings. With targets, `--` and the names of variables it refuses those that
are no settings of any of the targets: exit code 2.
"""

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from loadtests.commands import OF_ALL_TARGETS, TARGETS, refusal_of_variable
from loadtests.settings import Setting

_WIDEST = 110
_INDENT = 29


def main(arguments: list[str]) -> int:
    """Lists the settings, or checks names; the exit code."""
    if not arguments:
        sys.stdout.write("\n".join(_lines()) + "\n")
        return 0
    end = arguments.index("--")
    targets = [target for target in arguments[:end] if target in TARGETS]
    names = arguments[end + 1 :] if targets else []
    refusals = [refusal for name in names if (refusal := refusal_of_variable(name, targets))]
    sys.stderr.writelines(f"error: {refusal}\n" for refusal in refusals)
    return 2 if refusals else 0


def _lines() -> Iterator[str]:
    usual = {each.name: each for each in TARGETS["loadtest"]}
    yield "Settings, for example make loadtest USERS=200 WAIT=uniform:0:1 REPLICAS=3 (defaults in brackets):"
    for topic in dict.fromkeys(each.topic for each in usual.values()):
        yield from _about(topic, [each for each in usual.values() if each.topic == topic])
    for target, settings in TARGETS.items():
        yield from _about(f"make {target}", [each for each in settings if each.name not in usual])
        changed = [each for each in settings if each.default != usual.get(each.name, each).default]
        if changed:
            yield _filled("  other defaults:", " ".join(f"{each.name}={each.default}" for each in changed))
    yield from _about("all targets", OF_ALL_TARGETS)


def _about(title: str, settings: Sequence[Setting]) -> Iterator[str]:
    """A title and what each of the settings means; of variables for servers and containers the names only."""
    if not settings:
        return
    yield f"\n{title}"
    if all(each.topic and not each.has_option for each in settings):
        yield _filled("  more in --help:", " ".join(each.name for each in settings))
    else:
        for each in settings:
            yield _filled(f"  {each.name} [{each.default}]" if each.default else f"  {each.name}", each.help)


def _filled(beginning: str, text: str) -> str:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return textwrap.fill(
        text,
        width,
        initial_indent=f"{beginning:<{_INDENT - 1}} ",
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,  # names of faults have some
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
