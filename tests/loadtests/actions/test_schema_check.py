import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from loadtests.actions.schema_check import Budget, SchemaCheck, UnusableSchemaError

REDOS = "^(a+)+$"
VICTIM = "a" * 60 + "!"


def messages(schema: Any, value: Any) -> list[str]:
    return [error.message for error in SchemaCheck(schema, Budget()).errors(value)]


def test_a_value_is_checked_with_the_formats_that_the_standard_names() -> None:
    schema = {"type": "object", "properties": {"when": {"format": "date"}, "n": {"minimum": 2}}}
    assert messages(schema, {"when": "2024-05-01", "n": 2}) == []
    assert messages(schema, {"when": "today", "n": 1}) == [
        "'today' is not a 'date'",
        "1 is less than the minimum of 2",
    ]


def test_a_part_is_checked_with_the_references_of_the_whole() -> None:
    check = SchemaCheck({"$defs": {"Few": {"maximum": 3}}}, Budget())
    assert check.accepts(3, {"$ref": "#/$defs/Few"})
    assert not check.accepts(4, {"$ref": "#/$defs/Few"})


def test_the_schema_is_a_copy_without_dialect_and_address() -> None:
    given = {"$schema": "http://json-schema.org/draft-04/schema#", "$id": "x", "properties": {"$id": {}}}
    assert SchemaCheck(given, Budget()).schema == {"properties": {"$id": {}}}
    assert "$id" in given


def test_a_pattern_is_met_by_the_texts_of_the_schema_alone() -> None:
    schema = {"anyOf": [{"pattern": "^b"}], "examples": ["a", {"key": 1}], "propertyNames": {"pattern": "^b"}}
    for value in ("a", 5, {"key": 1}):
        assert messages(schema, value) == []
    assert messages({"pattern": "^b"}, "b") == ["it must match ^b, and no example of it is given"]
    assert messages({"anyOf": [{"pattern": "^b"}, {"maxLength": 1}]}, "b") == []


@pytest.mark.parametrize("schema", [{"not": {"pattern": "^b"}}, {"if": {"pattern": "^b"}, "then": False}])
def test_it_is_not_guessed_that_a_text_does_not_match(schema: Any) -> None:
    with pytest.raises(UnusableSchemaError, match=r"must match \^b"):
        messages(schema, "b")


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"required": "move"}, ""),
        ({"properties": {"move": {"properties": {"x": {"type": "wibble"}}}}}, "move.x"),
        ({"properties": {"move": {"minLength": "3"}}}, "move"),
        ({"properties": {"move": {"prefixItems": [{"anyOf": []}]}}}, "move"),
        ({"$defs": {"Move": {"type": 3}}}, ""),
    ],
)
def test_a_malformed_schema_is_refused_with_the_field(schema: Any, field: str) -> None:
    with pytest.raises(UnusableSchemaError, match="its schema is malformed") as raised:
        SchemaCheck(schema, Budget())
    assert raised.value.field == field


@pytest.mark.parametrize(
    "schema",
    [
        [],
        {"x": "y" * 1_000_000},
        {"properties": {str(name): {} for name in range(30_000)}},
        {"type": ["text", *range(20_000)]},
        {"$defs": {"doubled": {"type": ["text", *range(20_000)]}}},
    ],
    ids=["list", "long", "wide", "mixed", "mixed within"],
)
def test_a_schema_too_big_to_check_is_refused(schema: Any) -> None:
    with pytest.raises(UnusableSchemaError):
        SchemaCheck(schema, Budget())


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"patternProperties": {REDOS: {}}}, {VICTIM: 1}),
        ({"additionalProperties": False, "patternProperties": {REDOS: {}}}, {VICTIM: 1}),
        ({"unevaluatedProperties": False}, {"x": 1}),
        ({"not": {"allOf": [{}] * 6_000}}, 1),
        ({"uniqueItems": True}, ["text", *range(3000)]),
        ({"enum": [[0] * 100] * 1000}, [1] * 5000),
        ({"not": {"anyOf": [{"maxItems": 0}] * 1000}}, [["x" * 10_000]]),
        ({"if": {"$ref": "#"}, "else": {"$ref": "#"}}, 1),
        ({"$dynamicAnchor": "n", "not": {"$dynamicRef": "#n"}}, 1),
    ],
    ids=lambda part: str(part)[:40],
)
def test_a_check_without_a_bound_is_given_up(schema: Any, value: Any) -> None:
    check = SchemaCheck(schema, Budget())
    with pytest.raises(UnusableSchemaError):
        assert [error for _ in range(100) for error in check.errors(value)]


def test_no_regular_expression_runs() -> None:
    slow = "(?i)" + "[\x00-\uffff]" * 5000
    assert messages({"pattern": REDOS, "examples": [VICTIM]}, VICTIM) == []
    assert messages({"format": "regex"}, slow) == []


@pytest.mark.parametrize("use", ["$ref", "$dynamicRef", "$schema", "$id"])
def test_nothing_is_fetched(use: str) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        elsewhere = {use: f"http://127.0.0.1:{server.server_port}/schema.json"}
        for move in (elsewhere, {"type": "integer", "not": {"anyOf": [elsewhere, {"$ref": "deeper.json"}]}}):
            with suppress(Exception):
                list(SchemaCheck({"properties": {"move": move}}, Budget()).errors({"move": 1}))
        server.shutdown()
    assert asked == []
