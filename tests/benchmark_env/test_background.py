import asyncio
import gc
import os
import threading
from multiprocessing import get_context

import pytest

from benchmark_env.background import Reply, block, carry_out, in_thread

from .conftest import PATIENCE, eventually


async def double(number: int, seconds: float = 0.0) -> int:
    await asyncio.sleep(seconds)
    return 2 * number


async def fail() -> None:
    raise LookupError("nothing there")


def test_without_a_loop_the_result_is_there_at_once() -> None:
    assert carry_out(lambda: double(2)) == 4


def test_an_error_reaches_the_caller() -> None:
    with pytest.raises(LookupError, match="nothing there"):
        carry_out(fail)


def test_in_a_loop_a_reply_is_awaited() -> None:
    async def caller() -> int:
        return int(await carry_out(lambda: double(3)))

    assert asyncio.run(caller()) == 6


def test_in_a_loop_a_reply_may_be_used_as_the_result() -> None:
    async def caller() -> int:
        reply = carry_out(lambda: double(3, seconds=0.05))
        return int(reply.bit_length())

    assert asyncio.run(caller()) == 3


def test_a_reply_makes_a_task_and_may_be_gathered() -> None:
    async def caller() -> list[int]:
        task = asyncio.create_task(carry_out(lambda: double(1)))
        return [await task, *await asyncio.gather(*(carry_out(lambda: double(2)) for _ in range(3)))]

    assert asyncio.run(caller()) == [2, 4, 4, 4]


def test_what_nobody_awaits_is_done_all_the_same() -> None:
    done = threading.Event()

    async def work() -> None:
        done.set()

    async def caller() -> None:
        carry_out(work)

    asyncio.run(caller())

    assert done.wait(PATIENCE)


@pytest.mark.parametrize(("fails_after", "kept_for"), [(0.0, 0.2), (0.2, 0.0)], ids=["kept", "dropped"])
def test_an_error_that_nobody_awaits_is_logged(
    fails_after: float, kept_for: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_later() -> None:
        await asyncio.sleep(fails_after)
        await fail()

    async def caller() -> None:
        reply = carry_out(fail_later)
        await asyncio.sleep(kept_for)
        del reply

    asyncio.run(caller())

    assert eventually(lambda: "nobody awaited it" in caplog.text)
    assert "LookupError: nothing there" in caplog.text


def test_an_error_that_was_awaited_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def caller() -> None:
        with pytest.raises(LookupError):
            await carry_out(fail)
        with pytest.raises(LookupError):
            carry_out(fail).result()

    asyncio.run(caller())
    gc.collect()
    block(lambda: double(1))

    assert not caplog.records


def test_an_error_reaches_whoever_awaits() -> None:
    async def caller() -> None:
        await carry_out(fail)

    with pytest.raises(LookupError):
        asyncio.run(caller())


def test_giving_up_cancels_the_work() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def caller() -> None:
        reply = carry_out(endless)
        assert begun.wait(PATIENCE)
        await asyncio.wait_for(reply, 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(caller())

    assert cancelled.wait(PATIENCE)


def test_all_threads_share_one_loop() -> None:
    async def loop() -> int:
        return id(asyncio.get_running_loop())

    loops: set[int] = set()
    threads = [threading.Thread(target=lambda: loops.add(block(loop))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(loops) == 1


def test_on_the_background_loop_itself_work_is_a_coroutine() -> None:
    async def outer() -> int:
        return int(await carry_out(lambda: double(5)))

    assert block(outer) == 10


def test_what_blocks_leaves_the_loop_free() -> None:
    async def both() -> int:
        opened = threading.Event()
        waiting = asyncio.ensure_future(in_thread(lambda: opened.wait(PATIENCE)))
        await asyncio.sleep(0)
        opened.set()
        return int(await waiting)

    assert block(both) == 1


def end_with(number: int) -> None:
    os._exit(block(lambda: double(number)))


def test_a_forked_process_gets_a_loop_of_its_own() -> None:
    block(lambda: double(1))
    child = get_context("fork").Process(target=end_with, args=(4,))
    child.start()
    child.join(PATIENCE)

    assert child.exitcode == 8


def test_a_pending_reply_says_so() -> None:
    arrives = threading.Event()

    async def caller() -> str:
        reply: Reply[bool] = carry_out(lambda: in_thread(arrives.wait))
        text = repr(reply)
        arrives.set()
        await reply
        return text

    assert asyncio.run(caller()) == "<Reply on its way>"
