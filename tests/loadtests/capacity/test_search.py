from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from loadtests.capacity.search import Answer, SearchPlan, answer, confidence, next_batch, server_cap


@dataclass(frozen=True)
class Batch:
    """The outcome of a batch made by hand."""

    users: int
    met: bool
    clear: bool = False
    far: bool = False
    succeeded: int = 0
    turned_away: int = 0
    held: int | None = None
    hopeless: bool = False

    @property
    def load(self) -> int:
        return self.users


Server = Callable[[int], Batch]

PLAN = SearchPlan(start=16, most=16384, tries=3, precision=0.025, success_rate=0.95)
MANY = 120
"""More batches than a search may take."""


def search(server: Server, plan: SearchPlan = PLAN, most: int = MANY) -> tuple[Answer, list[Batch]]:
    tries: list[Batch] = []
    while (users := next_batch(tries, plan)) is not None:
        assert 1 <= users <= plan.most
        tries.append(server(users))
        assert len(tries) <= most
    return answer(tries), tries


def always_below(limit: int) -> Server:
    """Meets the objective up to `limit` users, and never above."""
    return lambda users: Batch(users, users <= limit, users <= 0.8 * limit)


def turning_away(cap: int) -> Server:
    """One worker that holds `cap` sessions and turns all others away."""

    def batch(users: int) -> Batch:
        served = min(users, cap)
        met, far, held = served >= 0.95 * users, served < 0.9 * users, cap if users > cap else None
        return Batch(users, met, served == users, far, served, users - served, held)

    return batch


def at_random(seed: int, workers: int, cap: int, away: float = 0.0) -> Server:
    """Workers of `cap` sessions each on which clients land by chance; a share of tries hang nevertheless."""
    rng = np.random.default_rng(seed)

    def batch(users: int) -> Batch:
        landed = rng.multinomial(users, [1 / workers] * workers)
        served = int(np.minimum(landed, cap).sum())
        met = served >= 0.95 * users and rng.random() >= away
        held = cap * workers if (landed > cap).all() else None
        return Batch(users, met, met and served == users, served < 0.9 * users, served, users - served, held)

    return batch


def slowing_down(seed: int, limit: int, noise: float) -> Server:
    """A p99 that grows with the batch and meets its bound at `limit`, with lognormal noise."""
    rng = np.random.default_rng(seed)

    def batch(users: int) -> Batch:
        p99 = users / limit * np.exp(rng.normal(0, noise))
        return Batch(users, p99 < 1, p99 < 0.8)

    return batch


@pytest.mark.parametrize("limit", [1, 2, 3, 15, 16, 17, 100, 269, 1000, 5000])
def test_a_sharp_limit_is_found_within_the_precision(limit: int) -> None:
    found, _ = search(always_below(limit))
    assert found.max_batch <= limit <= found.max_batch + max(1, 0.025 * limit)
    assert found.sessions == found.max_batch == found.low
    assert found.high is not None
    assert found.high > limit
    assert found.confidence >= 0.9
    assert found.server_cap is None


def test_a_hopeless_try_is_not_made_again_on_the_way() -> None:
    def far_off(users: int) -> Batch:
        return Batch(users, users <= 100, users <= 80, hopeless=users > 150)

    found, tries = search(far_off)
    assert found.max_batch <= 100 < 103 <= (found.high or 0) + 2
    assert sum(each.users == 128 for each in tries) > 1
    assert [each.users for each in tries if each.users > 150] == []
    found, tries = search(far_off, replace(PLAN, start=200))
    assert [each.users for each in tries if each.users > 150] == [200]


def test_a_sharp_limit_is_found_to_one_session_where_that_is_asked_for() -> None:
    found, _ = search(always_below(777), replace(PLAN, precision=0))
    assert (found.max_batch, found.high) == (777, 778)


@pytest.mark.parametrize("cap", [1, 7, 16, 100, 256, 1000])
def test_the_cap_of_a_server_that_turns_sessions_away_is_the_answer(cap: int) -> None:
    found, _ = search(turning_away(cap))
    assert found.sessions == found.server_cap == cap
    # Up to 5 % of a batch may fail, so somewhat larger batches than the server holds meet the objective.
    assert cap <= found.max_batch <= cap / 0.95


def test_a_cap_is_found_whatever_the_first_batch_is() -> None:
    for start in (1, 100, 255, 256, 257, 300, 1000, 5000):
        found, _ = search(turning_away(256), replace(PLAN, start=start))
        assert found.sessions == 256, start


def test_four_workers_of_64_sessions_hold_256_though_clients_land_on_them_by_chance() -> None:
    seeds = range(400)
    right = sum(search(at_random(seed, workers=4, cap=64))[0].sessions == 256 for seed in seeds)
    assert right >= 0.99 * len(seeds)


def test_the_cap_is_found_where_one_batch_in_ten_fails_for_no_reason() -> None:
    seeds = range(200)
    right = sum(search(at_random(seed, 4, 64, away=0.1))[0].sessions == 256 for seed in seeds)
    assert right >= 0.97 * len(seeds)


