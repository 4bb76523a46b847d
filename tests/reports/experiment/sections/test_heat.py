import numpy as np

from reports.experiment.groups import labels, ordered
from reports.experiment.sections import growth
from reports.experiment.sections.heat import summarize
from tests.reports.experiment.sections.cells import GROUP, cell, sized


def test_every_group_at_every_load_with_gaps() -> None:
    other = sized(2, 2)
    cells = [cell(GROUP, 8, 1), cell(GROUP, 64, 1), cell(other, 64, 1, valid=False, usable=False)]
    heat = summarize(growth.summarize(cells, labels(ordered([GROUP, other]))))
    assert (heat.labels, heat.users) == (["1 × 1", "2 × 2"], [8, 64])
    np.testing.assert_array_equal(heat.step_p99, [[0.2, 0.2], [np.nan, 0.2]])
    np.testing.assert_array_equal(heat.total_p99, [[0.22, 0.22], [np.nan, 0.22]])
    assert heat.invalid.tolist() == [[False, False], [False, True]]


def test_no_cells() -> None:
    assert summarize(growth.summarize([], {})).step_p99.shape == (0, 0)
