"""Valid actions for any environment, made from the JSON schemas that its server publishes.

Required fields are given, optional ones left out: what the server puts there is always valid, and an invented
value (a game's name, say) may not be. The schemas are a stranger's: work, memory and nesting are bounded,
nothing is fetched, and no regular expression runs on an engine that backtracks.
"""

import base64
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import cycle, islice, pairwise
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import UUID

from reports.words import printable

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

Schema = Mapping[str, Any]

_WORK = 1_000_000
"""What one call may do: values made, characters written and keywords checked. It takes a second or two."""
_LARGEST_SCHEMA = 200_000
"""Characters of JSON. To check so many takes most of a second."""
_LONGEST = 10_000
"""Characters of a text, items of a list, properties of an object."""
_DEEPEST = 40
_SHALLOW = 6
"""Below this depth the simplest choices are taken, so that recursive schemas end."""
_MISSES = 50
"""Tries in a row that may give nothing new."""
_WIDEST = 10_000
"""A range between bounds is used up to this width; a wider one only near zero, or near its bound."""
_MOST_COMPARED = 500
"""Items of a list that is checked to have no two alike."""
_PATTERN_WORK = 10_000

_WORDS = ["apple", "beach", "bread", "chair", "cloud", "dance", "eagle", "field", "grape", "green", "house"]
_WORDS += ["lemon", "light", "maple", "music", "ocean", "olive", "paper", "piano", "plant", "river", "stone"]
_WORDS += ["sugar", "table", "tiger", "train", "water", "wheat"]

_FORMATS = {
    "base64": "{base64}",
    "base64url": "{base64}",
    "binary": "{text}",
    "color": "#{n:06x}",
    "date": "2024-05-{n:02}",
    "date-time": "2024-05-{n:02}T12:00:00Z",
    "duration": "PT{n}S",
    "email": "{text}@example.com",
    "hostname": "{text}.example.com",
    "ipv4": "192.0.2.{n}",
    "ipv4interface": "192.0.2.{n}/32",
    "ipv4network": "192.0.2.{n}/32",
    "ipv6": "2001:db8::{n}",
    "ipv6interface": "2001:db8::{n}/128",
    "ipv6network": "2001:db8::{n}/128",
    "ipvanyaddress": "192.0.2.{n}",
    "ipvanyinterface": "192.0.2.{n}/32",
    "ipvanynetwork": "192.0.2.{n}/32",
    "json-string": '"{text}"',
    "name-email": "{text} <{text}@example.com>",
    "password": "{text}",
    "path": "{text}",
    "regex": "{text}",
    "time": "12:00:{n:02}Z",
    "uri": "https://example.com/{text}",
    "uuid": "{uuid[4]}",
    "uuid1": "{uuid[1]}",
    "uuid3": "{uuid[3]}",
    "uuid4": "{uuid[4]}",
    "uuid5": "{uuid[5]}",
}
"""How a format is written. Those that say what cannot be known here, such as an existing file, are not."""

_IMPLIED_TYPES = {
    "properties": "object",
    "required": "object",
    "minProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "multipleOf": "number",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
}
"""By keyword: the type that is meant where a schema names none. Text otherwise."""


class ActionSchemaError(Exception):
    """No valid value can be made for a field."""

    def __init__(self, field: str, why: str) -> None:
        self.field = printable(field, 100)
        """Such as `move`, `target.x` or `moves[]`; empty for the action as a whole."""
        self.why = printable(why)
        super().__init__(f"no valid value for {self.field or 'the action'}: {self.why}")


class _ImpossibleError(Exception):
    """Why there is no value, before it is known for which field."""


