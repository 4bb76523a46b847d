import gevent

from loadtests.load.barrier import Barrier


def test_nobody_goes_before_all_are_there() -> None:
    barrier = Barrier()
    gone: list[bool] = []
    users = [gevent.spawn(lambda: gone.append(barrier.wait())) for _ in range(2)]
    gevent.sleep(0)
    barrier.expect(3)
    gevent.sleep(0)
    assert gone == []
    users.append(gevent.spawn(lambda: gone.append(barrier.wait())))
    gevent.joinall(users, timeout=60)
    assert gone == [True, True, True]


def test_it_opens_when_it_learns_that_all_are_there() -> None:
    barrier = Barrier()
    user = gevent.spawn(barrier.wait)
    gevent.sleep(0)
    barrier.expect(1)
    assert user.get(timeout=60) is True


def test_who_comes_later_does_not_go() -> None:
    barrier = Barrier()
    barrier.expect(0)
    assert barrier.wait() is False


def test_all_have_begun_before_the_first_goes_on() -> None:
    barrier = Barrier()
    events: list[str] = []

    def user() -> None:
        barrier.wait()
        events.append("begin")
        gevent.sleep(0)
        events.append("go on")

    users = [gevent.spawn(user) for _ in range(50)]
    barrier.expect(50)
    gevent.joinall(users, timeout=60)
    assert events == ["begin"] * 50 + ["go on"] * 50
