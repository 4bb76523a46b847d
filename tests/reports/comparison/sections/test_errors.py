import math
from collections.abc import Sequence

import pytest

from reports.comparison.estimates import Successes
from reports.comparison.sections.errors import judged_success, overdispersion, success_change


def successes(succeeded: int, total: int, effect: float = 1.0) -> Successes:
    return Successes(succeeded, total, effect, math.inf)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ((990, 1000), (900, 1000), "worse"),
        ((900, 1000), (990, 1000), "better"),
        ((990, 1000), (989, 1000), "no difference shown"),
        ((1000, 1000), (1000, 1000), "no difference shown"),
        ((1000, 1000), (0, 1000), "worse"),
    ],
)
def test_success_is_judged(a: tuple[int, int], b: tuple[int, int], verdict: str) -> None:
    change = success_change([successes(*a)], [successes(*b)], 0.0, 0)
    assert judged_success(change, change.p).verdict == verdict
    assert change.low is not None
    assert change.high is not None
    assert change.change is not None
    assert -1 <= change.low <= change.change <= change.high <= 1


def test_failures_that_come_together_show_less() -> None:
    scattered = success_change([successes(1000, 1000)], [successes(980, 1000)], 0.0, 0)
    together = success_change([successes(1000, 1000)], [successes(980, 1000, 50)], 0.0, 0)
    assert scattered.p < 0.001 < 0.05 < together.p


def test_an_operation_never_made_has_no_success_rate() -> None:
    change = success_change([successes(0, 0)], [successes(5, 5)], 0.0, 0)
    assert (change.a, change.b, change.change) == (None, 1.0, None)


def test_runs_whose_failures_vary_more_than_chance_are_overdispersed() -> None:
    def spread(counts: Sequence[int]) -> float:
        return overdispersion([[successes(count, 1000) for count in counts]])[0]

    assert spread([900, 905, 895]) < 1
    assert spread([999, 800, 950]) > 50
    assert spread([900]) == 0
