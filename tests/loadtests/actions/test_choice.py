import json
import os
from itertools import islice
from pathlib import Path

import pytest

from loadtests.actions.choice import Actions, actions_of_file, asked_wait, one_action
from loadtests.errors import LoadTestError

THREE = [{"n": 1}, {"n": 2}, {"n": 3}]


def test_in_a_cycle_each_user_takes_them_in_turn() -> None:
    actions = Actions("file", THREE, "cycle")
    first, second = actions.turns(), actions.turns()
    assert list(islice(first, 5)) == [0, 1, 2, 0, 1]
    assert list(islice(second, 2)) == [0, 1]


def test_in_a_sample_every_one_comes_at_random() -> None:
    drawn = list(islice(Actions("file", THREE, "sample").turns(), 300))
    assert set(drawn) == {0, 1, 2}
    assert drawn != [0, 1, 2] * 100


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "actions.jsonl"
    file.write_text('{"n": 1}\n')
    before = actions_of_file(str(file), "cycle")
    file.write_text('{"n": 2}\n')
    os.utime(file, (1, 1))
    assert (before.values, actions_of_file(str(file), "cycle").values) == ([{"n": 1}], [{"n": 2}])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    values = [{"text": "é\u2028\n", "deep": {"list": [1, None, True]}}]
    Actions("schema", values).write(tmp_path / "actions.jsonl")
    assert actions_of_file(str(tmp_path / "actions.jsonl"), "cycle").values == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no action"),
        ("\n \n", "has no action"),
        ('{"n": 1}\n{"n"', "line 2 is not JSON"),
        ('{"n": 1}\n\n[1]', "line 3 is not a JSON object"),
        ('{"n": NaN}', "line 1 is not JSON: NaN is not JSON"),
        ('{"n": "\\ud800"}', "line 1 is not JSON"),
        ("\udcff", "it is not UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(LoadTestError, match=r"bad\.jsonl") as caught:
        actions_of_file(str(file), "cycle")
    assert words in str(caught.value)


def test_a_file_that_no_process_should_hold_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    with file.open("wb") as sparse:
        sparse.truncate(100 * 2**20)
    with pytest.raises(LoadTestError, match=r"large\.jsonl has 100 MB.*give at most 32 MB"):
        actions_of_file(str(file), "cycle")


def test_run_json_describes_several_actions_and_shows_a_single_one() -> None:
    assert one_action(json.dumps(THREE[0])).described() is None
    assert one_action(json.dumps(THREE[0])).constant == THREE[0]
    assert Actions("file", THREE, "sample", "three.jsonl").described() == {
        "source": "file",
        "order": "sample",
        "count": 3,
        "example": {"n": 1},
        "file": "three.jsonl",
    }


@pytest.mark.parametrize(
    ("wait", "asked"),
    [(0.5, 0.5), (2, 2.0), (-1, None), (True, None), ("1", None), (float("nan"), None), (1e9, None)],
)
def test_an_action_asks_for_a_wait_that_makes_sense_or_for_none(wait: object, asked: float | None) -> None:
    assert asked_wait({"wait_seconds": wait}) == asked