def test_a_cap_that_no_batch_may_use_for_want_of_an_even_spread_is_not_the_answer() -> None:
    shares, cap = np.array([0.49, 0.37, 0.13, 0.01]), 64

    def batch(users: int) -> Batch:
        landed = np.round(shares * users)
        served = int(np.minimum(landed, cap).sum())
        held = 4 * cap if (landed > cap).all() else None
        met, far = served >= 0.95 * users, served < 0.9 * users
        return Batch(users, met, served == users, far, served, users - served, held)

    found, _ = search(batch)
    assert 130 < found.sessions < 160
    assert found.sessions == found.max_batch


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_a_limit_that_latency_sets_is_found_in_spite_of_noise(noise: float) -> None:
    answers = [search(slowing_down(seed, 1000, noise))[0] for seed in range(100)]
    sizes = np.array([found.max_batch for found in answers])
    assert abs(float(np.median(sizes)) - 1000) < 50
    assert float(np.quantile(np.abs(sizes - 1000), 0.9)) < 1000 * (0.05 + noise)
    assert all(found.low <= found.max_batch < (found.high or 10**9) for found in answers)


def test_a_server_that_never_fails_ends_at_the_largest_batch() -> None:
    found, tries = search(lambda users: Batch(users, True, True), replace(PLAN, most=1000))
    assert (found.sessions, found.high) == (1000, None)
    assert max(each.users for each in tries) == 1000
    assert found.confidence > 0.9


def test_a_server_that_always_fails_ends_at_one_session() -> None:
    found, tries = search(lambda users: Batch(users, False))
    assert (found.sessions, found.max_batch, found.low, found.high) == (0, 0, 0, 1)
    assert len(tries) < 20
    assert next_batch(tries, PLAN) is None


def test_a_moment_of_trouble_does_not_end_the_search() -> None:
    trouble = iter([True, True, True, True, False, False])

    def batch(users: int) -> Batch:
        return Batch(users, users <= 500 and next(trouble, True), users <= 400)

    found, _ = search(batch)
    assert 480 <= found.max_batch <= 500


def test_one_lucky_batch_does_not_raise_the_answer() -> None:
    lucky = iter([True])

    def batch(users: int) -> Batch:
        return Batch(users, users <= 100 or (users > 200 and next(lucky, False)), users <= 80)

    found, _ = search(batch)
    assert 96 <= found.max_batch <= 100


def test_a_clear_pass_needs_one_try_and_a_near_one_more() -> None:
    clear = [Batch(16, True, clear=True)]
    assert next_batch(clear, PLAN) == 32
    near = [Batch(16, True)]
    assert next_batch(near, PLAN) == 16
    assert next_batch([*near, *near], PLAN) == 32


def test_a_search_that_was_stopped_knows_what_it_had_found() -> None:
    _, tries = search(always_below(300))
    for end in range(1, len(tries)):
        found = answer(tries[:end])
        assert found.max_batch <= 300
        assert found.high is None or found.high > 300
    assert answer([]) == Answer(0, 0, 0, None, 0.0, None)


def test_the_next_batch_depends_on_the_tries_alone() -> None:
    _, tries = search(at_random(5, 4, 64))
    for end, (_, following) in enumerate(pairwise(tries), 1):
        assert next_batch(tries[:end], PLAN) == following.users


def test_a_cap_counts_where_two_batches_agree_on_it() -> None:
    full = Batch(512, False, succeeded=256, turned_away=256, held=256)
    fewer = replace(full, held=255)
    assert server_cap([full]) is None
    assert server_cap([full, fewer]) is None
    assert server_cap([full, fewer, full]) == 256


def test_confidence_is_that_of_a_coin_that_favours_one_side() -> None:
    assert confidence(0, 0) == 0.5
    assert confidence(5, 0) == pytest.approx(1 - 0.5**6)
    assert confidence(0, 5) == pytest.approx(0.5**6)
    assert confidence(2, 2) == pytest.approx(0.5)
    assert confidence(4, 1) == pytest.approx(0.890625)


def test_the_cap_is_the_answer_unless_a_smaller_batch_is_hopeless() -> None:
    full = Batch(512, False, succeeded=256, turned_away=256, held=256)
    edge = [Batch(256, False, turned_away=14), Batch(243, True), Batch(243, False), full, full]
    assert answer(edge).sessions == 256
    hopeless = [Batch(128, True), Batch(243, False), Batch(243, False), full, full]
    assert answer(hopeless).server_cap == 256
    assert answer(hopeless).sessions == 128
    lucky = [*hopeless, Batch(256, True)]
    assert answer(lucky).sessions == 256


def test_the_cap_is_not_the_answer_where_a_batch_of_it_misses_by_far() -> None:
    full = Batch(512, False, far=True, succeeded=256, turned_away=256, held=256)
    by_far = Batch(256, False, far=True, succeeded=210, turned_away=46)
    tries = [Batch(214, True), Batch(214, True), by_far, by_far, full, full]
    assert answer(tries).server_cap == 256
    assert answer(tries).sessions == 214
    assert answer([*tries, Batch(256, True)]).sessions == 214
