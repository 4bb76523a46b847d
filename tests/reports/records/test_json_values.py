import json

from reports.records.json_values import finite


def test_numbers_that_json_does_not_know_become_null() -> None:
    form = finite({"a": [1.5, float("nan")], "b": (float("inf"), 2), "c": {"d": None}})
    assert json.loads(json.dumps(form, allow_nan=False)) == {
        "a": [1.5, None],
        "b": [None, 2],
        "c": {"d": None},
    }
