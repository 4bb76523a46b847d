from collections.abc import Callable

import pytest

from reports.run.sections.isolation import Isolation, summarize
from tests.reports.operations import Row, answers, columns, connect, reset, session, step, steps

NAMES = {"a": "env-a", "b": "env-b"}
S = {"session_hash": "s", "host": "a", "pid": 7}


def isolation(rows: list[Row]) -> Isolation:
    return summarize(steps(rows), answers(rows), columns(rows).ints("step_count"), NAMES)


def test_sessions_that_keep_to_themselves() -> None:
    found = isolation([*session("s", [1, 2, 3]), *session("t", [1, 2], at=0.05, user=2, pid=8)])
    assert (found.sessions_checked, found.violations) == (2, 0)
    assert found.examples == []
    assert found.takeaways == [
        "Each of 2 sessions stayed with one worker and one user, and its steps were counted without a gap."
    ]


def test_a_session_that_changes_its_worker() -> None:
    rows = [
        *session("s", [1, 2]),
        step(5, **S | {"host": "b"}, step_count=3),
        *session("t", [1], at=9, user=2),
    ]
    found = isolation(rows)
    assert (found.sessions_checked, found.moved_sessions, found.violations) == (2, 1, 1)
    assert found.examples == ["Session s was answered by worker 7 on env-a, then by worker 7 on env-b."]


def test_a_session_that_two_users_got() -> None:
    found = isolation([*session("s", [1, 2]), step(5, user=2, step_count=3, **S)])
    assert (found.shared_sessions, found.lost_steps, found.violations) == (1, 0, 1)
    assert found.examples == ["Session s was given to more than one user."]


@pytest.mark.parametrize(
    ("counts", "lost", "duplicated"),
    [
        ([1, 2, 3], 0, 0),
        ([1, 2, 5, 6], 2, 0),
        ([3, 4], 2, 0),
        ([1, 2, 2, 3], 0, 1),
        ([1, 1, 1], 0, 2),
        ([0, 1, 2], 0, 0),
        ([0, 1, 3], 1, 0),
        ([1, 2, 3, 1, 2], 0, 2),
        ([5, 5], 4, 1),
    ],
)
def test_lost_and_duplicated_steps(counts: list[int], lost: int, duplicated: int) -> None:
    found = isolation([*session("s", counts), *session("t", [1, 2, 3], at=0.02, user=2)])
    assert (found.lost_steps, found.duplicated_steps) == (lost, duplicated)
    assert found.violations == lost + duplicated
    assert len(found.examples) == bool(lost or duplicated)


@pytest.mark.parametrize(
    ("counts", "disordered", "lost"),
    [([1, 3, 2], 1, 0), ([1, 3, 2, 5], 1, 0), ([3, 2, 1, 6, 5], 3, 0), ([1, 3, 2, 10, 11, 12], 1, 6)],
)
def test_steps_that_come_out_of_order(counts: list[int], disordered: int, lost: int) -> None:
    found = isolation(session("s", counts))
    assert (found.disordered_steps, found.lost_steps, found.duplicated_steps) == (disordered, lost, 0)
    assert found.violations == disordered + lost
    assert f"misplaced {disordered} step" in found.examples[0]


def test_a_reset_that_is_answered_with_steps_is_out_of_order_and_hides_no_loss() -> None:
    rows = [*session("s", [1, 2]), reset(5, step_count=3, **S), step(6, step_count=4, **S)]
    found = isolation([*rows, step(7, step_count=6, **S)])
    assert (found.disordered_steps, found.lost_steps, found.violations) == (1, 1, 2)


def test_a_reset_that_is_answered_with_steps_is_out_of_order_although_those_after_it_count_anew() -> None:
    rows = [*session("s", [1, 2]), reset(5, step_count=2, **S), step(6, step_count=1, **S)]
    found = isolation(rows)
    assert (found.disordered_steps, found.violations) == (1, 1)


@pytest.mark.parametrize("user", [1, 2])
def test_the_name_of_a_session_that_is_over_may_be_given_again(user: int) -> None:
    lost = step(1, error="connection_lost")
    again = session("s", [1, 2], at=2, user=user, host="b", pid=8)
    found = isolation([*session("s", [1, 2]), lost, *again])
    assert (found.sessions_checked, found.violations) == (1, 0)


def test_the_name_of_a_session_that_goes_on_may_not() -> None:
    found = isolation(
        [*session("s", [1, 2]), *session("s", [1, 2], at=2, user=2), step(5, step_count=3, **S)]
    )
    assert (found.shared_sessions, found.violations) == (1, 1)


def test_a_session_that_moves_after_its_name_was_given_again_is_accused() -> None:
    rows = [
        *session("s", [1]),
        step(1, error="timeout"),
        *session("s", [1], at=2),
        step(3, step_count=2, **S | {"pid": 8}),
    ]
    assert (isolation(rows).moved_sessions, isolation(rows).violations) == (1, 1)


