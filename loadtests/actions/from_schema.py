"""Valid actions for any environment, made from the JSON schemas that its server publishes.

Required fields are filled, optional ones left out: the server's own default is always valid, and an invented
value (a game's name, say) may not be. A field with a pattern gets only what its schema offers (const, enum,
examples, default), which is assumed to match: patterns are never run. Schemas are untrusted: work, memory and
nesting are bounded, and nothing is fetched.
"""

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from random import Random
from typing import Any
from urllib.parse import unquote

from loadtests.actions.schema_check import Budget, Schema, SchemaCheck, UnusableSchemaError
from reports.page.words import printable

_DEEPEST = 40
"""Levels of a value."""
_SHALLOW = 6
"""Below this depth the simplest choices are made, so that recursive schemas end."""
_WIDEST = 10_000
"""A range between bounds is used in full up to this width; a wider one only near zero or near a bound."""
_MISSES = 50
"""How many tries in a row may give nothing new."""

_WORDS = ["apple", "beach", "bread", "chair", "cloud", "dance", "eagle", "field", "grape", "green"]
_WORDS += ["house", "lemon", "light", "maple", "music", "ocean", "olive", "paper", "river", "table"]

_FORMS = {
    "{text}": "binary password path regex",
    '"{text}"': "json-string",
    "{text}@example.com": "email",
    "{text} <{text}@example.com>": "name-email",
    "{text}.example.com": "hostname",
    "https://example.com/{text}": "uri",
    "2024-05-{day}": "date",
    "2024-05-{day}T12:00:00Z": "date-time",
    "12:00:{day}Z": "time",
    "PT{day}S": "duration",
    "192.0.2.{day}": "ipv4 ipv4interface ipv4network ipvanyaddress ipvanyinterface ipvanynetwork",
    "2001:db8::{day}": "ipv6 ipv6interface ipv6network",
    "{base64}": "base64 base64url",
    "#{hex:.6}": "color",
    "{hex}-0000-1000-8000-000000000000": "uuid1",
    "{hex}-0000-3000-8000-000000000000": "uuid3",
    "{hex}-0000-4000-8000-000000000000": "uuid uuid4",
    "{hex}-0000-5000-8000-000000000000": "uuid5",
}
"""How formats are written. Those that need knowledge we lack, such as an existing file, are left out."""

_IMPLIED_TYPES = {
    "object": {"properties", "required", "minProperties"},
    "array": {"items", "prefixItems", "minItems"},
    "number": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
}
"""The type that keywords imply where a schema names none; text otherwise."""


class ActionSchemaError(Exception):
    """No valid value can be made for a field."""

    def __init__(self, field: str, why: str) -> None:
        self.field = printable(field, 100)
        """Such as `move`, `target.x` or `moves[]`; empty for the action as a whole."""
        self.why = printable(why)
        super().__init__(f"no valid value for {self.field or 'the action'}: {self.why}")


