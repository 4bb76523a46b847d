import numpy as np
import pytest

from loadtests.load.policy_times import PolicyTimes


def test_the_times_of_several_processes_add_up() -> None:
    seconds = np.random.default_rng(1).lognormal(-6, 1, 4000)
    here, there = PolicyTimes(), PolicyTimes()
    for number, each in enumerate(seconds):
        (here if number % 3 else there).add(float(each))
    here.add_packed(there.packed())

    summary = here.summary()

    assert summary is not None
    assert summary["calls"] == 4000
    assert summary["mean_s"] == pytest.approx(seconds.mean())
    assert summary["max_s"] == seconds.max()
    assert summary["p50_s"] == pytest.approx(np.quantile(seconds, 0.5), rel=0.015)
    assert summary["p99_s"] == pytest.approx(np.quantile(seconds, 0.99), rel=0.03)


def test_without_a_call_there_is_nothing_to_say() -> None:
    assert PolicyTimes().summary() is None
    nothing = PolicyTimes()
    nothing.add(0.0)
    summary = nothing.summary()
    assert summary is not None
    assert summary["max_s"] == summary["p99_s"] == 0.0
