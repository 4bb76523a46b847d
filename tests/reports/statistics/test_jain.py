import numpy as np
import pytest

from reports.statistics.jain import jain_index


@pytest.mark.parametrize(
    ("loads", "index"),
    [
        ([5, 5, 5, 5], 1.0),
        ([8, 0, 0, 0], 0.25),
        ([1, 2, 3], 36 / 42),
        ([4, 54, 146, 196], 400**2 / (4 * 62664)),
    ],
)
def test_jain_index_of_known_loads(loads: list[float], index: float) -> None:
    assert jain_index(np.array(loads, dtype=float)) == pytest.approx(index)


def test_jain_index_of_no_load_is_unknown() -> None:
    assert np.isnan(jain_index(np.zeros(3)))
