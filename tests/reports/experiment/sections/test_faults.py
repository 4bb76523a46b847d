from reports.experiment.cells import Cell
from reports.experiment.groups import Group, labels, ordered
from reports.experiment.sections.faults import FaultsByGroup, summarize


def cell(balancing: str, fault: str, lost: int, failed: int) -> Cell:
    return Cell(
        group=Group("local", 3, 1, balancing, True, "ws", "0.1", fault),
        users=64,
        repetition=1,
        status="completed",
        reason=None,
        run_id="a-run",
        valid=True,
        sessions_lost=lost,
        failed_by_faults=failed,
        errors_ended_s=1.5,
        p99_during_faults=0.4,
    )


CELLS = [
    cell("round_robin", "", 0, 0),
    cell("round_robin", "kill-replica@3s", 22, 30),
    cell("round_robin", "kill-replica@3s", 20, 28),
    cell("least_conn", "", 0, 0),
    cell("least_conn", "kill-replica@3s", 12, 40),
    cell("least_conn", "kill-replica@3s", 10, 44),
]


def faults(cells: list[Cell]) -> FaultsByGroup:
    found = summarize(cells, labels(ordered(cell.group for cell in cells)))
    assert found is not None
    return found


def test_the_policy_that_loses_least_sessions_is_named() -> None:
    found = faults(CELLS)
    assert [(row.label, row.repetitions, row.sessions_lost.median) for row in found.rows] == [
        ("least_conn, kill-replica@3s", 2, 11),
        ("round_robin, kill-replica@3s", 2, 21),
    ]
    (said,) = found.takeaways
    assert said.startswith("kill-replica@3s: least_conn lost least, 11 sessions and 42 operations;")
    assert said.endswith("the most was 21 and 29.")


def test_plans_are_compared_among_themselves() -> None:
    found = faults([cell("round_robin", "kill-worker@3s", 5, 5), *CELLS])
    assert len(found.takeaways) == 1


def test_where_all_lose_the_same_that_is_said() -> None:
    found = faults([cell("round_robin", "kill-worker@3s", 5, 5), cell("random", "kill-worker@3s", 5, 5)])
    assert found.takeaways == ["kill-worker@3s: all lost the same, 5 sessions and 5 operations."]


def test_an_experiment_without_faults_has_no_such_section() -> None:
    assert summarize([cell("random", "", 0, 0)], {}) is None
