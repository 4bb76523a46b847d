import gevent
import pytest

from loadtests.load.groups import Groups


def waiting(groups: Groups, *places: int) -> list[gevent.Greenlet]:
    found = [gevent.spawn(groups.start_together, place) for place in places]
    gevent.sleep(0.01)
    return found


def done(greenlets: list[gevent.Greenlet]) -> list[bool]:
    gevent.sleep(0.01)
    return [greenlet.ready() for greenlet in greenlets]


def test_a_group_starts_when_all_of_it_are_there_and_others_do_not_matter() -> None:
    groups = Groups(2)
    first = waiting(groups, 0, 2)
    assert done(first) == [False, False]
    second = waiting(groups, 3)
    assert done(first + second) == [False, True, True]
    third = waiting(groups, 1)
    assert done(first + third) == [True, True, True]
    assert all(greenlet.value for greenlet in first + second + third)


def test_the_next_round_waits_for_all_again() -> None:
    groups = Groups(3)
    assert done(waiting(groups, 0, 1, 2)) == [True] * 3
    quick = waiting(groups, 0, 1)
    assert done(quick) == [False, False]
    assert done(quick + waiting(groups, 2)) == [True] * 3


def test_a_group_of_one_waits_for_nobody() -> None:
    assert done(waiting(Groups(1), 0, 1, 0)) == [True] * 3


@pytest.mark.parametrize("early", [True, False])
def test_a_last_group_that_is_not_full_starts_with_those_it_has(early: bool) -> None:
    groups = Groups(4)
    if early:
        groups.expect(6)
    last = waiting(groups, 4, 5)
    if not early:
        assert done(last) == [False, False]
        groups.expect(6)
    assert done(last) == [True, True]


def test_the_end_of_the_load_lets_everybody_go() -> None:
    groups = Groups(3)
    left = waiting(groups, 0, 1)
    groups.close()
    assert done(left) == [True, True]
    assert [greenlet.value for greenlet in left] == [False, False]
    assert waiting(groups, 0)[0].value is False
