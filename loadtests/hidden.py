"""Keeps secrets out of text from elsewhere: a server's error may repeat the token that it was sent."""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from urllib.parse import quote, quote_plus

MASK = "•••"

_PART = 8
"""This many consecutive characters of a secret are hidden: servers may truncate it. Fewer may be chance."""
_SHORTEST = 6
"""The shortest secret, hidden only as a whole; anything shorter is not treated as one."""
_LONGEST = 8192
_SCHEME = re.compile(r"^[A-Za-z]+ +")
"""`Bearer ` or `Basic ` before credentials, RFC 9110 section 11.4."""

_parts: set[str] = set()
_short: set[str] = set()


def hide(headers: Mapping[str, str]) -> None:
    """Hides the values of headers from now on, both as they are and encoded as servers may repeat them."""
    for name, value in headers.items():
        for secret in _secrets(name, value):
            for form in _forms(secret[:_LONGEST]):
                _parts.update(form[i : i + _PART] for i in range(len(form) - _PART + 1))
                if _SHORTEST <= len(form) < _PART:
                    _short.add(form)


def without_secrets(text: str, limit: int | None = None) -> str:
    """The first `limit` characters of a text, with a mask for everything hidden in it."""
    if not _parts and not _short:
        return text[:limit]
    seen = text if limit is None else text[: limit + _PART]
    hidden = bytearray(len(seen))
    for start in range(len(seen) - _PART + 1):
        if seen[start : start + _PART] in _parts:
            hidden[start : start + _PART] = b"\1" * _PART
    for word in _short:
        for found in re.finditer(re.escape(word), seen):
            hidden[found.start() : found.end()] = b"\1" * len(word)
    shown = zip(hidden[:limit], seen, strict=False)
    return "".join(
        MASK if is_hidden else "".join(character for _, character in run)
        for is_hidden, run in groupby(shown, key=lambda pair: pair[0])
    )


def _secrets(name: str, value: str) -> Iterator[str]:
    """A header's value, and the part that may be repeated alone: the token of `Bearer TOKEN`."""
    if name.lower() == "cookie":
        for pair in value.split(";"):
            yield pair.partition("=")[2].strip()
        return
    credentials = _SCHEME.sub("", value)
    yield credentials
    if value.lower().startswith("basic "):
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield pair
        yield pair.partition(":")[2]


def _forms(secret: str) -> set[str]:
    """A secret as it is, and as JSON, URLs, HTML, Python and base64 write it."""
    forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], html.escape(secret)}
    forms |= {quote(secret, safe=""), quote_plus(secret)}
    for offset in range(3):  # base64 has three forms of a text, depending on what precedes it
        padded = b"\0" * offset + secret.encode(errors="replace")
        whole = base64.b64encode(padded[: len(padded) // 3 * 3]).decode()[4 if offset else 0 :]
        forms |= {whole, whole.translate(str.maketrans("+/", "-_"))}
    return forms
