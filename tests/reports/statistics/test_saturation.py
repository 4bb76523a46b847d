import pytest

from reports.statistics.saturation import Cpu


def test_parts_are_added_up_by_role() -> None:
    cpu = Cpu.of(
        [
            ("replica", 0.5, 0.9),
            ("replica", 0.25, 0.9),
            ("generator", 0.4, 1.0),
            ("generator", 0.3, None),
            ("generator", None, 0.7),
            ("others", 0.2, 0.3),
        ]
    )
    assert cpu is not None
    assert (cpu.replicas_mean, cpu.nginx_mean, cpu.others_mean) == (0.75, None, 0.2)
    assert (cpu.generator_busiest_mean, cpu.generator_max) == (0.4, 1.0)
    assert cpu.total_mean == pytest.approx(1.45)
    assert Cpu.of([]) is None


def test_the_median_is_over_the_runs_in_which_a_figure_is_known() -> None:
    runs = [Cpu(0.25, 0.25, 0.5, 1.0, None), None, Cpu(0.75, 0.5, 1.0, None, None)]
    assert Cpu.median_of(runs) == Cpu(0.5, 0.375, 0.75, 1.0, None)
    assert Cpu.median_of([None]) is None


@pytest.mark.parametrize(
    ("mean", "most", "brief", "saturated"),
    [
        (0.96, None, False, 0.96),
        (0.8, 0.99, False, 0.99),
        (0.3, 0.99, False, None),
        (0.3, 0.99, True, 0.99),
        (None, 0.99, True, None),
        (0.9, 0.9, True, None),
    ],
)
def test_a_generator_process_is_saturated_on_average_or_where_that_says_little_for_a_second(
    mean: float | None, most: float | None, brief: bool, saturated: float | None
) -> None:
    assert Cpu(mean, mean, most, None, None).saturated_generator(brief=brief) == saturated
