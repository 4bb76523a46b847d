"""Numbers and foreign text as they appear in the reports' sentences."""

import math

TRANSPORTS = {"ws": "WebSocket", "http": "HTTP"}
"""The names of the transports."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def seconds(value: float) -> str:
    """A duration with its unit: `0.35 ms`, `52.1 ms`, `1.06 s`."""
    return f"{_three_digits(value)} s" if abs(value) >= 0.9995 else f"{_three_digits(value * 1000)} ms"


def share(value: float) -> str:
    """A share (0…1) in per cent, with more digits near 0 and 1, so that 99.97 % never reads 100 %."""
    edge = min(value, 1 - value)
    if edge <= 0:
        return f"{100 * value:.0f} %"
    places = 0 if edge >= 0.1 else min(max(1, math.ceil(-math.log10(100 * edge))), 6)
    text = f"{100 * value:.{places}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def count(value: int, noun: str) -> str:
    """How many of something: `1 step`, `20,000 steps`. `noun` is the singular."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def size(replicas: int, workers: int | None) -> str:
    """How large a deployment is: `2 replicas × 4 workers`, or `2 replicas` where workers are unknown."""
    return count(replicas, "replica") + (f" × {count(workers, 'worker')}" if workers else "")


def megabytes(value: float) -> str:
    """A size in memory, `312 MB` or `1.25 GB`."""
    return f"{value / 1e6:,.0f} MB" if value < 999.5e6 else f"{value / 1e9:.2f} GB"


def signed_percent(change: float) -> str:
    """A relative change (0.1 is 10 % more) as signed per cent: `+12.3 %`, `−0.41 %`, `0 %`."""
    size = abs(100 * change)
    text = f"{size:,.{0 if size >= 99.95 else 1 if size >= 0.995 else 2}f}"
    return f"{'+' if change > 0 else '−'}{text} %" if text.strip("0.") else "0 %"


def factor(value: float) -> str:
    """A ratio: `1.6`, `12`."""
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def power_of_ten(value: float, places: int = 1) -> str:
    """A very small or large number: `3.4 × 10⁻⁵`."""
    mantissa, power = f"{value:.{places}e}".split("e")
    return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}"


def listing(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def printable(text: str, limit: int = 300) -> str:
    """Foreign text on one line, without control characters, cut to `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _three_digits(value: float) -> str:
    size = abs(value)
    return f"{value:,.{0 if size >= 99.95 else 1 if size >= 9.995 else 2}f}"
