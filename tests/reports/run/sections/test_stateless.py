import pytest

from reports.run.sections.stateless import Stateless, stateless
from tests.reports.operations import Row, answers, columns, reset, step, steps


def http(*counts: int, user: int = 1, name: str = "w", at: float = 0.0) -> list[Row]:
    """A reset and steps that said `counts`, all answered in the name of one worker."""
    answered = {"transport": "http", "user": user, "session_hash": name, "host": "a", "pid": 7}
    rows = [step(at + 0.2 + 0.2 * n, step_count=count, **answered) for n, count in enumerate(counts)]
    return [reset(at, step_count=0, **answered), *rows]


def found(rows: list[Row]) -> Stateless:
    return stateless(steps(rows), answers(rows), columns(rows).ints("step_count"))


def test_steps_that_each_are_the_first_of_their_environment() -> None:
    assert found([*http(1, 1, 1), *http(1, 1, user=2, at=0.1)]) == Stateless(True, [], 0, 0)


def test_state_that_several_users_count_on_in_is_shared() -> None:
    rows = [*http(1, 3, 5), *http(2, 4, 6, user=2, at=0.1), *http(1, 1, 1, user=3, name="v")]
    seen = found(rows)
    (shared,) = seen.shared
    assert answers(rows).session_hashes[shared].as_py() == "w"
    assert (seen.lost, seen.repeated) == (0, 0)


def test_state_that_is_shared_is_not_called_lost_or_repeated_besides() -> None:
    seen = found([*http(1, 1, 4, 6), *http(3, 5, 7, user=2, at=0.1)])
    assert (len(seen.shared), seen.lost, seen.repeated) == (1, 0, 0)


def test_what_one_user_alone_counts_on_in_is_not_shared() -> None:
    assert found(http(1, 3, 5)) == Stateless(True, [], 0, 0)


@pytest.mark.parametrize("name", ["of-its-own", "w"])
def test_sessions_that_a_cookie_holds_for_each_user_are_not_accused(name: str) -> None:
    rows = [*http(1, 2, 3, 4), *http(1, 2, 3, user=2, name=name, at=0.1)]
    assert found(rows) == Stateless(True, [], 0, 0)


@pytest.mark.parametrize(("counts", "lost", "repeated"), [((1, 1, 0, 1), 1, 0), ((1, 1, 2, 1, 2), 0, 2)])
def test_steps_that_were_not_counted_or_twice(counts: tuple[int, ...], lost: int, repeated: int) -> None:
    assert found(http(*counts)) == Stateless(True, [], lost, repeated)


def test_who_counts_from_zero_has_lost_nothing() -> None:
    assert found(http(0, 0, 0)) == Stateless(True, [], 0, 0)


def test_nothing_is_known_without_names_or_counts() -> None:
    nameless = [row | {"session_hash": None} for row in http(1, 2, 9)]
    uncounted = [row | {"step_count": None} for row in http(1, 2)]
    assert found(nameless) == found(uncounted) == Stateless(False, [], 0, 0)
