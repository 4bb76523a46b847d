import asyncio
import threading
import time

from benchmark_env.server.step_limit import StepLimit

from .conftest import PATIENCE, eventually


def test_there_are_so_many_places_and_no_more() -> None:
    async def entered() -> list[bool]:
        limit = StepLimit(2)
        tasks = [asyncio.create_task(limit.enter_async()) for _ in range(3)]
        await asyncio.sleep(0.01)
        return [task.done() for task in tasks]

    assert asyncio.run(entered()) == [True, True, False]


def test_a_place_passes_to_the_first_in_the_queue_at_the_moment_that_it_is_left() -> None:
    async def moments() -> list[tuple[int, float]]:
        limit = StepLimit(1)
        await limit.enter_async()
        order = []

        async def enter(number: int) -> None:
            order.append((number, await limit.enter_async()))

        tasks = [asyncio.create_task(enter(number)) for number in range(3)]
        await asyncio.sleep(0)
        for at in (7.0, 8.0, 9.0):
            limit.leave(at)
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(moments()) == [(0, 7.0), (1, 8.0), (2, 9.0)]


def test_a_place_that_nobody_queues_for_is_taken_by_the_next_to_come() -> None:
    limit = StepLimit(1)
    limit.enter()
    limit.leave(0.0)
    before = time.perf_counter()
    assert limit.enter() >= before


def test_who_is_cancelled_leaves_the_queue_and_takes_no_place_along() -> None:
    async def last() -> float:
        limit = StepLimit(1)
        await limit.enter_async()
        queued, given, waiting = (asyncio.create_task(limit.enter_async()) for _ in range(3))
        await asyncio.sleep(0)
        queued.cancel()
        await asyncio.sleep(0)
        limit.leave(1.0)
        # It has been given the place and does not know yet.
        given.cancel()
        return await asyncio.wait_for(waiting, PATIENCE)

    assert asyncio.run(last()) > 1.0


def test_threads_and_tasks_stand_in_one_queue() -> None:
    limit = StepLimit(1)
    limit.enter()
    order: list[str] = []

    def enter() -> None:
        limit.enter()
        order.append("thread")
        limit.leave(time.perf_counter())

    async def enter_async() -> None:
        limit.leave(await limit.enter_async())
        order.append("task")

    async def both() -> None:
        thread = threading.Thread(target=enter)
        thread.start()
        assert eventually(lambda: len(limit._queue) == 1)
        task = asyncio.create_task(enter_async())
        await asyncio.sleep(0.01)
        limit.leave(time.perf_counter())
        await asyncio.wait_for(task, PATIENCE)
        thread.join(PATIENCE)

    asyncio.run(both())
    assert sorted(order) == ["task", "thread"]