@pytest.mark.parametrize("op", [reset, step])
def test_replies_that_go_to_each_others_connections(op: Callable[..., Row]) -> None:
    """Nothing else is accused: what such sessions count cannot be told."""
    one = {"host": "a", "pid": 7, "session_hash": "s"}
    two = {"host": "a", "pid": 8, "session_hash": "t", "user": 2}
    rows = [
        *session("s", [1, 2, 3]),
        *session("t", [1, 2, 3], at=0.01, user=2, pid=8),
        op(1, **two | {"user": 1}, step_count=4),
        op(1.01, **one | {"user": 2}, step_count=4),
        *(step(at, step_count=count, **one) for at, count in ((2, 5), (3, 6), (4, 7))),
        *(step(at + 0.01, step_count=count, **two) for at, count in ((2, 5), (3, 6), (4, 7))),
    ]
    found = isolation(rows)
    assert (found.misdirected_replies, found.violations) == (2, 2)
    assert "Session t was named in a reply to s." in found.examples


def test_a_reply_that_went_to_another_s_connection_is_told_with_both_sessions() -> None:
    rows = [
        *session("s", [1, 2, 3]),
        *session("t", [1, 2, 3], user=2),
        step(1, session_hash="t", step_count=4, host="a", pid=7),
    ]
    found = isolation(rows)
    assert (found.misdirected_replies, found.violations) == (1, 1)
    assert found.examples == ["Session t was named in a reply to s."]
    assert found.takeaways == ["1 reply went astray, naming the session of another user's connection."]


def test_replies_that_went_astray_from_several_workers_do_not_count_as_a_move() -> None:
    rows = [
        *session("s", [1, 2, 3]),
        *session("t", [1, 2, 3], user=2),
        *(step(1, session_hash="t", step_count=4, host="a", pid=pid) for pid in (7, 9)),
    ]
    found = isolation(rows)
    assert (found.misdirected_replies, found.moved_sessions, found.violations) == (2, 0, 2)


def test_a_reply_that_names_a_session_of_several_others_went_astray() -> None:
    rows = [
        *session("t", [1, 2], user=2),
        step(1, user=2, error="connection_lost"),
        *session("t", [1, 2], at=2, user=3),
        *session("s", [1, 2, 3], at=3),
        step(4, session_hash="t", step_count=3, host="a", pid=7),
    ]
    found = isolation(rows)
    assert (found.misdirected_replies, found.violations) == (1, 1)


def test_a_reply_that_names_a_session_of_nobody_went_nowhere() -> None:
    rows = [
        *session("s", [1, 2]),
        step(1, step_count=3, **S | {"pid": 8}),
        step(2, session_hash="u", step_count=1, host="a", pid=7),
    ]
    found = isolation(rows)
    assert (found.moved_sessions, found.misdirected_replies, found.violations) == (1, 0, 1)


def test_the_name_of_a_session_whose_user_connected_again_may_be_given_again() -> None:
    rows = [*session("s", [1, 2]), *session("u", [1], at=1), *session("s", [1, 2], at=2, user=2, pid=8)]
    found = isolation(rows)
    assert (found.sessions_checked, found.violations) == (2, 0)


def test_a_connection_whose_session_has_another_name_after_a_reset_is_not_accused() -> None:
    rows = [
        *session("t", [1, 2], user=2, pid=8),
        step(1, user=2, error="connection_lost"),
        *session("s", [1, 2, 3], at=2),
        reset(3, session_hash="t", step_count=0, host="a", pid=7),
        step(4, session_hash="t", step_count=1, host="a", pid=7),
    ]
    assert isolation(rows).violations == 0


def test_each_violation_is_told_in_a_sentence() -> None:
    assert isolation(session("s", [1, 3])).takeaways == [
        "1 step went missing: sessions counted steps that nobody recorded."
    ]
    assert isolation(session("s", [1, 2, 2])).takeaways == [
        "1 step came twice: sessions counted back without a reset."
    ]
    assert isolation(session("s", [1, 3, 2])).takeaways == [
        "1 step came out of order: later ones first, or after the reset that ended them."
    ]


def test_state_that_outlives_requests_over_http_is_a_violation_with_an_example() -> None:
    http = {"transport": "http", "session_hash": "w", "host": "a", "pid": 7}
    found = isolation([step(at, step_count=at + 1, user=1 + at % 2, **http) for at in range(6)])
    assert (found.shared_sessions, found.violations) == (1, 1)
    assert found.examples == ["Session w counted on from one user's request to another's."]


