import asyncio
import datetime
import decimal
import enum
import ipaddress
import json
import random
import re
import subprocess
import sys
import uuid
from collections import Counter
from typing import Annotated, Any, Literal, Optional

import pydantic
import pytest
from fastmcp import Client, FastMCP
from jsonschema import Draft202012Validator
from openenv.core.env_server.mcp_types import CallToolAction, ListToolsAction, Tool
from openenv.core.env_server.types import Action
from pydantic import BaseModel, Field, RootModel, TypeAdapter

from benchmark_env.models import BenchmarkAction
from loadtests.actions.from_schema import (
    ActionSchemaError,
    is_tool_call,
    sample_actions,
    takes_wait,
    tool_actions,
)


class Piece(enum.Enum):
    KNIGHT = "knight"
    ROOK = "rook"


class Point(BaseModel):
    x: int = Field(ge=-3, le=3)
    y: float = Field(gt=0, lt=1)
    label: str = Field(default="", pattern="^[A-Z]*$")


class Tree(BaseModel):
    value: int
    left: Optional["Tree"]
    right: Optional["Tree"]
    others: list["Tree"]


class Endless(BaseModel):
    inner: "Endless"


class Walk(BaseModel):
    kind: Literal["walk"] = "walk"
    steps: int


class Say(BaseModel):
    kind: Literal["say", "shout"] = "say"
    text: str


class Move(RootModel[Annotated[Walk | Say, Field(discriminator="kind")]]):
    pass


def action_with(kind: Any) -> type[Action]:
    model: type[Action] = pydantic.create_model("MadeAction", __base__=Action, move=(kind, ...))
    return model


def schema_with(move: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"move": move}, "required": ["move"], **more}


def moves(schema: Any, count: int = 20, **more: Any) -> list[Any]:
    return [action["move"] for action in sample_actions(schema_with(schema, **more), count)]


@pytest.mark.parametrize(
    "kind",
    [
        int,
        float,
        str,
        bool,
        None,
        Any,
        object,
        bytes,
        int | None,
        int | str,
        Piece,
        Point,
        Tree,
        Walk | Say,
        Annotated[Walk | Say, Field(discriminator="kind")],
        Move,
        Literal["only"],
        Literal[1, "2", None],
        tuple[int, str],
        tuple[Piece, ...],
        list[Point],
        list[list[float]],
        set[int],
        frozenset[Piece],
        dict[str, int],
        dict[Piece, int],
        Annotated[dict[str, int], Field(min_length=3)],
        Annotated[dict[Piece, int], Field(min_length=2)],
        Annotated[set[bool], Field(min_length=2)],
        Annotated[list[float], Field(min_length=7, max_length=7)],
        Annotated[list[int], Field(max_length=0)],
        Annotated[int, Field(ge=3, multiple_of=5)],
        Annotated[int, Field(gt=0, lt=3)],
        Annotated[int, Field(lt=0)],
        Annotated[int, Field(ge=10**30)],
        Annotated[int, Field(ge=0, le=2**63)],
        Annotated[float, Field(gt=1, multiple_of=0.25)],
        Annotated[float, Field(gt=0, lt=1e-9)],
        Annotated[float, Field(le=-5)],
        Annotated[float, Field(ge=2, le=2)],
        Annotated[str, Field(min_length=7, max_length=8)],
        Annotated[str, Field(max_length=2)],
        Annotated[str, Field(min_length=200)],
        Annotated[str, Field(pattern="^[a-h][1-8]$", examples=["e4"])],
        Annotated[decimal.Decimal, Field(max_digits=5, decimal_places=2)],
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        pydantic.AwareDatetime,
        pydantic.PastDate,
        uuid.UUID,
        pydantic.UUID1,
        pydantic.UUID5,
        pydantic.AnyUrl,
        pydantic.HttpUrl,
        pydantic.EmailStr,
        pydantic.NameEmail,
        pydantic.IPvAnyAddress,
        pydantic.IPvAnyNetwork,
        ipaddress.IPv4Address,
        ipaddress.IPv4Network,
        ipaddress.IPv6Address,
        ipaddress.IPv6Interface,
        pydantic.SecretStr,
        pydantic.Base64Bytes,
        pydantic.Base64UrlStr,
        pydantic.Json,
        pydantic.Json[list[int]],
        pydantic.ByteSize,
        re.Pattern,
    ],
    ids=str,
)
def test_pydantic_accepts_what_its_schema_led_to(kind: Any) -> None:
    model = action_with(kind)
    actions = sample_actions(model.model_json_schema(), 8)
    assert actions
    for action in actions:
        assert action.keys() == {"move"}
        model.model_validate_json(json.dumps(action))


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (Annotated[str, Field(pattern="^a")], "move"),
        (Annotated[str, Field(pattern="^a", min_length=3, examples=["ab"])], "move"),
        (Annotated[list[Annotated[str, Field(pattern="^a")]], Field(min_length=1)], "move[]"),
        (pydantic.FilePath, "move"),
        (pydantic.PostgresDsn, "move"),
        (Annotated[set[bool], Field(min_length=3)], "move"),
        (Annotated[int, Field(gt=1, lt=2)], "move"),
        (Endless, "move.inner.inner"),
    ],
)
def test_a_field_that_cannot_be_made_up_is_named(kind: Any, field: str) -> None:
    with pytest.raises(ActionSchemaError) as raised:
        sample_actions(action_with(kind).model_json_schema(), 3)
    assert raised.value.field.startswith(field)
    assert f"no valid value for {field}" in str(raised.value)


