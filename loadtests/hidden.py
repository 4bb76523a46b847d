"""Secrets, and foreign text without them: a server may repeat in an error the token that it was sent."""

import re
from collections.abc import Iterable

MASK = "•••"
LONGEST = 8192
"""How much of a secret is looked for: what will be cut to a length is searched this much further."""
_SHORTEST = 6
"""A shorter word may stand in any text by chance, and is no secret."""

_SCHEME = re.compile(r"^[A-Za-z]+ +")
"""`Bearer ` or `Basic ` before credentials, RFC 9110 section 11.4."""

_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def hide(values: Iterable[str]) -> None:
    """Hides the values of headers, and the words in them: of `Bearer TOKEN` also the token alone."""
    global _pattern
    for value in values:
        credentials = _SCHEME.sub("", value)
        words = {value, credentials, *re.split(r"[\s,;=]+", credentials)}
        _secrets.update(word[:LONGEST] for word in words if len(word) >= _SHORTEST)
    if _secrets:
        longest_first = sorted(_secrets, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)))


def without_secrets(text: str) -> str:
    """The text with a mask for everything hidden."""
    return text if _pattern is None else _pattern.sub(MASK, text)
