from loadtests.capacity.verdict import verdict_lines
from reports.records.schema import CapacityJson, CapacityTry
from tests.loadtests.batches import at_rate, outcome


def capacity(
    sessions: int,
    max_batch: int,
    *,
    high: int | None = 264,
    server_cap: int | None = None,
    cores: int | None = 2,
    lower_bound: bool = False,
    confidence: float = 0.984375,
    tries: int = 1,
) -> CapacityJson:
    one = CapacityTry(users=16, run_id="r", passed=True, succeeded=16, success_rate=1.0, total_p99_s=1.1)
    return CapacityJson(
        sessions=sessions,
        max_batch=max_batch,
        low=max_batch,
        high=high,
        confidence=confidence,
        server_cap=server_cap,
        cores=cores,
        lower_bound=lower_bound,
        limit="errors",
        explanation="the server turns sessions away",
        remedy="raise MAX_CONCURRENT_ENVS",
        tries=[one] * tries,
    )


def test_the_answer_comes_first_then_the_limit_the_remedy_and_what_it_rests_on() -> None:
    batches = [outcome(257)] * 5 + [outcome(264, met=False)] * 3
    lines = verdict_lines(capacity(257, 257), batches, "found")
    assert lines == [
        "capacity: 257 sessions at once (98 % sure), 128 per core",
        "  limit: errors: the server turns sessions away",
        "  to lift it: raise MAX_CONCURRENT_ENVS",
        (
            "  batches up to 257 meet the objective (5 of 5 tries; 98 % sure that they do more often than "
            "not); 264 missed it in 3 of 3 tries"
        ),
    ]


def test_a_cap_that_was_measured_says_so_and_how_often_a_batch_of_it_passed() -> None:
    batches = [outcome(243)] * 4 + [outcome(256), outcome(256, met=False)]
    first, *_, basis = verdict_lines(capacity(256, 243, server_cap=256), batches, "found")
    assert "256 sessions at once (measured" in first
    assert "one of 256 met it in 1 of 2 tries" in basis


def test_an_answer_that_something_else_ended_is_a_lower_bound() -> None:
    (first, *_) = verdict_lines(capacity(64, 64, lower_bound=True), [outcome(64)], "found")
    assert first.startswith("capacity: at least 64 sessions")
    (first, *_) = verdict_lines(capacity(64, 64), [outcome(64)], "found")
    assert first.startswith("capacity: 64 sessions")


def test_nothing_is_said_of_cores_that_are_not_known() -> None:
    (first, *_) = verdict_lines(capacity(64, 64, cores=None), [outcome(64)], "found")
    assert "core" not in first


def test_a_search_that_found_nothing_says_so() -> None:
    (first, *_) = verdict_lines(capacity(0, 0), [outcome(1, met=False)], "found")
    assert first == "capacity: no batch met the objective"
    (first, *_) = verdict_lines(capacity(0, 0, tries=0), [], "interrupted")
    assert first == "capacity: unknown"


def test_what_the_reader_must_know_is_noted() -> None:
    late = outcome(64, connect_spread_s=2.5, shortest_stay_s=1.0)
    *_, note = verdict_lines(capacity(64, 64), [late], "found")
    assert "may not all have been there at once" in note
    assert "WAIT=" in note
    *_, note = verdict_lines(capacity(64, 64), [outcome(64)], "budget")
    assert "BUDGET" in note
    *_, note = verdict_lines(capacity(64, 64), [outcome(64)], "interrupted")
    assert "Ctrl-C" in note


def test_a_rate_is_told_with_its_p99_from_the_intended_time_and_why_the_next_missed() -> None:
    tries = [at_rate(412)] * 5 + [at_rate(430, missed="latency", p99=3.1)] * 3
    found = capacity(412, 412, high=430)
    found["unit"], found["total_p99_limit_s"], found["limit"] = "steps/s", 1.2, "latency"
    found["tries"] = [found["tries"][0] | {"users": 412, "total_p99_s": p99} for p99 in (0.8, 0.9, 1.0)]
    first, *_, basis = verdict_lines(found, tries, "found")
    assert first == (
        "capacity: carries 412 steps/s within the objective (p99 from the intended time 900 ms of 1.20 s; "
        "98 % sure), 206 per core"
    )
    assert basis == (
        "  rates up to 412 meet the objective (5 of 5 tries; 98 % sure that they do more often than not); "
        "430 missed it in 3 of 3 tries: latency"
    )
    found["lower_bound"] = True
    assert "carries at least 412 steps/s" in verdict_lines(found, tries, "found")[0]
    nothing = capacity(0, 0)
    nothing["unit"] = "sessions/s"
    assert verdict_lines(nothing, tries, "found")[0] == "capacity: no rate met the objective"
