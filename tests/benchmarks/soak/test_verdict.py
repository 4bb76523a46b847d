import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.soak import verdict
from benchmarks.soak.samples import Kind, Phase, Sample
from benchmarks.soak.trend import Trend
from benchmarks.soak.verdict import Line, Measure, judge

SECONDS = 200
SESSIONS_A_SECOND = 20.0


def sampled(
    memory_mb: Callable[[float], float] = lambda _: 100.0,
    descriptors: Callable[[float], float] = lambda _: 30.0,
    kind: Kind = "server worker",
    processes: int = 2,
    idle_after: bool = True,
) -> list[Sample]:
    """Samples of a soak: ten idle seconds, the load, ten idle seconds."""
    chance = random.Random(4)
    phases: list[tuple[Phase, int]] = [("idle before", 10), ("load", SECONDS)]
    phases += [("idle after", 10)] if idle_after else []
    samples, at = [], 0
    for phase, seconds in phases:
        for second in range(seconds):
            loaded = {"idle before": 0, "load": second, "idle after": SECONDS}[phase]
            sessions = chance.randrange(12) if phase == "load" else 0
            memory = int(memory_mb(loaded) * 1e6) + chance.randrange(50_000)
            open_ones = int(descriptors(loaded)) + sessions
            samples += [Sample(at, phase, kind, pid, memory, open_ones, 5) for pid in range(processes)]
            at += 1
    return samples


def line(samples: list[Sample], measure: str) -> Line:
    (found,) = (each for each in judge(samples, SESSIONS_A_SECOND).lines if each.measure == measure)
    return found


def test_what_follows_the_sessions_of_the_moment_is_steady() -> None:
    found = judge(sampled(), SESSIONS_A_SECOND)
    assert found.faults == []
    assert [each.measure for each in found.lines] == ["memory", "descriptors", "threads"]
    descriptors = line(sampled(), "descriptors")
    assert (descriptors.processes, descriptors.before, descriptors.after) == (2, 60, 60)
    assert descriptors.growth is not None
    assert descriptors.growth.low < 0 < descriptors.growth.high


def test_memory_that_rises_with_the_sessions_grows() -> None:
    # 2 kB a session of 20 a second, in each of two processes: 40 MB for 10,000.
    leaking = line(sampled(memory_mb=lambda second: 100 + 0.04 * second), "memory")
    assert leaking.growth is not None
    assert 36 < leaking.growth.low < 40 < leaking.growth.high < 44
    assert "memory grew by 40" in leaking.faults[0]
    assert "for 10,000 sessions" in leaking.faults[0]


def test_memory_that_rises_by_less_than_the_bound_is_let_be() -> None:
    # 0.02 kB a session.
    assert line(sampled(memory_mb=lambda second: 100 + 0.0004 * second), "memory").faults == []


def test_a_trend_within_one_arena_of_the_allocator_is_let_be() -> None:
    # 4 MB for 10,000 sessions, beyond doubt, but half a megabyte in all that was seen.
    line_of_it = line(sampled(memory_mb=lambda second: 100 + 0.004 * second), "memory")
    assert line_of_it.growth is not None
    assert line_of_it.growth.low > 2
    assert line_of_it.faults == []


def test_memory_that_settles_early_in_the_load_is_no_growth() -> None:
    settling = sampled(memory_mb=lambda second: 100 + min(second, 30) * 0.3)
    assert line(settling, "memory").faults == []


def test_memory_that_stays_is_told_beyond_what_an_allocator_may_keep() -> None:
    kept = line(sampled(memory_mb=lambda second: 100 + 10 * (second > 20)), "memory")
    assert kept.faults == []
    stays = line(sampled(memory_mb=lambda second: 100 + 30 * (second > 20)), "memory")
    assert stays.faults == ["memory did not come back: 200 before, 260 MB after"]


def test_a_single_descriptor_that_stays_is_told() -> None:
    one = sampled(descriptors=lambda second: 30 + (second > 150))
    assert "descriptors did not come back: 60 before, 62 after" in line(one, "descriptors").faults


def test_a_process_that_ends_while_nothing_is_asked_is_no_level() -> None:
    ending = [each for each in sampled() if (each.phase, each.at >= 8, each.pid) != ("idle before", True, 1)]
    assert line(ending, "descriptors").before == 60
    closing = [
        replace(each, descriptors=each.descriptors - (each.phase == "idle before" and each.at >= 8))
        for each in sampled(kind="harness")
    ]
    assert judge(ending + closing, SESSIONS_A_SECOND).faults == []


def test_descriptors_that_leak_are_told_although_the_end_was_not_seen() -> None:
    leaking = sampled(descriptors=lambda second: 30 + second, idle_after=False)
    cut = line(leaking, "descriptors")
    assert cut.after is None
    (fault,) = cut.faults
    assert fault.startswith("descriptors grew by")


def test_each_kind_of_process_is_judged_by_itself() -> None:
    samples = sampled(kind="nginx worker") + sampled(
        memory_mb=lambda second: 100 + 0.2 * second, kind="generator", processes=1
    )
    faults = judge(samples, SESSIONS_A_SECOND).faults
    assert {fault.partition(":")[0] for fault in faults} == {"generator"}


@pytest.mark.parametrize(
    ("measure", "processes", "low", "is_fault"),
    [
        ("memory", 1, 1.1, True),
        ("memory", 1, 0.9, False),
        ("memory", 2, 1.9, False),
        ("memory", 2, 2.1, True),
        ("descriptors", 1, 2.1, True),
        ("descriptors", 1, 1.9, False),
        ("descriptors", 2, 3.9, False),
        ("threads", 1, 2.1, True),
        ("threads", 1, 1.9, False),
    ],
)
def test_growth_is_told_beyond_so_much_of_each_process_and_beyond_doubt(
    measure: Measure, processes: int, low: float, is_fault: bool
) -> None:
    growth = Trend(low + 1, low, low + 2)
    found = Line("generator", measure, processes, growth, 50_000, before=10, after=10).faults
    assert [fault.partition(" ")[0] for fault in found] == [measure] * is_fault


def test_a_slope_that_may_be_chance_is_let_be() -> None:
    assert Line("generator", "memory", 1, Trend(40, -1, 81), 50_000, before=100, after=100).faults == []


def test_threads_grow_like_the_rest_and_may_stay() -> None:
    leaking = [replace(each, threads=5 + int(each.at)) for each in sampled()]
    assert [fault.partition(" by")[0] for fault in line(leaking, "threads").faults] == ["threads grew"]
    stay = [replace(each, threads=5 + (each.phase != "idle before")) for each in sampled()]
    assert line(stay, "threads").faults == []


def test_descriptors_may_take_a_moment_to_be_closed() -> None:
    end = max(each.at for each in sampled())
    slow = [
        replace(each, descriptors=each.descriptors + (each.phase == "idle after" and each.at < end - 1))
        for each in sampled()
    ]
    assert line(slow, "descriptors").faults == []


def test_all_intervals_together_err_no_more_often_than_one_would(monkeypatch: pytest.MonkeyPatch) -> None:
    doubts: list[float] = []
    monkeypatch.setattr(verdict, "trend", lambda *given: doubts.append(given[-1]))
    judge(sampled() + sampled(kind="generator"), SESSIONS_A_SECOND)
    assert doubts == pytest.approx([2 * verdict.DOUBT / 6] * 6)


def test_nothing_sampled_is_nothing_said() -> None:
    assert judge([], 0.0).lines == []
