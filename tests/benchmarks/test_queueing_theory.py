"""The closed forms against simulated queues."""

import math
import random

import pytest

from benchmarks.queueing_theory import (
    chance_beyond_in_md1,
    chance_beyond_in_mmc,
    erlang_c,
    mean_of_md1,
    mean_of_mmc,
    quantile,
    sojourns,
)

COUNT = 300_000


def simulated(rate: float, services_s: list[float], servers: int) -> list[float]:
    rng = random.Random(5)
    at, arrivals_s = 0.0, []
    for _ in services_s:
        at += rng.expovariate(rate)
        arrivals_s.append(at)
    return sorted(sojourns(arrivals_s, services_s, servers))


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_constant_services_one_at_a_time(load: float) -> None:
    found = simulated(load / 0.01, [0.01] * COUNT, 1)
    assert mean_of_md1(load / 0.01, 0.01) == pytest.approx(sum(found) / COUNT, rel=0.02)
    for share in (0.5, 0.9, 0.99):
        exact = quantile(lambda t: chance_beyond_in_md1(load / 0.01, 0.01, t), share, 0.01)
        assert exact == pytest.approx(found[int(share * COUNT)], rel=0.04)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (3, 0.7), (3, 2 / 3), (8, 0.8)])
def test_exponential_services_by_several(servers: int, load: float) -> None:
    rng, rate = random.Random(6), load * servers / 0.03
    found = simulated(rate, [rng.expovariate(1 / 0.03) for _ in range(COUNT)], servers)
    assert mean_of_mmc(rate, 0.03, servers) == pytest.approx(sum(found) / COUNT, rel=0.03)
    for share in (0.5, 0.9, 0.99):
        exact = quantile(lambda t: chance_beyond_in_mmc(rate, 0.03, servers, t), share, 0.03)
        assert exact == pytest.approx(found[int(share * COUNT)], rel=0.05)


def test_known_values() -> None:
    # Tables of Erlang's C: two servers at half of their capacity.
    assert erlang_c(1.0, 1.0, 2) == pytest.approx(1 / 3)
    # M/M/1: the sojourn is exponential.
    assert chance_beyond_in_mmc(0.5, 1.0, 1, 3.0) == pytest.approx(math.exp(-1.5))
    # M/D/1: nobody waits with the probability that the server is free.
    assert chance_beyond_in_md1(0.6, 1.0, 1.0) == pytest.approx(0.6)
    assert chance_beyond_in_md1(0.6, 1.0, 0.999) == 1


def test_who_arrives_is_served_in_turn_by_the_first_that_is_free() -> None:
    assert sojourns([0, 1, 2, 3], [5, 5, 1, 1], 2) == [5, 5, 4, 4]


def test_a_queue_that_grows_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"100 arrivals/s of 0.01 s each are too many for 1 servers"):
        mean_of_md1(100, 0.01)
