import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import LoadTestError
from loadtests.load.trace import Trace, is_trace, load_trace


def trace(folder: Path, *steps: dict[str, Any]) -> Trace:
    file = folder / "trace.jsonl"
    file.write_text("".join(json.dumps(step) + "\n" for step in steps), encoding="utf-8")
    return load_trace(f"trace:{file}")


def at(at_s: float, session: object = 0, **what: object) -> dict[str, Any]:
    return {"at": at_s, "session": session, **what}


def test_steps_belong_to_their_sessions_and_sessions_go_by_their_first_step(tmp_path: Path) -> None:
    read = trace(
        tmp_path,
        at(0.5, "late", wait=0.1),
        at(0.5, 7, action={"message": "é", "wait_seconds": 3}),
        at(2, "late"),
        at(3, 7, action={"message": "other"}),
        at(3, "late", action={"wait_seconds": 3, "message": "é"}),
        at(3.25, 7, wait=0),
    )
    first, second = read.session(0), read.session(1)
    assert [(step.at_s, step.action) for step in first.steps()] == [
        (0.5, {"wait_seconds": 0.1}),
        (2.0, None),
        (3.0, {"message": "é", "wait_seconds": 3}),
    ]
    assert [(step.at_s, step.action) for step in second.steps()] == [
        (0.5, {"message": "é", "wait_seconds": 3}),
        (3.0, {"message": "other"}),
        (3.25, {"wait_seconds": 0.0}),
    ]
    assert (read.sessions, read.steps, read.length_s) == (2, 6, 3.25)
    assert (first.first_s, first.due_by(0.4), first.due_by(0.5), first.due_by(9)) == (0.5, 0, 1, 3)
    described = read.described()
    assert (described["file"], described["with_action"], described["unnamed"]) == ("trace.jsonl", 3, 1)
    assert read.longest_wait_s == 3


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"at": 0, "session": 1}\n\n'
    (tmp_path / "bom.jsonl").write_bytes(content)
    read = load_trace(f"trace:{tmp_path}/bom.jsonl")
    assert read.steps == 1
    assert read.sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    before = trace(tmp_path, at(0))
    (tmp_path / "trace.jsonl").write_text('{"at": 1, "session": 0}\n')
    os.utime(tmp_path / "trace.jsonl", (1, 1))
    assert (before.length_s, load_trace(before.text).length_s) == (0.0, 1.0)
    assert load_trace(before.text).sha256 != before.sha256


def test_sessions_that_overlap_are_counted_for_each_share(tmp_path: Path) -> None:
    read = trace(tmp_path, at(0, "a"), at(0, "b"), at(1, "c"), at(5, "a"), at(5, "c"), at(7, "d"))
    assert read.most_at_once(1, 0, 0) == 2
    assert read.most_at_once(1, 1, 0.5) == 3
    assert read.most_at_once(1, 1.5, 1) == 3
    assert read.most_at_once(1, 2, 1) == 3
    assert read.most_at_once(2, 0, 0) == 2  # a and c are of one share
    assert read.most_at_once(3, 0, 0) == 1
    assert read.most_at_once(9, 0, 0) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no step"),
        ("\n \n", "has no step"),
        ('{"at": 0, "session": 1}\n{"at"', "line 2: it is not JSON"),
        ('{"at": 0, "session": 1}\n\n[1]', "line 3: it is not a JSON object"),
        ('{"session": 1}', "line 1: at is missing"),
        ('{"at": "1", "session": 1}', 'line 1: at is "1"'),
        ('{"at": true, "session": 1}', "line 1: at is true"),
        ('{"at": -1, "session": 1}', "line 1: at is -1"),
        ('{"at": 1e9, "session": 1}', "a week at most"),
        ('{"at": NaN, "session": 1}', "line 1: it is not JSON: NaN"),
        ('{"at": 1e999, "session": 1}', "line 1: at is Infinity"),
        ('{"at": 2, "session": 1}\n{"at": 1, "session": 1}', "line 2: at is 1, and 2 in the line before"),
        ('{"at": 0}', "line 1: session is missing"),
        ('{"at": 0, "session": null}', "line 1: session is missing"),
        ('{"at": 0, "session": [1]}', "line 1: session is [1]"),
        ('{"at": 0, "session": 1, "wait": -1}', "line 1: wait is -1"),
        ('{"at": 0, "session": 1, "wait": "1"}', 'line 1: wait is "1"'),
        ('{"at": 0, "session": 1, "wait": 3601}', "3600 at most"),
        ('{"at": 0, "session": 1, "action": 5}', "line 1: action is 5"),
        ('{"at": 0, "session": 1, "action": {}, "wait": 1}', "line 1: it has both wait and action"),
        ('{"at": 0, "session": 1, "wiat": 1}', 'line 1: "wiat" is no key of a step: it has at, session'),
        ('{"at": 0, "session": 1, "action": {"n": NaN}}', "line 1: it is not JSON: NaN"),
        ('{"at": 0, "session": 1, "action": {"n": "\\ud800"}}', "line 1"),
        ("\udcff", "line 1: it is not JSON"),
        ("[" * 100_000, "line 1: it is not JSON"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(LoadTestError, match=r"SHAPE=trace:.*bad\.jsonl") as caught:
        load_trace(f"trace:{file}")
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(LoadTestError, match=r"SHAPE=trace:/nowhere cannot be read \(No such file"):
        load_trace("trace:/nowhere")


def test_a_trace_is_told_from_other_shapes() -> None:
    assert is_trace("trace:x.jsonl")
    assert not is_trace("ramp:0:1")
    assert not is_trace("")


def test_a_large_trace_takes_less_memory_than_its_file(tmp_path: Path) -> None:
    steps = 20_000
    read = trace(tmp_path, *(at(0.001 * n, n % 50, wait=0.1) for n in range(steps)))
    columns: list[Any] = [read.at_s, read.wait_s, read.action, read.by_session, read.begins]
    taken = sum(column.itemsize * len(column) for column in columns)
    assert taken < (tmp_path / "trace.jsonl").stat().st_size
    assert sum(1 for place in range(read.sessions) for _ in read.session(place).steps()) == steps
