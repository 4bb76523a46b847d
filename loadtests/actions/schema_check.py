"""Checks values against an untrusted JSON schema: in bounded time, and without fetching anything.

Patterns and other regular expressions are never run: a text that has to match one passes only if the schema
itself contains it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

Schema = Mapping[str, Any]

_WORK = 500_000
"""About two seconds of it."""
_DEEPEST = 100
"""Keywords within keywords: far below Python's own limit, past which jsonschema's libraries panic."""
_QUICK = 8
"""How many items are compared, or characters of messages written, in the time of one keyword."""
_NEGATIONS = ("not", "if")
"""Within these it is not safe to assume that a text does not match."""


class UnusableSchemaError(Exception):
    """Why a schema is unusable, and for which field, where known."""

    def __init__(self, why: str, field: str = "") -> None:
        self.why = why
        self.field = field
        super().__init__(why)


class Budget:
    """The work that may still be done: characters read and written, values made, keywords checked."""

    def __init__(self) -> None:
        self._left = _WORK

    def spend(self, amount: int) -> None:
        """Raises UnusableSchemaError when nothing is left."""
        self._left -= amount
        if self._left < 0:
            raise UnusableSchemaError("its schema takes too much work")


class SchemaCheck:
    """A schema and the check of values against it.

    Raises UnusableSchemaError where the schema is malformed, or takes too much work or depth to check; a part
    whose defect shows only later may raise anything else.
    """

    def __init__(self, schema: Any, budget: Budget) -> None:
        if not isinstance(schema, Mapping):
            raise UnusableSchemaError("its schema is not an object")
        text = json.dumps(dict(schema))
        budget.spend(len(text))
        self.schema: dict[str, Any] = json.loads(text, object_hook=_without_identity)
        """A copy, without a dialect or an address of its own, which would change how it is checked."""
        own_texts = frozenset(_texts(self.schema))
        for error in _bounded_validator(_meta_schema(), own_texts, budget).iter_errors(self.schema):
            names = [str(name) for key, name in pairwise(error.absolute_path) if key == "properties"]
            raise UnusableSchemaError(f"its schema is malformed ({error.message})", ".".join(names))
        self._validator = _bounded_validator(self.schema, own_texts, budget)

    def errors(self, value: Any) -> "Iterator[ValidationError]":
        """What is wrong with a value."""
        return self._validator.iter_errors(value)

    def accepts(self, value: Any, part: Schema) -> bool:
        """Whether a value is valid under a part of the schema."""
        return self._validator.evolve(schema=part).is_valid(value)


def _without_identity(part: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in part.items() if not (k in ("$schema", "$id") and isinstance(v, str))}


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield from part
        yield from _texts(list(part.values()))
    elif isinstance(part, list):
        yield from chain.from_iterable(map(_texts, part))


def _meta_schema() -> Schema:
    """The schema of schemas: draft 7's, the last one in one piece, with what pydantic uses besides."""
    from jsonschema import Draft7Validator

    meta = _without_identity(dict(Draft7Validator.META_SCHEMA))
    known = meta["properties"]
    newer = {"$defs": known["definitions"], "prefixItems": known["allOf"]}
    return {**meta, "properties": {**known, **newer}}


def _bounded_validator(schema: Schema, own_texts: frozenset[str], budget: Budget) -> "Validator":
    """The validator of jsonschema, made to spend work on every keyword and to fetch nothing."""
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError
    from jsonschema.validators import extend
    from referencing import Registry

    depth = negations = 0

    def bounded(keyword: str, check: Callable[..., Any]) -> Callable[..., Any]:
        def checked(validator: Any, value: Any, instance: Any, part: Schema) -> "Iterator[ValidationError]":
            nonlocal depth, negations
            budget.spend(1 + _work(keyword, value, instance))
            if depth > _DEEPEST:
                raise UnusableSchemaError("its schema nests endlessly, or too deeply")
            if _is_unbounded(keyword, instance, part):
                raise UnusableSchemaError(f"its schema uses {keyword}, which cannot be checked here")
            depth += 1
            negations += keyword in _NEGATIONS
            try:
                for error in check(validator, value, instance, part) or ():
                    budget.spend(len(error.message) // _QUICK)
                    yield error
            finally:
                depth -= 1
                negations -= keyword in _NEGATIONS

        return checked

    def pattern(_validator: Any, value: str, instance: Any, _part: Any) -> "Iterator[ValidationError]":
        if isinstance(instance, str) and instance not in own_texts:
            why = f"it must match {value}, and no example of it is given"
            if negations:
                raise UnusableSchemaError(why)
            yield failure(why)

    failure: Callable[[str], ValidationError] = ValidationError
    extended: Callable[..., Callable[..., Validator]] = extend
    standard = {**Draft202012Validator.VALIDATORS, "pattern": pattern}
    checks = {keyword: bounded(keyword, check) for keyword, check in standard.items()}
    formats = FormatChecker(Draft202012Validator.FORMAT_CHECKER.checkers.keys() - {"regex"})
    return extended(Draft202012Validator, checks)(schema, registry=Registry(), format_checker=formats)


def _work(keyword: str, value: Any, instance: Any) -> int:
    """What a keyword costs besides the keywords within it."""
    items = len(instance) if isinstance(instance, list | dict) else 1
    size = len(value) if isinstance(value, list | dict) else 0
    match keyword:
        case "enum":
            return size * items // _QUICK
        case "uniqueItems":
            return items * items // _QUICK
        case _:
            return size + items


def _is_unbounded(keyword: str, instance: Any, part: Schema) -> bool:
    """Whether jsonschema would run regular expressions, or follow references, out of our control."""
    if keyword in ("patternProperties", "additionalProperties"):
        return "patternProperties" in part and bool(instance)
    return keyword in ("unevaluatedItems", "unevaluatedProperties")