def sample_actions(schema: Schema, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Up to `count` different valid actions, fewer where there are no more; always the same for a seed.

    Raises ActionSchemaError where none can be made.
    """
    return _sample(schema, count, seed, _Work())


def tool_actions(tools: Sequence[Mapping[str, Any]], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """`count` actions that call an MCP environment's tools, one tool after the other, so all equally often.

    `tools` is as in the answer to tools/list. A tool with fewer different arguments is called with the same ones
    again; a tool whose arguments cannot be made is left out. Raises ActionSchemaError where none is left.
    """
    work = _Work()
    calls: list[Iterator[dict[str, Any]]] = []
    failures: list[ActionSchemaError] = []
    for tool in tools:
        try:
            calls.append(cycle(_tool_calls(tool, math.ceil(count / len(tools)), seed, work)))
        except ActionSchemaError as error:
            failures.append(error)
    if not calls:
        raise failures[0] if failures else ActionSchemaError("", "the environment has no tools")
    return [next(call) for call in islice(cycle(calls), count)]


def is_tool_call(schema: Schema) -> bool:
    """Whether the action is OpenEnv's CallToolAction, so that what is valid is for the tools to say."""
    properties = _mapping(_mapping(schema).get("properties"))
    kind = _mapping(properties.get("type"))
    named = "tool_name" in properties and "arguments" in properties
    return named and "call_tool" in (kind.get("const"), kind.get("default"))


def takes_wait(schema: Schema) -> bool:
    """Whether the action is the Benchmark environment's: `wait_seconds`, and nothing else is required."""
    schema = _mapping(schema)
    wait = _mapping(_mapping(schema.get("properties")).get("wait_seconds"))
    return wait.get("type") == "number" and schema.get("required", []) in ([], ["wait_seconds"])


def _sample(schema: Schema, count: int, seed: int, work: "_Work") -> list[dict[str, Any]]:
    sampler = _Sampler(_checked(schema), Random(seed), work)
    found: dict[str, None] = {}
    failure: ActionSchemaError | None = None
    misses = 0
    while len(found) < count and misses < _MISSES + 10 * len(found):
        misses += 1
        try:
            action = sampler.action()
        except ActionSchemaError as error:
            failure = failure or error
        else:
            misses = misses if action in found else 0
            found[action] = None
    if failure and not found:
        raise failure
    return [json.loads(action) for action in found]


def _tool_calls(tool: Any, count: int, seed: int, work: "_Work") -> list[dict[str, Any]]:
    tool = _mapping(tool)
    name = tool.get("name")
    if not isinstance(name, str):
        raise ActionSchemaError("tool_name", "a tool has no name")
    try:
        arguments = _sample(tool.get("inputSchema", tool.get("input_schema")), count, seed, work)
    except ActionSchemaError as error:
        raise ActionSchemaError(_member(name, error.field), error.why) from error
    return [{"type": "call_tool", "tool_name": name, "arguments": each} for each in arguments]


class _Work:
    """What is left of the work that a call may do."""

    def __init__(self) -> None:
        self._left = _WORK

    def spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise _ImpossibleError("its schema asks for too much work")


class _Sampler:
    """Draws values from a schema: one method for each kind of value."""

    def __init__(self, schema: dict[str, Any], random: Random, work: _Work) -> None:
        self._schema = schema
        self._random = random
        self._spend = work.spend
        self._validator = _bounded_validator(schema, work)

    def action(self) -> str:
        """A valid action as JSON. Raises ActionSchemaError."""
        made = self._value({"type": "object", "allOf": [self._schema]}, "", 0)
        with _Naming(""):
            if not isinstance(made, dict):
                raise _ImpossibleError("it is no object")
            for error in self._validator.iter_errors(made):
                raise ActionSchemaError(_field_of(error.absolute_path), error.message)
            return json.dumps(made, allow_nan=False)

    def _value(self, schema: Any, field: str, depth: int) -> Any:
        with _Naming(field):
            flat = self._flat(schema, depth)
            for given in self._given(flat):
                self._spend(len(json.dumps(given)))
                return given
            for keyword in ("anyOf", "oneOf", "type"):
                if isinstance(flat.get(keyword), list):
                    return self._union(flat, keyword, field, depth)
            return self._of_type(flat, field, depth)

    def _given(self, schema: Schema) -> Iterator[Any]:
        """The value that the schema itself offers, where it does."""
        if "const" in schema:
            yield schema["const"]
        if "enum" in schema:
            yield self._random.choice(schema["enum"])
        examples = schema.get("examples", [])
        defaults = [schema["default"]] if "default" in schema else []
        for offered in [*self._random.sample(examples, len(examples)), *defaults]:
            if self._validator.evolve(schema=schema).is_valid(offered):
                yield offered

    def _union(self, schema: Schema, keyword: str, field: str, depth: int) -> Any:
        """A value of one of the alternatives that can be made, any of the best ones."""
        rest = {key: value for key, value in schema.items() if key != keyword}
        tag = _mapping(schema.get("discriminator")).get("propertyName")
        branches = [{"type": each} if keyword == "type" else each for each in schema[keyword]]
        failure = ActionSchemaError(field, f"its {keyword} is empty")
        for branch in sorted(
            self._random.sample(branches, len(branches)), key=lambda each: _rank(each, depth)
        ):
            try:
                chosen = self._flat({"allOf": [rest, branch]}, depth + 1)
                return self._value(_with_tags(chosen, tag), field, depth + 1)
            except ActionSchemaError as error:
                failure = error
        raise failure

    def _of_type(self, schema: Schema, field: str, depth: int) -> Any:
        implied = (kind for keyword, kind in _IMPLIED_TYPES.items() if keyword in schema)
        match schema.get("type") or next(implied, "string"):
            case "object":
                return self._object(schema, field, depth + 1)
            case "array":
                return self._array(schema, field, depth + 1)
            case "string":
                return self._string(schema, field, depth + 1)
            case "integer":
                return int(self._multiple(schema, schema.get("multipleOf", 1)))
            case "number":
                return self._number(schema)
            case "boolean":
                return self._random.choice([False, True])
            case "null":
                return None
            case kind:
                raise _ImpossibleError(f"its type {kind} is not known")

    def _object(self, schema: Schema, field: str, depth: int) -> dict[str, Any]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        least = _within_reason(schema.get("minProperties", 0), "properties")
        made: dict[str, Any] = {}
        for name in schema.get("required", []):
            self._spend(len(name))
            made[name] = self._value(properties.get(name, others), _member(field, name), depth)
        for name in properties if len(made) < least else ():
            if name not in made and len(made) < least:
                with suppress(ActionSchemaError):
                    made[name] = self._value(properties[name], _member(field, name), depth)
        names = {"type": "string", "allOf": [schema.get("propertyNames", True)]}
        for _ in range(10 * (least - len(made))):
            if len(made) < least:
                made[self._value(names, field, depth)] = self._value(others, field, depth)
        return made

    def _array(self, schema: Schema, field: str, depth: int) -> list[Any]:
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        least = _within_reason(schema.get("minItems", 0), "items")
        most = min(schema.get("maxItems", math.inf), math.inf if rest else len(first))
        usual = len(first) or int(depth < _SHALLOW)
        fewest = max(least, min(usual, most))
        size = self._random.randint(fewest, max(fewest, min(3 * usual, most)))
        different = schema.get("uniqueItems", False)
        made: list[Any] = []
        try:
            for _ in range(10 * size if different else size):
                each = first[len(made)] if len(made) < len(first) else rest
                item = self._value(each, f"{field}[]", depth)
                self._spend(len(made) if different else 1)
                if len(made) < size and not (different and item in made):
                    made.append(item)
        except ActionSchemaError:
            if least > 0:
                raise
            return []
        return made

    def _string(self, schema: Schema, field: str, depth: int) -> str:
        if "pattern" in schema:
            raise _ImpossibleError(f"it must match {schema['pattern']}, and no example of it is given")
        if schema.get("contentMediaType") == "application/json":
            return json.dumps(self._value(schema.get("contentSchema", True), field, depth))
        text = self._text(schema)
        form = schema.get("format", schema.get("contentEncoding"))
        if form is None:
            return text
        if form not in _FORMATS:
            raise _ImpossibleError(f"its format {form} says not enough to make one up")
        bits = self._random.getrandbits(128)
        return _FORMATS[form].format(
            text=text,
            n=self._random.randint(1, 28),
            base64=base64.b64encode(text.encode()).decode(),
            uuid={version: UUID(int=bits, version=version) for version in (1, 3, 4, 5)},
        )

    def _text(self, schema: Schema) -> str:
        least = _within_reason(schema.get("minLength", 0), "characters")
        words = self._random.choices(_WORDS, k=max(self._random.choice([1, 1, 2]), math.ceil(least / 5)))
        text = "-".join(words)[: schema.get("maxLength")]
        self._spend(len(text))
        return text

    def _number(self, schema: Schema) -> float:
        if "multipleOf" in schema:
            return self._multiple(schema, schema["multipleOf"])
        low, high = _range(schema, 1)
        drawn = self._random.uniform(low, high)
        return round(drawn, 2) if low < round(drawn, 2) < high else drawn

    def _multiple(self, schema: Schema, step: float) -> float:
        low, high = _range(schema, 9 * step)
        first, last = int(-(-low // step)), int(high // step)
        first += first * step == schema.get("exclusiveMinimum")
        last -= last * step == schema.get("exclusiveMaximum")
        if first > last:
            raise _ImpossibleError("its bounds leave no value")
        return self._random.randint(first, last) * step

    def _flat(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema with what `$ref` and `allOf` add to it."""
        self._spend(1)
        if depth > _DEEPEST:
            raise _ImpossibleError("its schema nests without end, or too deep")
        if schema is False:
            raise _ImpossibleError("its schema allows nothing")
        if schema is True:
            return {}
        parts = schema.get("allOf", [])
        if "$ref" in schema:
            parts = [self._target(schema["$ref"]), *parts]
        flat: dict[str, Any] = {}
        for part in [*(self._flat(part, depth + 1) for part in parts), schema]:
            self._spend(len(part) + len(part.get("properties", ())) + len(part.get("required", ())))
            flat = _merged(flat, part)
        return {key: value for key, value in flat.items() if key not in ("$ref", "allOf")}

    def _target(self, ref: str) -> Any:
        if ref != "#" and not ref.startswith("#/"):
            raise _ImpossibleError(f"its schema is elsewhere, at {ref}")
        target: Any = self._schema
        for part in unquote(ref).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            target = target[int(key) if isinstance(target, list) else key]
        return target


class _Naming:
    """Turns whatever a stranger's schema brings about into an error that names the field."""

    def __init__(self, field: str) -> None:
        self._field = field

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _ImpossibleError):
            raise ActionSchemaError(self._field, str(error)) from None
        if isinstance(error, Exception) and not isinstance(error, ActionSchemaError):
            raise ActionSchemaError(
                self._field, f"its schema is malformed ({type(error).__name__}: {error})"
            ) from error


def _checked(schema: Any) -> dict[str, Any]:
    """A copy of the schema, without a dialect or an address of its own: these change how it is checked."""
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError

    with _Naming(""):
        if not isinstance(schema, Mapping):
            raise _ImpossibleError("its schema is no object")
        text = json.dumps(dict(schema))
        if len(text) > _LARGEST_SCHEMA:
            raise _ImpossibleError(f"its schema is longer than {_LARGEST_SCHEMA:,} characters")
        copy: dict[str, Any] = json.loads(text, object_hook=_without_identity)
        try:
            Draft202012Validator.check_schema(copy, format_checker=FormatChecker([]))
        except SchemaError as error:
            names = [str(name) for key, name in pairwise(error.absolute_path) if key == "properties"]
            raise ActionSchemaError(".".join(names), f"its schema is malformed ({error.message})") from None
        return copy


def _without_identity(part: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in part.items() if not (k in ("$schema", "$id") and isinstance(v, str))}


def _bounded_validator(schema: Schema, work: _Work) -> "Validator":
    """The validator of jsonschema, made to spend work on every keyword and to fetch nothing.

    Patterns run on pydantic's engine, as they do in the server: its time is linear in the text, where that of
    Python's `re` has no bound.
    """
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend
    from pydantic_core import SchemaError, SchemaValidator, core_schema
    from referencing import Registry

    extended: Callable[..., Callable[..., Validator]] = extend
    failure: Callable[[str], ValidationError] = ValidationError
    matchers: dict[str, SchemaValidator] = {}

    def pattern(
        _validator: object, value: str, instance: object, _schema: object
    ) -> Iterator[ValidationError]:
        if value not in matchers:
            work.spend(_PATTERN_WORK)
            try:
                matchers[value] = SchemaValidator(core_schema.str_schema(pattern=value))
            except SchemaError:
                raise _ImpossibleError(f"its pattern {value} cannot be checked") from None
        if isinstance(instance, str) and not matchers[value].isinstance_python(instance):
            yield failure(f"{instance!r} does not match {value!r}")

    def bounded(keyword: str, check: Callable[..., Any]) -> Callable[..., Any]:
        unbounded = _UNBOUNDED.get(keyword, lambda _instance, _schema: False)

        def checked(validator: Any, value: Any, instance: Any, schema: Schema) -> Any:
            work.spend(1 + (len(value) if isinstance(value, list | dict) else 0))
            if unbounded(instance, schema):
                raise _ImpossibleError(f"{keyword} in its schema takes too much work to check")
            return check(validator, value, instance, schema)

        return checked

    standard = {**Draft202012Validator.VALIDATORS, "pattern": pattern}
    checks = {keyword: bounded(keyword, check) for keyword, check in standard.items()}
    formats = Draft202012Validator.FORMAT_CHECKER
    return extended(Draft202012Validator, checks)(schema, registry=Registry(), format_checker=formats)


_UNBOUNDED: dict[str, Callable[[Any, Schema], bool]] = {
    "$dynamicRef": lambda _instance, _schema: True,
    "additionalProperties": lambda instance, schema: bool(instance) and "patternProperties" in schema,
    "patternProperties": lambda instance, _schema: bool(instance),
    "unevaluatedItems": lambda _instance, _schema: True,
    "unevaluatedProperties": lambda _instance, _schema: True,
    "uniqueItems": lambda instance, _schema: isinstance(instance, list) and len(instance) > _MOST_COMPARED,
}
"""When a keyword makes jsonschema follow references, use `re` or compare all pairs without our seeing it."""


def _merged(one: Schema, other: Schema) -> dict[str, Any]:
    """A schema that asks for what both do; where one keyword has two values, mostly what the other does."""
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        mine, others = one["properties"], other["properties"]
        shared = {name: {"allOf": [mine[name], others[name]]} for name in mine if name in others}
        both["properties"] = {**mine, **others, **shared}
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *other["required"]]
    return both


def _with_tags(branch: Schema, tag: str | None) -> dict[str, Any]:
    """An alternative with all that tells it from others required, which pydantic does not say of defaults."""
    properties = branch.get("properties", {})
    tags = [name for name, each in properties.items() if name == tag or "const" in _mapping(each)]
    return {**branch, "required": [*branch.get("required", []), *tags]} if tags else dict(branch)


def _rank(branch: Any, depth: int) -> int:
    """How late an alternative is tried: free text stands in for other things, null for nothing."""
    branch = _mapping(branch)
    kind = branch.get("type")
    if depth > _SHALLOW and ("$ref" in branch or kind in ("object", "array")):
        return 3
    if kind == "null":
        return 2
    return int(kind == "string" and not branch.keys() & {"const", "enum", "examples", "format"})


def _range(schema: Schema, usual: float) -> tuple[float, float]:
    """The bounds, narrowed to a `usual` width where they are none, or far apart."""
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    if high - low > _WIDEST:
        low = max(low, 0 if high > 0 else high - usual)
        high = min(high, low + usual)
    if low > high:
        raise _ImpossibleError("its bounds leave no value")
    return low, high


def _within_reason(least: int, what: str) -> int:
    if least > _LONGEST:
        raise _ImpossibleError(f"it must have at least {least:,} {what}")
    return least


def _member(field: str, name: str) -> str:
    return f"{field}.{name}" if field and name else field or name


def _field_of(path: Iterable[str | int]) -> str:
    field = ""
    for part in path:
        field = f"{field}[]" if isinstance(part, int) else _member(field, part)
    return field


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