def test_optional_fields_are_left_to_the_server() -> None:
    assert sample_actions(BenchmarkAction.model_json_schema(), 5) == [{}]
    assert all(point.keys() == {"x", "y"} for point in moves(Point.model_json_schema()))


def test_actions_differ_and_are_the_same_for_a_seed() -> None:
    schema = action_with(Point).model_json_schema()
    actions = sample_actions(schema, 50, seed=1)
    assert len({json.dumps(action) for action in actions}) == 50
    assert sample_actions(schema, 50, seed=1) == actions
    assert sample_actions(schema, 50, seed=2) != actions


def test_every_choice_is_found_where_there_are_few() -> None:
    assert sorted(moves({"enum": list(range(60))}, 100)) == list(range(60))
    assert sample_actions(schema_with({"type": "boolean"}), 0) == []


def test_free_text_is_of_short_words() -> None:
    assert all(re.fullmatch(r"[a-z]{5}(-[a-z]{5})?", text) for text in moves({"type": "string"}))
    assert all(re.fullmatch(r"[a-z]{5}", text) for text in moves({"minLength": 5, "maxLength": 5}, 10))


def test_unbounded_numbers_are_small() -> None:
    assert set(moves({"type": "integer"}, 50)) == set(range(10))
    assert all(0 <= number <= 1 for number in moves({"type": "number"}))
    assert set(moves({"type": "integer", "exclusiveMinimum": 100}, 50)) <= set(range(101, 110))
    assert max(moves({"type": "integer", "minimum": 0, "maximum": 500}, 100)) > 100


def test_examples_come_before_defaults_and_both_must_be_valid() -> None:
    text = {"type": "string", "pattern": "^[a-h][1-8]$", "maxLength": 2}
    assert set(moves({**text, "examples": ["e4", "d4", "pawn"], "default": "a1"})) == {"e4", "d4"}
    assert moves({**text, "examples": ["pawn"], "default": "a1"}) == ["a1"]


@pytest.mark.parametrize(
    "offer", [{"const": "e4"}, {"enum": ["e4"]}, {"examples": ["e4"]}, {"default": "e4"}]
)
def test_what_a_schema_offers_is_believed_to_match_its_pattern(offer: dict[str, Any]) -> None:
    assert moves({"type": "string", "pattern": "^[a-h][1-8]$", **offer}) == ["e4"]
    definitions: dict[str, Any] = {"$defs": {"square": {"pattern": "^no$"}}}
    assert moves({**offer, "$ref": "#/$defs/square"}, **definitions) == ["e4"]
    inner = schema_with({"pattern": "^[a-h][1-8]$"})
    assert moves({**inner, "examples": [{"move": "e4"}]}) == [{"move": "e4"}]


def test_an_invented_text_is_never_given_where_a_pattern_counts() -> None:
    assert moves({"anyOf": [{"type": "string", "pattern": "x"}, {"type": "string", "format": "date"}]})
    for conditional in ({"if": {"minLength": 1}, "then": {"pattern": "x"}}, {"not": {"pattern": "x"}}):
        with pytest.raises(ActionSchemaError, match="valid"):
            moves({"type": "string", **conditional})


