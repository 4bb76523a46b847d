"""What is to be broken while the load goes on, and when: the setting `FAULT`."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Literal, cast, get_args

from loadtests.errors import LoadTestError

FaultName = Literal[
    "kill-worker",
    "kill-replica",
    "pause-replica",
    "restart-nginx",
    "add-replica",
    "remove-replica",
    "slow-network",
]
FORMS = (
    "kill-worker, kill-replica, pause-replica:LENGTH, restart-nginx, add-replica, remove-replica or "
    "slow-network:DELAY[:LENGTH], each followed by @ and its time, with commas between them: "
    "kill-worker@10s,pause-replica:3s@15s"
)
_TIME = re.compile(r"(\d{1,7}(?:\.\d{1,6})?)(ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PARAMETERS: dict[FaultName, range] = {"pause-replica": range(1, 2), "slow-network": range(1, 3)}
"""How many parameters a fault may have, where it has any."""


@dataclass(frozen=True)
class Fault:
    """Something to break. Times are in seconds."""

    name: FaultName
    asked: str
    """As written: `pause-replica:3s@15s`."""
    at_s: float
    """Since the start of the load."""
    lasts_s: float | None = None
    """After which it is taken back; None: not before the load ends, if it can be taken back at all."""
    delay_s: float = 0.0
    """By which a slow network delays each packet."""


def parse_faults(text: str, duration_s: float) -> tuple[Fault, ...]:
    """Reads the faults of a load that lasts `duration_s` seconds, in the order of time; empty where none are.

    Raises LoadTestError with the bad word and the forms that are allowed.
    """
    if not text.strip():
        return ()
    faults = [_fault(item.strip()) for item in text.split(",")]
    for fault in faults:
        if fault.at_s >= duration_s:
            raise LoadTestError(
                f"FAULT={fault.asked} is due after {fault.at_s:g} s, when the load of {duration_s:g} s is "
                "over: give an earlier time, or a longer DURATION"
            )
    in_order = tuple(sorted(faults, key=lambda fault: fault.at_s))
    slow = [fault for fault in in_order if fault.name == "slow-network"]
    for earlier, later in pairwise(slow):
        if earlier.lasts_s is None or earlier.at_s + earlier.lasts_s > later.at_s:
            raise LoadTestError(
                f"FAULT={later.asked} begins while {earlier.asked} goes on: the network is slow in one way "
                "at a time; give the earlier one a LENGTH, as in slow-network:50ms:5s@10s"
            )
    return in_order


def _fault(asked: str) -> Fault:
    what, at, when = asked.partition("@")
    word, *parameters = what.split(":")
    if word not in get_args(FaultName):
        near = get_close_matches(word, get_args(FaultName), n=1)
        meant = f"did you mean {near[0]}? Write" if near else "write"
        raise LoadTestError(f"FAULT={asked}: {word or 'an empty word'} is no fault; {meant} {FORMS}")
    name = cast(FaultName, word)
    if not at:
        raise LoadTestError(f"FAULT={asked} does not say when: write {asked}@10s for 10 s after the start")
    allowed = _PARAMETERS.get(name, range(1))
    if len(parameters) not in allowed:
        raise LoadTestError(
            f"FAULT={asked}: {name} takes {_numbers(allowed)}, not {len(parameters)}: write {FORMS}"
        )
    times = [_seconds(asked, parameter, above_zero=True) for parameter in parameters]
    at_s = _seconds(asked, when)
    match name, times:
        case "pause-replica", [lasts_s]:
            return Fault(name, asked, at_s, lasts_s)
        case "slow-network", [delay_s, *lasts]:
            return Fault(name, asked, at_s, lasts[0] if lasts else None, delay_s)
    return Fault(name, asked, at_s)


def _numbers(allowed: range) -> str:
    if allowed == range(1):
        return "no parameter"
    return " or ".join(map(str, allowed)) + f" parameter{'s' if allowed[-1] > 1 else ''}"


def _seconds(asked: str, text: str, *, above_zero: bool = False) -> float:
    match = _TIME.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else -1.0
    if seconds < 0 or (above_zero and not seconds):
        least = "above 0" if above_zero else "of 0 or more"
        raise LoadTestError(f"FAULT={asked}: {text!r} is no time {least}: write 10, 10s, 500ms or 1m")
    return seconds
