from collections import Counter

import pytest
from rich.console import Console

from benchmarks.kills.__main__ import conclude, main, planned
from benchmarks.kills.kinds import KINDS
from benchmarks.kills.outcome import Outcome


def test_kills_are_the_same_for_a_seed_and_spread_over_all_kinds() -> None:
    plan = planned(50, 4)
    assert plan == planned(50, 4)
    assert plan != planned(50, 5)
    assert [each.number for each in plan] == list(range(1, 51))
    counts = Counter(each.kind.name for each in plan)
    assert len(counts) == len(KINDS)
    assert set(counts.values()) == {4, 5}
    assert all(0 <= each.moment < 1 for each in plan)
    assert {each.then_run for each in plan} == {True, False}


def told(outcomes: list[Outcome], planned_kills: int) -> tuple[int, str]:
    console = Console(record=True, width=140, file=None, quiet=False)
    with console.capture() as capture:
        code = conclude(outcomes, planned_kills, console)
    return code, capture.get()


def test_the_table_has_a_line_for_each_kind_and_the_most_that_was_lost() -> None:
    plan = planned(24, 1)
    outcomes = [Outcome(kill, rows_lost=kill.number * 0, reads=True) for kill in plan]
    outcomes[3].reads = None
    code, text = told(outcomes, 24)
    assert code == 0
    assert "24 of 24 kills kept every promise" in text
    assert text.count("2 of 2") == 2 * len(KINDS) - 1
    assert "1 of 1" in text
    assert text.count("nothing") == len(KINDS)


def test_a_broken_promise_is_exit_code_1_and_named() -> None:
    plan = planned(12, 1)
    outcomes = [Outcome(kill, rows_lost=0, reads=True) for kill in plan]
    outcomes[2].left.append("process nginx (7)")
    code, text = told(outcomes, 12)
    assert code == 1
    assert f"kill 3, {plan[2].kind.name}: left behind: process nginx (7)" in text
    assert "11 of 12 kills kept every promise" in text


def test_a_series_that_was_cut_short_says_how_many_are_missing() -> None:
    plan = planned(5, 1)
    code, text = told([Outcome(plan[0], rows_lost=0, reads=True)], 5)
    assert code == 1
    assert "4 kills were not tried" in text


@pytest.mark.parametrize("number", ["0", "-1", "many", "99999"])
def test_a_number_of_kills_that_cannot_be_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--kills", number])
    assert ended.value.code == 2
    assert f"KILLS={number} is not allowed: give 1 to 10000" in capsys.readouterr().err