def test_null_and_free_text_stand_back_behind_other_choices() -> None:
    assert None not in moves({"anyOf": [{"type": "null"}, {"type": "integer"}]})
    assert moves({"type": ["null", "string"], "pattern": "x"}) == [None]
    assert all(isinstance(move, float) for move in moves(TypeAdapter(decimal.Decimal).json_schema()))


def test_a_union_of_actions_is_spread_over_its_members() -> None:
    kinds = Counter(action["kind"] for action in sample_actions(Move.model_json_schema(), 60))
    assert kinds.keys() == {"walk", "say", "shout"}


def test_members_of_a_union_are_told_apart_without_a_discriminator() -> None:
    union = {
        "oneOf": [
            Walk.model_json_schema(),
            {**Walk.model_json_schema(), "properties": {"kind": {"const": "run"}}},
        ]
    }
    assert {action["kind"] for action in sample_actions(union, 20)} == {"walk", "run"}


def test_allof_and_siblings_of_a_reference_count_together() -> None:
    schema = {
        "$defs": {"Base": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}},
        "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"a": {"minimum": 7}}}],
        "properties": {"b": {"const": "x"}},
        "required": ["b"],
    }
    for action in sample_actions(schema, 10):
        assert action["b"] == "x"
        assert action["a"] >= 7


@pytest.mark.parametrize(
    "format_name", ["date-time", "date", "time", "duration", "hostname", "color", "binary", "path"]
)
def test_a_known_format_is_written(format_name: str) -> None:
    assert moves({"type": "string", "format": format_name})


REDOS = "^(a+)+$"
VICTIM = "a" * 60 + "!"
DEFINITIONS: dict[str, Any] = {"doubled35": {}, "hidden35": {}, "fanned20": {}}
DEFINITIONS["puzzle"] = {"if": {"$ref": "#/$defs/puzzle"}, "else": {"$ref": "#/$defs/puzzle"}}
for step in range(35):
    DEFINITIONS[f"doubled{step}"] = {"allOf": [{"$ref": f"#/$defs/doubled{step + 1}"}] * 2}
    DEFINITIONS[f"hidden{step}"] = {"not": {"allOf": [{"$ref": f"#/$defs/hidden{step + 1}"}] * 2}}
for step in range(20):
    branch = {"$ref": f"#/$defs/fanned{step + 1}"}
    DEFINITIONS[f"fanned{step}"] = {"required": ["l", "r"], "properties": {"l": branch, "r": branch}}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema, "minItems": 1}
    return schema


@pytest.mark.parametrize(
    "move",
    [
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9},
        {"type": "array", "minItems": 9999, "items": {"type": "array", "minItems": 9999}},
        {"type": "object", "minProperties": 10**9},
        {"type": "array", "minItems": 500, "items": {"const": "x" * 100_000}},
        {"type": "array", "minItems": 9000, "uniqueItems": True},
        {"type": "array", "uniqueItems": True, "examples": [[1, "a", {}] * 5000]},
        {"type": "string", "pattern": REDOS, "maxLength": 3, "examples": [VICTIM]},
        {"type": "string", "minLength": 10**6},
        {"type": "array", "items": {}, "maxItems": 3, "examples": [[0] * 100_000]},
        {"type": "object", "patternProperties": {REDOS: {}}, "examples": [{VICTIM: 1}]},
        {"patternProperties": {REDOS: {}}, "additionalProperties": False, "examples": [{VICTIM: 1}]},
        {"$ref": "#/$defs/doubled0"},
        {"$ref": "#/$defs/fanned0"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#/$defs/puzzle", "examples": [1]},
        {"$ref": "#/properties/move"},
        {"$ref": "#"},
        {"type": "integer", "minimum": 10**400},
        {"type": "number", "minimum": 3, "maximum": 2},
        {"type": "string", "minLength": "3"},
        {"type": "string", "format": "fen\n\x1b[31m"},
        {"type": "wibble"},
        {"enum": []},
        {"anyOf": []},
        {"not": {}},
        False,
    ],
    ids=lambda move: json.dumps(move)[:60],
)
def test_a_hostile_schema_ends_in_an_error_that_names_the_field(move: Any) -> None:
    with pytest.raises(ActionSchemaError) as raised:
        sample_actions(schema_with(move, **{"$defs": DEFINITIONS}), 100)
    assert raised.value.field.startswith("move")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 450


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        True,
        {"type": "integer"},
        {"type": object()},
        {"type": "object", "required": "move"},
        {"properties": []},
        {"properties": {"move": {}}, "required": [["move"]]},
        {"x": "y" * 1_000_000},
        {"$ref": "#"},
        {"$dynamicRef": "#x"},
        {"unevaluatedProperties": False},
        schema_with({"const": float("nan")}),
        schema_with({"type": "integer", "minimum": 10**5000}),
        schema_with({"type": "integer", "not": {"$ref": "#/$defs/hidden0"}}, **{"$defs": DEFINITIONS}),
        schema_with(nested(100)),
        schema_with(nested(5000)),
    ],
)
def test_what_is_no_usable_schema_ends_in_an_error(schema: Any) -> None:
    with pytest.raises(ActionSchemaError) as raised:
        sample_actions(schema, 10)
    assert str(raised.value).isprintable()


