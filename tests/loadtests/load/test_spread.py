from loadtests.load.spread import NOBODY, Spread
from tests.loadtests.rows import batch

ONE, TWO = ("127.0.0.1:8001", 1), ("127.0.0.1:8001", 2)


def spread_of(*rows: dict[str, object]) -> Spread:
    spread = Spread()
    for row in rows:  # one by one: what is known must not depend on how rows are batched
        spread.update(batch(row))
    return spread


def test_each_worker_has_its_sessions_and_steps() -> None:
    spread = spread_of(
        {"session_hash": "a", "op": "reset"},
        {"session_hash": "a"},
        {"session_hash": "a"},
        {"session_hash": "b", "user": 1, "pid": 2},
        {"session_hash": "b", "user": 1, "pid": 2, "error": "timeout"},
        {"session_hash": None, "user": 2, "pid": None, "host": None},
    )
    assert spread.sessions == {ONE: 1, TWO: 1, NOBODY: 1}
    assert spread.steps == {ONE: 2, TWO: 1, NOBODY: 1}


def test_a_session_that_stays_with_its_worker_and_user_is_isolated() -> None:
    spread = spread_of({"session_hash": "a"}, {"session_hash": "a"}, {"session_hash": "b", "user": 1})
    assert (spread.sessions_checked, spread.moved_sessions, spread.shared_sessions) == (2, 0, 0)
    assert spread.moves_checked


def test_a_session_that_two_workers_answer_has_moved_once() -> None:
    other = {"session_hash": "a", "pid": 2}
    spread = spread_of({"session_hash": "a"}, other, {"session_hash": "a"}, other)
    assert (spread.sessions_checked, spread.moved_sessions, spread.shared_sessions) == (1, 1, 0)


def test_a_session_that_two_users_get_is_shared() -> None:
    spread = spread_of({"session_hash": "a"}, {"session_hash": "a", "user": 1})
    assert (spread.sessions_checked, spread.moved_sessions, spread.shared_sessions) == (1, 0, 1)


def test_without_processes_moves_are_not_checked() -> None:
    spread = spread_of({"session_hash": "a", "pid": None}, {"session_hash": "a", "pid": None, "host": "b"})
    assert (spread.moved_sessions, spread.moves_checked) == (0, False)


def test_stateless_http_has_no_sessions_to_check() -> None:
    rows: list[dict[str, object]] = [
        {"transport": "http", "user": user, "pid": pid} for user in range(3) for pid in (1, 2)
    ]
    spread = spread_of(*rows)
    assert (spread.sessions_checked, spread.moved_sessions, spread.shared_sessions) == (0, 0, 0)
    assert spread.sessions == {ONE: 3, TWO: 3}
