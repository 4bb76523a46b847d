import time

import gevent
import pytest

from loadtests.load.schedule import Schedule, added
from reports.records.schema import ArrivalsJson
from tests.loadtests.load.conftest import Clock


def schedule(*after_s: float, gathers: bool = False) -> Schedule:
    return Schedule(iter(after_s), gathers=gathers)


def waiting(given: Schedule, users: int = 1) -> list["gevent.Greenlet[..., float | None]"]:
    """Users that wait for an arrival."""
    found = [gevent.spawn(given.take) for _ in range(users)]
    gevent.sleep(0)
    assert not any(user.ready() for user in found)
    return found


def test_a_free_user_waits_until_its_arrival_is_due_and_never_begins_before(clock: Clock) -> None:
    given = schedule(0.02, 0.04, 10.0)
    for due in (0.02, 0.04):
        (user,) = waiting(given)
        clock.now = 1000 + due - 0.001
        gevent.sleep(0.03)
        assert not user.ready()
        clock.now = 1000 + due + 0.005
        assert user.get(timeout=30) == 1000 + due
    assert given.counted() == {"due": 2, "begun": 2, "late": 0, "longest_wait_s": 0.0}


def test_a_timer_that_goes_off_early_gives_nothing_out() -> None:
    given = schedule(0.02, 0.04)
    for user in [gevent.spawn(given.take) for _ in range(2)]:
        due = user.get(timeout=30)
        assert due is not None
        assert time.perf_counter() >= due


def test_arrivals_that_find_nobody_free_are_taken_late_in_their_order(clock: Clock) -> None:
    given = schedule(0.01, 0.02, 0.03)
    (first,) = waiting(given)
    clock.now += 0.01
    assert first.get(timeout=30) == 1000.01
    clock.now += 0.05
    assert (given.take(), given.take()) == (1000.02, 1000.03)
    counted = given.counted()
    assert (counted["due"], counted["begun"], counted["late"]) == (3, 3, 2)
    assert counted["longest_wait_s"] == pytest.approx(0.04)


def test_when_it_closes_nobody_waits_any_more_and_what_was_due_is_counted(clock: Clock) -> None:
    given = schedule(0.01, 0.02, 0.03, 60.0, 61.0)
    (first,) = waiting(given)
    clock.now += 0.015
    first.get(timeout=30)
    clock.now += 0.05
    given.close()
    assert given.take() is None
    clock.now += 60
    assert given.counted()["due"] == 3
    assert given.counted()["begun"] == 1


def test_what_a_busy_process_did_not_get_to_give_out_has_not_waited_for_a_user(clock: Clock) -> None:
    given = schedule(0.01, 0.02)
    waiting(given)
    clock.now += 0.05
    given.close()
    assert given.counted()["due"] == 0


def test_those_who_wait_for_an_arrival_are_told_when_it_closes(clock: Clock) -> None:
    given = schedule(60.0)
    (user,) = waiting(given)
    clock.now += 0.02
    given.close()
    assert user.get(timeout=30) is None
    assert given.counted() == {"due": 0, "begun": 0, "late": 0, "longest_wait_s": 0.0}


def test_they_are_given_out_in_the_order_in_which_users_became_free(clock: Clock) -> None:
    given = schedule(0.01, 0.02, 0.03)
    users = waiting(given, 3)
    clock.now += 0.01
    assert users[0].get(timeout=30) == 1000.01
    assert not any(user.ready() for user in users[1:])
    clock.now += 0.02
    assert [user.get(timeout=30) for user in users[1:]] == [1000.02, 1000.03]
    assert given.counted()["late"] == 0


def test_several_that_are_due_at_the_same_time_go_to_several_users(clock: Clock) -> None:
    given = schedule(0.01, 0.01, 0.01)
    users = waiting(given, 4)
    clock.now += 0.01
    assert len(gevent.joinall(users, timeout=30)) == 4, "the last is told that there are no more"
    assert [user.value for user in users] == [1000.01] * 3 + [None]
    assert given.counted() == {"due": 3, "begun": 3, "late": 0, "longest_wait_s": 0.0}


def test_who_is_stopped_while_it_waits_takes_no_arrival_along(clock: Clock) -> None:
    given = schedule(0.03)
    gone, stays = waiting(given, 2)
    gone.kill()
    clock.now += 0.03
    assert stays.get(timeout=30) is not None
    assert given.counted() == {"due": 1, "begun": 1, "late": 0, "longest_wait_s": 0.0}


def test_who_comes_when_one_is_due_does_not_take_it_from_those_who_waited(clock: Clock) -> None:
    given = schedule(0.2, 0.25)
    (waited,) = waiting(given)
    clock.now += 1  # the loop has not got to it yet
    assert given.take() == 1000.25
    assert waited.get(timeout=30) == 1000.2
    assert given.counted()["late"] == 0


def test_one_that_finds_nobody_free_is_taken_by_the_first_who_comes_after_all_had_gone(clock: Clock) -> None:
    given = schedule(0.03)
    (gone,) = waiting(given)
    gone.kill()
    clock.now += 0.05
    assert given.take() is not None
    assert given.counted()["late"] == 1


def test_the_clock_starts_when_all_who_gather_are_there() -> None:
    given = schedule(0.0, 0.0, gathers=True)

    def gathered() -> float | None:
        given.gather()
        return given.take()

    takers = [gevent.spawn(gathered) for _ in range(2)]
    gevent.sleep(0.03)
    assert not any(taker.ready() for taker in takers)
    before = time.perf_counter()
    given.expect(2)
    assert all((taker.get(timeout=30) or 0) >= before for taker in takers)


def test_it_ends_with_its_arrivals() -> None:
    given = schedule(0.0)
    assert given.take() is not None
    assert given.take() is None


def test_the_arrivals_of_processes_add_up(clock: Clock) -> None:
    one = schedule(0.01)
    (user,) = waiting(one)
    clock.now += 0.01
    user.get(timeout=30)
    both = added(added(None, one.counted()), {"due": 5, "begun": 3, "late": 2, "longest_wait_s": 0.5})
    assert both == {"due": 6, "begun": 4, "late": 2, "longest_wait_s": 0.5}


def test_what_was_held_up_in_several_processes_is_added() -> None:
    none = schedule(60.0).counted()
    held: ArrivalsJson = {**none, "held_up": 2}
    assert added(held, {**none, "held_up": 3})["held_up"] == 5
    assert added(None, held)["held_up"] == 2
    assert "held_up" not in added(none, none)


def test_arrivals_that_left_are_counted_with_how_long_they_were_there() -> None:
    given = schedule(60.0)
    assert "done" not in given.counted()
    given.in_system.leave(time.perf_counter() - 10)
    given.in_system.leave(time.perf_counter() - 20)
    counted = given.counted()
    assert counted["done"] == 2
    assert 30 <= counted["in_system_s"] < 60


def test_arrivals_that_left_several_processes_are_added_with_their_times() -> None:
    none = schedule(60.0).counted()
    some: ArrivalsJson = {**none, "done": 2, "in_system_s": 0.5}
    both = added(added(added(None, some), none), {**none, "done": 3, "in_system_s": 0.25})
    assert (both["done"], both["in_system_s"]) == (5, 0.75)
    assert "done" not in added(none, none)
