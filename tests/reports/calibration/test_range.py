import pytest

from reports.calibration.range import out_of_range
from reports.run.sections.validity import Code, RunWarning


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("not_completed", True),
        ("incident", True),
        ("generator_saturated", True),
        ("generator_late", True),
        ("machine_saturated", True),
        ("machine_shared", True),
        ("rate_not_reached", True),
        ("littles_law", False),
        ("isolation_violated", False),
        ("waits_wrong", False),
    ],
)
def test_what_speaks_against_the_generator_or_the_machine_speaks_against_the_measurement(
    code: Code, counts: bool
) -> None:
    warnings = [RunWarning(code, "why"), RunWarning("few_steps", "of no account")]
    assert out_of_range(warnings) == (["why"] if counts else [])