def random_schema(draw: random.Random, depth: int = 0) -> dict[str, Any]:
    """A schema such as pydantic writes, with bounds that may contradict each other."""
    low, high = sorted((draw.randint(-9, 9), draw.randint(-9, 9)))
    few, many = sorted((draw.randint(0, 4), draw.randint(0, 4)))
    leaves: list[dict[str, Any]] = [
        {"type": "integer", "minimum": low, "exclusiveMaximum": high},
        {"type": "integer", "exclusiveMinimum": low, "multipleOf": draw.randint(1, 4)},
        {"type": "number", "exclusiveMinimum": low, "maximum": high},
        {"type": "string", "minLength": few, "maxLength": many},
        {"type": "string", "format": draw.choice(["date", "uuid", "ipv4", "email", "strange"])},
        {"type": "string", "pattern": "^[ab]+$", "examples": draw.sample(["a", "b", "ab"], few % 4)},
        {"enum": ["a", 1, None][few % 3 :]},
        {"const": {"a": [low]}},
        {"type": ["null", "boolean"]},
        {"$ref": "#/$defs/Node"},
        {},
    ]
    if depth > 2 or draw.random() < 0.3:
        return draw.choice(leaves)
    parts = {name: random_schema(draw, depth + 1) for name in "abc"}
    members = list(parts.values())
    return draw.choice(
        [
            {
                "type": "object",
                "properties": parts,
                "required": draw.sample("abc", min(few, 3)),
                "minProperties": few,
            },
            {"type": "object", "properties": parts, "additionalProperties": False, "minProperties": few},
            {"type": "object", "additionalProperties": members[0], "minProperties": few},
            {"type": "array", "items": members[0], "minItems": few, "maxItems": many, "uniqueItems": low < 0},
            {
                "type": "array",
                "prefixItems": members,
                "items": draw.choice([False, members[0]]),
                "minItems": many,
            },
            {draw.choice(["anyOf", "oneOf", "allOf"]): members},
            {"not": members[0], **members[1]},
            {"if": members[0], "then": members[1], "else": members[2]},
        ]
    )


def test_whatever_the_schema_the_actions_are_valid_or_a_field_is_named() -> None:
    errors: list[ActionSchemaError] = []
    for seed in range(40):
        draw = random.Random(seed)
        schema = schema_with(random_schema(draw), additionalProperties=False)
        schema["$defs"] = {"Node": {"properties": {"next": random_schema(draw)}, "required": ["next"]}}
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        try:
            actions = sample_actions(schema, 5, seed)
        except ActionSchemaError as error:
            errors.append(error)
        else:
            assert actions
            assert all(validator.is_valid(action) for action in actions), seed
    assert 5 < len(errors) < 30
    assert [error for error in errors if "malformed" in error.why or not error.field.startswith("move")] == []


def mangled(part: Any, draw: random.Random) -> Any:
    if draw.random() < 0.03:
        return draw.choice([None, -1, 1e400, "#", [], {}, [[]], True, "object", 10**30])
    if isinstance(part, dict):
        return {key: mangled(value, draw) for key, value in part.items()}
    return [mangled(each, draw) for each in part] if isinstance(part, list) else part


