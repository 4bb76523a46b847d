import random

import numpy as np
import pytest

from benchmarks.calibration.reply_times import ReplyTimesError, parse_reply_times


def drawn(text: str) -> list[float]:
    chance = random.Random(3)
    reply_times = parse_reply_times(text)
    return [reply_times.draw(chance) for _ in range(20_000)]


@pytest.mark.parametrize(
    ("text", "p10", "p50", "p99"),
    [
        ("constant:0.02", 0.02, 0.02, 0.02),
        ("uniform:0.01:0.05", 0.014, 0.03, 0.0496),
        ("lognormal:0.02:0.5", 0.02 * np.exp(-0.5 * 1.2816), 0.02, 0.02 * np.exp(0.5 * 2.3263)),
        ("bimodal:0.02:0.3:0.02", 0.02 * np.exp(-0.1 * 1.26), 0.02005, 0.3),
        ("stalls:0.02:2:0.2", 0.02, 0.02, 0.02),
    ],
)
def test_reply_times_have_the_percentiles_of_their_distribution(
    text: str, p10: float, p50: float, p99: float
) -> None:
    found = np.percentile(drawn(text), [10, 50, 99])
    assert found == pytest.approx([p10, p50, p99], rel=0.04)


def test_the_same_seed_gives_the_same_times() -> None:
    assert drawn("lognormal:0.02:0.5") == drawn("lognormal:0.02:0.5")


@pytest.mark.parametrize(
    ("read_s", "due_s"),
    [
        (0.0, 0.02),  # a stall begins after two seconds, not at the start
        (1.97, 1.99),
        (1.985, 2.2),
        (2.1, 2.2),
        (2.17, 2.2),
        (2.19, 2.21),
        (3.985, 4.2),
    ],
)
def test_what_is_due_in_a_stall_waits_for_its_end(read_s: float, due_s: float) -> None:
    reply_times = parse_reply_times("stalls:0.02:2:0.2")
    assert reply_times.due(read_s, random.Random(1)) == pytest.approx(due_s)


@pytest.mark.parametrize(
    "text",
    [
        *("", "0.02", "constant", "constant:x", "constant:-1", "constant:inf", "constant:1:2"),
        *("uniform:2:1", "lognormal:0:1", "bimodal:0.1:0.2:1.5", "stalls:0.02:0.2:0.2", "pareto:1:2"),
    ],
)
def test_what_is_no_distribution_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(ReplyTimesError, match=r"is no distribution of reply times: write constant:SECONDS, "):
        parse_reply_times(text)
