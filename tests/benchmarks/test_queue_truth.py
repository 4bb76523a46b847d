"""The open model against queueing theory, on real servers, and how answers are judged."""

import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.queue_truth import Estimate, Figure, Judged, Queue, Served, judge, line, measured
from benchmarks.queueing_theory import sojourns

QUEUES = (
    Queue(1, "constant", 0.01, 0.6),
    Queue(3, "exponential", 0.025, 0.65),
    Queue(1, "constant", 0.01, 0.6, "generator"),
)
SLOW_QUEUES = (
    Queue(1, "constant", 0.1, 0.6),
    Queue(3, "exponential", 0.1, 0.65),
    Queue(1, "constant", 0.1, 0.6, "generator"),
)
SECONDS = 20
MOST_MORE_S = 0.03
"""By how much a busy machine may hold up one in ten of the steps, each of which takes a multiple of that."""


def served(queue: Queue, count: int = 20_000, floor_s: float = 0.001) -> Served:
    """What a perfect generator would record."""
    rng = random.Random(3)
    at, due_s = 0.0, []
    for _ in range(count):
        at += rng.expovariate(queue.rate)
        due_s.append(at)
    constant = queue.service == "constant"
    waited_s = [queue.service_s if constant else rng.expovariate(1 / queue.service_s) for _ in range(count)]
    sojourn_s = np.array(sojourns(due_s, waited_s, queue.servers)) + floor_s
    return Served(np.array(due_s) - due_s[0], sojourn_s, np.zeros(count), np.array(waited_s))


def in_generator(queue: Queue) -> Served:
    """The same where steps wait for a user."""
    perfect = served(queue, floor_s=0.0)
    return replace(perfect, late_s=perfect.sojourn_s - perfect.waited_s)


@pytest.mark.parametrize("queue", QUEUES[:2])
def test_sojourns_as_in_theory_are_right_and_the_floor_is_found(queue: Queue) -> None:
    found = judge(queue, served(queue))
    assert found.right, line(found)
    assert found.floor_s == pytest.approx(0.001, rel=0.01)
    assert found.service_s == pytest.approx(queue.service_s, rel=0.05)
    assert found.rate == pytest.approx(queue.rate, rel=0.05)


def test_latency_from_the_sending_of_steps_that_waited_for_a_user_is_wrong() -> None:
    queue = QUEUES[2]
    right = in_generator(queue)
    assert judge(queue, right).right
    sent = replace(right, sojourn_s=right.waited_s, late_s=np.zeros_like(right.late_s))
    assert not judge(queue, sent).right


def test_what_the_way_to_the_server_takes_is_service_too_where_steps_wait_for_a_user() -> None:
    right = in_generator(QUEUES[2])
    assert judge(QUEUES[2], replace(right, waited_s=0.8 * right.waited_s)).right


RIGHT = Figure("mean", Estimate(1.0, 0.9, 1.1), theory_s=1.0, path_s=1.0)


@pytest.mark.parametrize(
    ("mean", "p99", "is_right"),
    [
        (RIGHT, RIGHT, True),
        (replace(RIGHT, theory_s=0.87), RIGHT, True),
        (replace(RIGHT, theory_s=0.85), RIGHT, False),
        (replace(RIGHT, theory_s=1.16), RIGHT, False),
        (replace(RIGHT, path_s=0.94), RIGHT, False),
        (RIGHT, replace(RIGHT, theory_s=1.16), False),
        (RIGHT, replace(RIGHT, path_s=0.5), True),
    ],
)
def test_both_figures_agree_with_theory_and_the_mean_with_its_arrivals_too(
    mean: Figure, p99: Figure, is_right: bool
) -> None:
    assert Judged(QUEUES[0], 100, 60.0, 0.01, 0.001, (mean, p99)).right == is_right


def test_sojourns_that_are_a_fifth_too_long_are_wrong() -> None:
    perfect = served(QUEUES[0])
    found = judge(QUEUES[0], replace(perfect, sojourn_s=perfect.sojourn_s * 1.2))
    assert not found.right
    assert "WRONG" in line(found)


@pytest.mark.servers
def test_steps_of_the_open_model_take_what_their_arrivals_and_services_lead_to(tmp_path: Path) -> None:
    """In the last queue all that waits does so for a user, which no latency from the sending would count."""
    runs = measured(SLOW_QUEUES, SECONDS, tmp_path)
    for queue, found in zip(SLOW_QUEUES, runs, strict=True):
        path_s = found.path_s(queue)
        assert path_s.size > 0.4 * SECONDS * queue.rate, queue
        # Whatever holds the machine up comes on top.
        assert found.sojourn_s.mean() > 0.95 * path_s.mean(), queue
        assert np.quantile(found.sojourn_s - path_s, 0.1) < MOST_MORE_S, queue
    assert runs[-1].path_s(SLOW_QUEUES[-1]).mean() > 1.5 * runs[-1].service_s(SLOW_QUEUES[-1]).mean()
    assert "MAX_STEPS_IN_FLIGHT" not in os.environ