@pytest.mark.parametrize(
    ("count", "lost", "twice", "sentence"),
    [(0, 1, 0, "had counted none"), (2, 0, 1, "their environment counted them again")],
)
def test_steps_over_http_that_were_not_counted_once_are_violations(
    count: int, lost: int, twice: int, sentence: str
) -> None:
    http = {"transport": "http", "session_hash": "w", "host": "a", "pid": 7}
    found = isolation([step(at, step_count=said, **http) for at, said in enumerate((1, 1, count, 1))])
    assert (found.lost_steps, found.duplicated_steps, found.violations) == (lost, twice, 1)
    assert sentence in found.takeaways[0]


def test_unasked_replies_are_violations_on_either_transport() -> None:
    rows = session("s", [1, 2])
    found = summarize(steps(rows), answers(rows), columns(rows).ints("step_count"), NAMES, 2)
    assert (found.unasked_replies, found.violations) == (2, 2)
    assert found.takeaways[0].startswith("2 replies came unasked")


def test_a_reset_starts_counting_again() -> None:
    rows = [*session("s", [1, 2]), reset(5, step_count=0, **S), step(6, step_count=1, **S)]
    assert isolation(rows).violations == 0


def test_a_session_that_does_not_count_anew_after_a_reset() -> None:
    rows = [*session("s", [1, 2]), reset(5, step_count=0, **S), step(6, step_count=3, **S)]
    assert isolation(rows).lost_steps == 2


def test_a_session_that_counts_anew_without_a_reset() -> None:
    assert isolation(session("s", [1, 2, 3, 1, 2])).duplicated_steps == 2


@pytest.mark.parametrize(("next_count", "lost"), [(3, 0), (4, 0), (5, 1)])
def test_a_failed_step_may_have_been_counted(next_count: int, lost: int) -> None:
    rows = [*session("s", [1, 2]), step(5, error="timeout"), step(6, step_count=next_count, **S)]
    assert isolation(rows).lost_steps == lost


def test_a_failed_step_of_another_user_explains_nothing() -> None:
    rows = [
        *session("s", [1, 2]),
        *session("t", [1], user=2),
        step(5, user=2, error="timeout"),
        step(6, step_count=4, **S),
    ]
    assert isolation(rows).lost_steps == 1


@pytest.mark.parametrize("next_count", [1, 3])
def test_after_a_failed_reset_either_count_is_right(next_count: int) -> None:
    rows = [*session("s", [1, 2]), reset(5, error="timeout"), step(6, step_count=next_count, **S)]
    assert isolation(rows).violations == 0


def test_after_a_failed_reset_a_step_may_still_be_lost() -> None:
    rows = [*session("s", [1, 2]), reset(5, error="timeout"), step(6, step_count=3, **S)]
    assert isolation([*rows, step(7, step_count=5, **S)]).lost_steps == 1


def test_a_reply_without_a_count_is_not_lost() -> None:
    rows = [*session("s", [1, 2]), step(5, **S), step(6, step_count=4, **S)]
    assert isolation(rows).violations == 0


def test_sessions_without_counts_are_checked_for_the_rest() -> None:
    rows = [step(0, **S), step(1, **S | {"pid": 8})]
    found = isolation(rows)
    assert (found.sessions_checked, found.moved_sessions) == (1, 1)
    assert "no step count" in found.takeaways[-1]


def test_a_new_connection_is_a_new_session() -> None:
    rows = [*session("s", [1, 2]), step(1, error="connection_lost"), *session("t", [1, 2], at=2, pid=8)]
    found = isolation(rows)
    assert (found.sessions_checked, found.violations) == (2, 0)


def test_nothing_is_checked_over_http() -> None:
    http = {"transport": "http", "session_hash": "of-worker", "host": "a", "pid": 7}
    found = isolation([step(0, user=1, **http), step(1, user=2, **http)])
    assert (found.sessions_checked, found.violations) == (0, 0)
    assert "HTTP" in found.takeaways[0]
    assert "could not be checked" in found.takeaways[1]
    assert (found.moved_checked, found.counts_checked, found.shared_checked) == (False, False, False)


def test_nothing_can_be_checked_without_names() -> None:
    found = isolation([connect(0), step(1)])
    assert found.sessions_checked == 0
    assert "could not be checked" in found.takeaways[0]


def test_absurd_counts_do_not_break_the_report() -> None:
    found = isolation(session("s", [2**62, -5, 2**62 - 1]))
    assert found.lost_steps > 0


def test_without_processes_moves_are_not_called_checked() -> None:
    found = isolation(session("s", [1, 2], host="a", pid=None))
    assert (found.sessions_checked, found.moved_checked, found.counts_checked) == (1, False, True)
    assert found.takeaways == [
        "Each of 1 session stayed with one user, and its steps were counted without a gap.",
        "Replies named no process, so whether sessions moved between workers could not be checked.",
    ]


def test_without_sessions_nothing_is_called_checked() -> None:
    found = isolation([connect(0), reset(0.1, host="a"), step(0.2, host="a")])
    assert (found.sessions_checked, found.moved_checked, found.counts_checked) == (0, False, False)
    assert found.takeaways[0].startswith("No reply named its session")
