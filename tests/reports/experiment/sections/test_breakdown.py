from reports.experiment.groups import labels
from reports.experiment.sections.breakdown import Part, summarize
from tests.reports.experiment.sections.cells import GROUP, cell, missed, quantiles


def test_the_largest_usable_load_is_taken_apart() -> None:
    cells = [cell(GROUP, 8, 1), cell(GROUP, 64, 1), cell(GROUP, 64, 1, 2), missed(GROUP, 128, usable=False)]
    found = summarize(cells, labels([GROUP]))
    [row] = found.rows
    assert row.users == 64
    assert row.parts == {
        "connect": Part(0.01, 0.02), "reset": Part(0.001, 0.002),
        "step": Part(0.1, 0.2), "total": Part(0.11, 0.22),
    }  # fmt: skip
    [takeaway] = found.takeaways
    assert takeaway.endswith("took longest: p99 of total time 220 ms, most of it in step (200 ms).")


def test_what_is_unknown_is_left_out() -> None:
    over_http = {"step": quantiles(0.1, 0.2), "total": quantiles(0.1, 0.2)}
    [row] = summarize([cell(GROUP, 8, 1, latency=over_http)], labels([GROUP])).rows
    assert set(row.parts) == {"step", "total"}


def test_nothing_usable() -> None:
    found = summarize([missed(GROUP, 8, usable=False)], labels([GROUP]))
    assert found.rows == []
    assert found.takeaways == ["No cell has figures that can be used."]
