import numpy as np
import pytest

from reports.statistics.groups import Together, counts_of, first_of_each, pieces, stable_order

_RANDOM = np.random.default_rng(4)


@pytest.mark.parametrize("count", [1, 300, 70_000])
def test_rows_of_a_group_come_together_in_their_order(count: int) -> None:
    groups = np.random.default_rng(1).integers(0, count, 50_000).astype(np.int32)
    assert np.array_equal(stable_order(groups, count), np.argsort(groups, kind="stable"))


def test_groups_are_counted_as_numpy_does() -> None:
    groups = _RANDOM.integers(0, 50, 600_000).astype(np.int32)
    assert np.array_equal(counts_of(groups, 60), np.bincount(groups, minlength=60))


def test_pieces_cover_every_row_once() -> None:
    assert [(piece.start, piece.stop) for piece in pieces(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert not list(pieces(0))


def test_the_first_of_each_group_in_whichever_piece_it_lies() -> None:
    groups = np.concatenate([np.zeros(600_000, dtype=np.int32), [2, 0, 2]])
    values = np.arange(groups.size)
    assert first_of_each(groups, values, 4, -1).tolist() == [0, -1, 600_000, -1]
    among = values > 5
    assert first_of_each(groups, values, 4, -1, among).tolist() == [6, -1, 600_000, -1]


@pytest.mark.parametrize("size", [1, 7, 500])
@pytest.mark.parametrize("before", [False, True])
def test_the_last_marked_row_of_a_group_is_found_across_pieces(size: int, before: bool) -> None:
    count, rows = 6, 500
    groups, marked = _RANDOM.integers(0, count, rows), _RANDOM.random(rows) < 0.2
    values = np.arange(rows)
    state, found = np.full(count, -1), np.empty(rows, dtype=np.int64)
    for piece in pieces(rows, size):
        together = Together.of(groups[piece], count)
        rows_of = values[piece][together.order]
        found[rows_of] = together.last(marked[rows_of], rows_of, state, before=before)
    known, expected = [-1] * count, []
    for group, mark, value in zip(groups.tolist(), marked.tolist(), values.tolist(), strict=True):
        then = known[group]
        if mark:
            known[group] = value
        expected.append(then if before else known[group])
    assert found.tolist() == expected
    assert state.tolist() == known