def sample_actions(schema: Schema, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Up to `count` different valid actions, fewer where there are no more; the same ones for the same seed.

    Raises ActionSchemaError where none can be made.
    """
    return _sample(schema, count, seed, Budget())


def tool_actions(tools: Sequence[Mapping[str, Any]], count: int, seed: int = 0) -> list[dict[str, Any]]:
    """`count` actions that call an MCP environment's tools in turn, so that all are called equally often.

    `tools` is as in the answer to tools/list. A tool with few different arguments is called with them again;
    one whose arguments cannot be made is left out. Raises ActionSchemaError where none is left.
    """
    budget = Budget()
    calls: list[Iterator[dict[str, Any]]] = []
    failures: list[ActionSchemaError] = []
    for tool in tools if isinstance(tools, Sequence) else ():
        try:
            calls.append(cycle(_tool_calls(tool, math.ceil(count / len(tools)), seed, budget)))
        except ActionSchemaError as error:
            failures.append(error)
    if not calls:
        raise failures[0] if failures else ActionSchemaError("", "the environment has no tools")
    return [next(call) for call in islice(cycle(calls), count)]


def is_tool_call(schema: Schema) -> bool:
    """Whether the action is OpenEnv's CallToolAction, so that its tools say what is valid."""
    properties = _mapping(_mapping(schema).get("properties"))
    kind = _mapping(properties.get("type"))
    named = "tool_name" in properties and "arguments" in properties
    return named and "call_tool" in (kind.get("const"), kind.get("default"))


def takes_wait(schema: Schema) -> bool:
    """Whether the action is the Benchmark environment's: it has `wait_seconds` and requires nothing else."""
    schema = _mapping(schema)
    wait = _mapping(_mapping(schema.get("properties")).get("wait_seconds"))
    return wait.get("type") == "number" and schema.get("required", []) in ([], ["wait_seconds"])


def _sample(schema: Schema, count: int, seed: int, budget: Budget) -> list[dict[str, Any]]:
    sampler = _Sampler(schema, Random(seed), budget)
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


def _tool_calls(tool: Any, count: int, seed: int, budget: Budget) -> list[dict[str, Any]]:
    tool = _mapping(tool)
    name = tool.get("name")
    if not isinstance(name, str):
        raise ActionSchemaError("tool_name", "a tool has no name")
    try:
        arguments = _sample(tool.get("inputSchema", tool.get("input_schema")), count, seed, budget)
    except ActionSchemaError as error:
        raise ActionSchemaError(_member(name, error.field), error.why) from error
    return [{"type": "call_tool", "tool_name": name, "arguments": each} for each in arguments]


class _Sampler:
    """Draws values from a schema: one method for each kind of value."""

    def __init__(self, schema: Any, random: Random, budget: Budget) -> None:
        with _naming(""):
            self._check = SchemaCheck(schema, budget)
        self._random = random
        self._spend = budget.spend

    def action(self) -> str:
        """A valid action as JSON. Raises ActionSchemaError."""
        made = self._value({"type": "object", "allOf": [self._check.schema]}, "", 0)
        with _naming(""):
            if not isinstance(made, dict):
                raise UnusableSchemaError("it is not an object")
            for error in self._check.errors(made):
                raise UnusableSchemaError(error.message, error.json_path.removeprefix("$").removeprefix("."))
            return json.dumps(made, allow_nan=False)

    def _value(self, schema: Any, field: str, depth: int) -> Any:
        with _naming(field):
            flat = self._flat(schema, depth)
            for offered in self._offered(flat):
                self._spend(len(json.dumps(offered)))
                return offered
            for keyword in ("anyOf", "oneOf", "type"):
                if isinstance(flat.get(keyword), list):
                    return self._union(flat, keyword, field, depth)
            return self._of_type(flat, field, depth)

    def _offered(self, schema: Schema) -> Iterator[Any]:
        """What the schema itself offers as a value, if anything."""
        if "const" in schema:
            yield schema["const"]
        if "enum" in schema:
            yield self._random.choice(schema["enum"])
        examples = schema.get("examples", [])
        defaults = [schema["default"]] if "default" in schema else []
        for offered in [*self._random.sample(examples, len(examples)), *defaults]:
            if self._check.accepts(offered, schema):
                yield offered

    def _union(self, schema: Schema, keyword: str, field: str, depth: int) -> Any:
        """A value of one of the alternatives, chosen among the best that work."""
        rest = {key: value for key, value in schema.items() if key != keyword}
        tag = _mapping(schema.get("discriminator")).get("propertyName")
        branches = [{"type": each} if keyword == "type" else each for each in schema[keyword]]
        failure = ActionSchemaError(field, f"its {keyword} is empty")
        self._random.shuffle(branches)
        for branch in sorted(branches, key=lambda each: _rank(each, depth)):
            try:
                chosen = self._flat({"allOf": [rest, branch]}, depth + 1)
                return self._value(_with_tags(chosen, tag), field, depth + 1)
            except ActionSchemaError as error:
                failure = error
        raise failure

    def _of_type(self, schema: Schema, field: str, depth: int) -> Any:
        implied = (kind for kind, keywords in _IMPLIED_TYPES.items() if keywords & schema.keys())
        match schema.get("type") or next(implied, "string"):
            case "object":
                return self._object(schema, field, depth + 1)
            case "array":
                return self._array(schema, field, depth + 1)
            case "string":
                return self._string(schema, field, depth + 1)
            case "number" if "multipleOf" not in schema:
                return self._fraction(schema)
            case "integer" | "number":
                return self._multiple(schema)
            case "boolean":
                return self._random.choice([False, True])
            case "null":
                return None
            case kind:
                raise UnusableSchemaError(f"its type {kind} is unknown")

    def _object(self, schema: Schema, field: str, depth: int) -> dict[str, Any]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        required, least = dict.fromkeys(schema.get("required", [])), schema.get("minProperties", 0)
        made: dict[str, Any] = {}
        for name in list({**required, **properties})[: max(least, len(required))]:
            self._spend(len(name))
            made[name] = self._value(properties.get(name, others), _member(field, name), depth)
        names = {"type": "string", "allOf": [schema.get("propertyNames", True)]}
        for _ in range(10 * (least - len(made))):
            if len(made) < least:
                made[self._value(names, field, depth)] = self._value(others, field, depth)
        return made

    def _array(self, schema: Schema, field: str, depth: int) -> list[Any]:
        first, rest = schema.get("prefixItems", []), schema.get("items", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        usual = len(first) or (self._random.randint(1, 3) if depth < _SHALLOW else 0)
        size = max(least, min(usual, most))
        unique = schema.get("uniqueItems", False)
        made: list[Any] = []
        try:
            for _ in range(10 * size):
                if len(made) == size:
                    break
                part = first[len(made)] if len(made) < len(first) else rest
                item = self._value(part, f"{field}[]", depth)
                self._spend(len(made) if unique else 1)
                if not (unique and item in made):
                    made.append(item)
        except ActionSchemaError:
            if least > 0:
                raise
            return []
        return made

    def _string(self, schema: Schema, field: str, depth: int) -> str:
        if "pattern" in schema:
            raise UnusableSchemaError(f"it must match {schema['pattern']}, and no example of it is given")
        if schema.get("contentMediaType") == "application/json":
            return json.dumps(self._value(schema.get("contentSchema", True), field, depth))
        least = max(5, schema.get("minLength", 0))
        self._spend(least)
        words = self._random.choices(_WORDS, k=math.ceil(least / 5) + self._random.choice([0, 0, 1]))
        text = "-".join(words)[: schema.get("maxLength")]
        name = schema.get("format", schema.get("contentEncoding"))
        return self._written(name, text) if name else text

    def _written(self, name: str, text: str) -> str:
        for form, names in _FORMS.items():
            if name in names.split():
                return form.format(
                    text=text,
                    base64=base64.b64encode(text.encode()).decode(),
                    day=self._random.randint(10, 28),
                    hex=f"{self._random.getrandbits(32):08x}",
                )
        raise UnusableSchemaError(f"its format {name} does not say enough to make one up")

    def _fraction(self, schema: Schema) -> float:
        low, high = _range(schema, 1)
        drawn = self._random.uniform(low, high)
        return round(drawn, 2) if low < round(drawn, 2) < high else drawn

    def _multiple(self, schema: Schema) -> float:
        step: float = schema.get("multipleOf", 1)
        low, high = _range(schema, 9 * step)
        first, last = int(-(-low // step)), int(high // step)
        first += first * step == schema.get("exclusiveMinimum")
        last -= last * step == schema.get("exclusiveMaximum")
        if first > last:
            raise UnusableSchemaError("its bounds leave no value")
        return self._random.randint(first, last) * step

    def _flat(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema with what `$ref` and `allOf` add to it."""
        self._spend(1)
        if depth > _DEEPEST:
            raise UnusableSchemaError("its schema nests endlessly, or too deeply")
        if schema is False:
            raise UnusableSchemaError("its schema allows nothing")
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
            raise UnusableSchemaError(f"its schema is elsewhere, at {ref}")
        target: Any = self._check.schema
        for part in unquote(ref).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            target = target[int(key) if isinstance(target, list) else key]
        return target


@contextmanager
def _naming(field: str) -> Iterator[None]:
    """Turns whatever an untrusted schema causes into an error that names the field."""
    try:
        yield
    except ActionSchemaError:
        raise
    except UnusableSchemaError as error:
        raise ActionSchemaError(error.field or field, error.why) from None
    except Exception as error:
        raise ActionSchemaError(field, f"its schema is malformed ({error!r})") from error


def _merged(one: Schema, other: Schema) -> dict[str, Any]:
    """A schema that asks for what both do; where a keyword has two values, usually the other's."""
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        mine, others = one["properties"], other["properties"]
        shared = {name: {"allOf": [mine[name], others[name]]} for name in mine if name in others}
        both["properties"] = {**mine, **others, **shared}
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *other["required"]]
    return both


def _with_tags(branch: Schema, tag: str | None) -> dict[str, Any]:
    """An alternative that requires everything that tells it from others; pydantic leaves that optional."""
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
    """The bounds, narrowed to a `usual` width where they are missing or far apart."""
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    if high - low > _WIDEST:
        low = max(low, 0 if high > 0 else high - usual)
        high = min(high, low + usual)
    return low, high


def _member(field: str, name: str) -> str:
    return f"{field}.{name}" if field and name else field or name


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
