import pytest

from reports.run.sections.evenness import Evenness, Fairness, judge_evenness


@pytest.mark.parametrize(
    ("fairness", "evenness"),
    [
        (Fairness(0.97, 0.2, 1.5), "even"),
        (Fairness(0.70, 0.2, None), "by chance"),
        (Fairness(0.98, 0.01, 1.3), "nearly even"),
        (Fairness(0.995, 1e-6, 1.1), "nearly even"),
        (Fairness(0.95, 1e-6, 1.6), "uneven"),
        (Fairness(0.50, 1e-6, None), "very uneven"),
        (Fairness(0.999, None, 1.1), "nearly even"),
        (Fairness(0.85, None, 2.0), "uneven"),
    ],
)
def test_a_spread_is_judged_against_chance(fairness: Fairness, evenness: Evenness) -> None:
    assert judge_evenness(fairness, [50, 50]) == evenness
    assert judge_evenness(fairness, [50]) == "single"
    assert judge_evenness(fairness, [1, 1]) == "too few"
