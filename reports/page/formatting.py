"""Values as a page shows them: with their unit, on one line, and with a dash where nothing is known."""

import json
import math
import re
import time
import unicodedata
from typing import Any

from reports.page import words

SPACE = "\u00a0"
"""Between a number and its unit: they stay on one line."""
MISSING = "–"
_UNIT = re.compile(r"(?<=\d) (?=(?:ms|s|h|%|MB|GB|steps/s)\b|%)")
_UNSHOWABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))


def count(value: float | None) -> str:
    """A whole number: `16,384`."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}"


def significant(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits, or with all before its point: `0.0123`, `12,345`."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    rounded = round(value, max(digits - 1 - math.floor(math.log10(abs(value))), 0))
    if rounded == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(places, 0)}f}"


def plain(value: float | None) -> str:
    """A number with three significant digits at least, without superfluous zeros: `9`, `17.5`, `1,234`."""
    text = significant(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(value: float | None) -> str:
    """A latency: in ms below one second, in s above."""
    if value is None or not math.isfinite(value):
        return MISSING
    return words.seconds(value).replace(" ", SPACE) if value else f"0{SPACE}s"


def tick_seconds(value: float) -> str:
    """A latency on an axis, without superfluous digits: `5 ms`, `1 s`."""
    if value == 0:
        return "0"
    if abs(value) < 0.9995:
        return f"{value * 1000:.4g}{SPACE}ms"
    return f"{value:.4g}{SPACE}s"


def duration(value: float | None) -> str:
    """How long a run took: `20.0 s`, `3 min 20 s`, `2 h 05 min`."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value < 60:
        return seconds(value)
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60}{SPACE}min {whole % 60:02}{SPACE}s"
    return f"{whole // 3600}{SPACE}h {whole % 3600 // 60:02}{SPACE}min"


def percent(share: float | None) -> str:
    """A share of 0…1 as a percentage that reads 100 % or 0 % only where it is exactly that."""
    if share is None or not math.isfinite(share):
        return MISSING
    for digits in range(1 if 0.01 <= share <= 0.99 else 2, 5):
        text = f"{share * 100:.{digits}f}"
        if float(text) not in (0.0, 100.0):
            return f"{text}{SPACE}%"
    if share in (0, 1):
        return f"{share * 100:.0f}{SPACE}%"
    return f"> 99.9999{SPACE}%" if share > 0.5 else f"< 0.0001{SPACE}%"


def rounded_percent(share: float) -> str:
    """A share or a ratio in whole per cent: `84 %`."""
    return f"{share * 100:,.0f}{SPACE}%"


def limit(share: float) -> str:
    """A configured share, as a percentage without superfluous digits: `95 %`."""
    return f"{share * 100:.6g}{SPACE}%"


def signed(change: float | None) -> str:
    """A relative change: `+12.3 %`, `−0.41 %`."""
    return MISSING if change is None else words.signed_percent(change).replace(" ", SPACE)


def rate(steps_per_s: float | None) -> str:
    """A throughput: `1,043 steps/s`."""
    return f"{significant(steps_per_s)}{SPACE}steps/s"


def between(low: str, high: str) -> str:
    """Two values in words with their unit once, where it is the same: `447 to 455 steps/s`."""
    number, space, unit = low.partition(SPACE)
    return f"{number if space and high.endswith(space + unit) else low} to {high}"


def times(ratio: float | None) -> str:
    """A ratio: `1.87×`."""
    return MISSING if ratio is None or not math.isfinite(ratio) else f"{significant(ratio)}×"


def coefficient(value: float) -> str:
    """A fitted number, which may be tiny: `0.0459`, `3.44 × 10⁻⁵`."""
    if value == 0 or not math.isfinite(value) or abs(value) >= 0.001:
        return significant(value)
    return words.power_of_ten(value, 2).replace(" ", SPACE)


def memory(size: float | None) -> str:
    """Bytes: `312 MB`, `1.25 GB`."""
    if size is None or not math.isfinite(size):
        return MISSING
    return words.megabytes(size).replace(" ", SPACE)


def moment(unix_seconds: float | None) -> str:
    """A point in time, in UTC so that the same report reads the same everywhere."""
    if unix_seconds is None:
        return MISSING
    try:
        return time.strftime("%-d %b %Y, %H:%M:%S UTC", time.gmtime(unix_seconds))
    except (OverflowError, ValueError, OSError):
        return MISSING


def probability(p: float | None) -> str:
    """A p-value: `0.34`, `< 0.001`."""
    if p is None or not math.isfinite(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.2f}" if p >= 0.01 else f"{p:.3f}"


def showable(text: str) -> str:
    """Foreign text without control, direction-changing and unassigned characters: each becomes `�`."""
    if text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _UNSHOWABLE or character in "\n\t" else "\ufffd"
        for character in text
    )


def shortened(text: str, most: int) -> str:
    """The text in at most `most` characters, cut in its middle, since names differ at their ends."""
    text = " ".join(showable(text).split())
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def unbroken(sentence: str) -> str:
    """The sentence with its numbers and their units kept on one line."""
    return _UNIT.sub(SPACE, sentence)


def text(value: Any) -> str:
    """A value of a JSON file as text."""
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def wait(spec: str) -> str:
    """A wait as configured: `0.5` becomes `500 ms`, a distribution stays as it is written."""
    try:
        return seconds(float(spec))
    except ValueError:
        return spec
