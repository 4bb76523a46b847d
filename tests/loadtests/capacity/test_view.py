import io

from rich.console import Console

from loadtests.capacity.search import Answer
from loadtests.capacity.view import CapacityView, known
from loadtests.run.live_statistics import Snapshot
from reports.experiment.searched import Searched
from tests.loadtests.batches import at_rate, outcome

ANSWER = Answer(256, 252, 252, 264, 0.9, 256)
SNAPSHOT = Snapshot(
    users=200, steps=150, steps_per_s=0.0, p50=None, p99=None, failures=7, last_error=None, sessions={}
)


def shown(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200, highlight=False)
    with CapacityView(console, budget_s=600, searched=Searched("sessions")) as view:
        view.finished(outcome(256, succeeded=245, p99=1.31), 1, ANSWER)
        view.starting(264, 2)
        view.show(SNAPSHOT)
        view.reporting()
        view.finished(outcome(264, met=False, succeeded=0, p99=None, broken="Locust\x1b died"), 2, ANSWER)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_where_nobody_looks_each_batch_is_one_line() -> None:
    assert shown(terminal=False).splitlines() == [
        "· batch of 256, try 1: 95.7 % succeeded, p99 of total 1.31 s — met",
        "· batch of 264, try 2: says nothing: Locust� died",
    ]


def test_a_terminal_shows_the_batch_that_runs_what_is_known_and_the_time_left() -> None:
    text = shown(terminal=True)
    assert "batch of 264, try 2" in text
    assert "200 started, 150 done, 7 errors" in text
    assert "252 met, 264 missed, the server holds 256" in text
    assert "of the budget left" in text


def test_nothing_is_known_before_the_first_batch() -> None:
    assert known(Answer(0, 0, 0, None, 0.0, None)) == ""


def test_a_search_over_rates_speaks_of_no_batch() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, highlight=False)
    with CapacityView(console, budget_s=600, searched=Searched("steps/s")) as view:
        view.starting(430, 2)
        view.show(SNAPSHOT)
        view.finished(at_rate(430), 2, ANSWER)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "430 steps/s, try 2" in text
    assert "200 users, 150 done" in text
    assert "batch" not in text
