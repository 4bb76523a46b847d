from benchmarks.kills.kinds import KINDS, Kind
from benchmarks.kills.outcome import MOST_LOST_S, Kill, Outcome

BY_NAME = {kind.name: kind for kind in KINDS}


def kill(kind: Kind) -> Kill:
    return Kill(1, kind, moment=0.5, choice=0, then_run=False)


def test_a_generator_may_take_its_last_second_with_it_and_no_more() -> None:
    locust = kill(BY_NAME["Locust"])
    assert Outcome(locust, rows_lost=300, seconds_lost=1.0, reads=True).broken == []
    late = Outcome(locust, rows_lost=600, seconds_lost=MOST_LOST_S + 0.5, reads=True)
    assert late.broken == ["2.00 s of rows are lost"]


def test_no_row_is_lost_where_the_generator_lives() -> None:
    nginx = kill(BY_NAME["nginx's master"])
    assert Outcome(nginx, rows_lost=0, reads=True).broken == []
    assert Outcome(nginx, rows_lost=1, reads=True).broken == ["1 rows are lost, although Locust went on"]


def test_a_run_that_recorded_nothing_yet_keeps_every_promise_but_one_that_is_not_read_does_not() -> None:
    harness = kill(BY_NAME["harness, at the start"])
    assert Outcome(harness, reads=None).broken == []
    assert Outcome(harness, reads=False).broken == ["the report does not read the run"]


def test_whatever_is_left_or_untrue_is_named() -> None:
    outcome = Outcome(kill(BY_NAME["Locust"]), reads=True, left=["port 8000"], untrue=["it passed"])
    assert outcome.broken == ["left behind: port 8000", "it passed"]