def test_a_mangled_schema_never_ends_in_another_error() -> None:
    original = action_with(Tree | Point | Move).model_json_schema()
    failed = 0
    for seed in range(40):
        schema = mangled(original, random.Random(seed))
        try:
            actions = sample_actions(schema, 3, seed)
        except ActionSchemaError:
            failed += 1
        else:
            json.dumps(actions, allow_nan=False)
    assert 0 < failed < 40


NO_ARGUMENTS = {"name": "look", "description": "", "inputSchema": {"type": "object", "properties": {}}}
WALK = {"name": "walk", "inputSchema": {"properties": {"steps": {"type": "integer"}}, "required": ["steps"]}}
UNKNOWN = {"name": "open", "inputSchema": schema_with({"type": "string", "pattern": "x"})}


def test_tools_are_called_equally_often_with_valid_arguments() -> None:
    actions = tool_actions([NO_ARGUMENTS, WALK], 20)
    assert Counter(action["tool_name"] for action in actions) == {"look": 10, "walk": 10}
    assert len({json.dumps(action) for action in actions}) > 8
    for action in actions:
        called = CallToolAction.model_validate(action)
        assert called.arguments.keys() == ({"steps"} if called.tool_name == "walk" else set())
    assert tool_actions([NO_ARGUMENTS, WALK], 20) == actions


def test_an_mcp_server_answers_the_calls() -> None:
    server = FastMCP("game")

    def walk(steps: int, side: Literal["left", "right"], start: Point, pace: float | None = None) -> str:
        return f"{steps} {side} from {start.x} {pace}"

    def look() -> str:
        return "trees"

    async def results() -> list[str]:
        server.tool(walk)
        server.tool(look)
        async with Client(server) as client:
            tools = [tool.model_dump() for tool in await client.list_tools()]
            calls = tool_actions(tools, 6)
            return [(await client.call_tool(each["tool_name"], each["arguments"])).data for each in calls]

    said = asyncio.run(results())
    assert said.count("trees") == 3
    assert len(set(said)) == 4


def test_the_tools_of_openenv_are_read_too() -> None:
    tool = Tool(name="walk", description="", input_schema=WALK["inputSchema"])
    assert tool_actions([tool.model_dump()], 3)[0]["arguments"].keys() == {"steps"}


def test_a_tool_whose_arguments_cannot_be_made_is_left_out() -> None:
    broken: list[Any] = [UNKNOWN, {"name": 5}, {"name": "bare"}, None, WALK]
    assert {action["tool_name"] for action in tool_actions(broken, 7)} == {"walk"}


@pytest.mark.parametrize(
    ("tools", "field"), [([UNKNOWN, {"name": "bare"}], "open.move"), ([{"name": "bare"}], "bare"), ([], "")]
)
def test_where_no_tool_is_left_the_first_is_named(tools: list[Any], field: str) -> None:
    with pytest.raises(ActionSchemaError) as raised:
        tool_actions(tools, 5)
    assert raised.value.field == field


def test_a_tool_call_is_known_by_its_schema() -> None:
    assert is_tool_call(CallToolAction.model_json_schema())
    for other in (ListToolsAction, BenchmarkAction, Action):
        assert not is_tool_call(other.model_json_schema())


def test_an_action_that_takes_a_wait_is_known_by_its_schema() -> None:
    assert takes_wait(BenchmarkAction.model_json_schema())
    assert takes_wait({"properties": {"wait_seconds": {"type": "number"}}, "required": ["wait_seconds"]})
    assert not takes_wait({"properties": {"wait_seconds": {"type": "number"}}, "required": ["move"]})
    assert not takes_wait({"properties": {"wait_seconds": {"type": "string"}}})
    assert not takes_wait(CallToolAction.model_json_schema())


@pytest.mark.parametrize(
    "schema", [None, [], {"properties": 3}, {"properties": {"wait_seconds": 1, "type": []}}]
)
def test_a_malformed_schema_is_of_no_known_kind(schema: Any) -> None:
    assert not is_tool_call(schema)
    assert not takes_wait(schema)


def test_the_validator_is_loaded_only_when_actions_are_made() -> None:
    code = "import loadtests.actions.from_schema, sys; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
