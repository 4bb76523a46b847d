from reports.experiment.cells import Cell
from reports.experiment.groups import labels, ordered
from reports.experiment.sections.max_batch import MaxBatches, summarize
from tests.reports.experiment.sections.cells import GROUP, cell, missed, sized


def summarized(cells: list[Cell]) -> MaxBatches:
    return summarize(cells, labels(ordered(cell.group for cell in cells)))


def test_the_largest_load_that_most_repetitions_carried() -> None:
    cells = [
        cell(GROUP, 64, 1), cell(GROUP, 64, 1, 2),
        cell(GROUP, 128, 1), missed(GROUP, 128, repetition=2), cell(GROUP, 128, 1, 3),
        cell(GROUP, 256, 1), missed(GROUP, 256, repetition=2),
    ]  # fmt: skip
    [row] = summarized(cells).rows
    assert (row.max_batch, row.first_missed, row.lower_bound) == (128, 256, False)
    assert (row.cores, row.per_core) == (8, 16.0)
    assert (row.total_p99_s, row.connect_p50_s, row.step_p50_s) == (0.22, 0.01, 0.1)


def test_a_load_that_was_the_largest_tried_is_a_lower_bound() -> None:
    batches = summarized([cell(GROUP, 64, 1)])
    assert batches.rows[0].lower_bound
    assert "the limits lie beyond" in batches.takeaways[1]


def test_a_smaller_load_that_missed_is_told() -> None:
    batches = summarized([missed(GROUP, 32), cell(GROUP, 64, 1), missed(GROUP, 128)])
    assert batches.rows[0].missed_below == [32]
    assert "missed the objective at a smaller load" in batches.takeaways[-1]


def test_nothing_met_the_objective() -> None:
    batches = summarized([missed(GROUP, 32), missed(GROUP, 64)])
    [row] = batches.rows
    assert (row.max_batch, row.first_missed, row.per_core, row.largest_tried) == (None, 32, None, 64)
    assert batches.best is None
    assert batches.takeaways == ["No load that was tried met the objective."]


def test_invalid_and_failed_cells_do_not_count_as_tries() -> None:
    cells = [
        cell(GROUP, 32, 1), cell(GROUP, 64, 1, valid=False, usable=False),
        cell(GROUP, 128, 1, status="failed", valid=False, usable=False, slo_passed=None),
    ]  # fmt: skip
    [row] = summarized(cells).rows
    assert (row.max_batch, row.largest_tried) == (32, 32)


def test_cores_behind_a_url_are_unknown() -> None:
    [row] = summarized([cell(GROUP, 32, 1, cores=None)]).rows
    assert row.per_core is None


def test_the_best_is_the_largest_batch_on_the_fewest_workers() -> None:
    cells = [cell(sized(2, 2), 64, 1), cell(sized(1, 2), 64, 1), cell(sized(1, 1), 32, 1)]
    best = summarized(cells).best
    assert best is not None
    assert best.label == "1 × 2"


def test_transports_are_compared_where_all_else_is_the_same() -> None:
    http = sized(1, 1, transport="http")
    batches = summarized([cell(GROUP, 64, 1), cell(http, 16, 1), cell(sized(1, 2), 64, 1)])
    [pair] = batches.transports
    assert (pair.ratio, pair.label) == (4.0, "1 × 1")
    assert batches.takeaways[-1] == "1 × 1: 64 sessions over WebSocket, 16 over HTTP."


def test_many_pairs_of_transports_are_summed_up() -> None:
    cells = [
        cell(sized(1, workers, transport=transport), users, 1)
        for workers in range(1, 7) for transport, users in (("ws", 64), ("http", 32))
    ]  # fmt: skip
    assert summarized(cells).takeaways[-1].startswith("WebSocket held 2 times as many sessions as HTTP")


def test_published_results_stand_beside() -> None:
    assert summarized([]).published.rows
