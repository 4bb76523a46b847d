import itertools

from loadtests.experiment.grid import Axes, CellNames, Load, cells_in_random_order, deployment_key
from reports.records.schema import CellJson


def axes(targets: dict[str, str] | None = None, repetitions: int = 2) -> Axes:
    return Axes(
        targets=targets or {"local": "local"},
        replicas=[1, 2],
        workers=[1, 4],
        balancing=["round_robin"],
        reuse_port=[True],
        transport=["ws"],
        wait=["0", "0.1"],
        loads=[Load(1), Load(16), Load(256)],
        repetitions=repetitions,
    )


def identity(cell: CellJson) -> tuple[object, ...]:
    return (*deployment_key(cell), cell["transport"], cell["wait"], cell["users"], cell["repetition"])


def test_every_combination_is_a_cell_once() -> None:
    cells = cells_in_random_order(axes(), seed=1)
    assert len(cells) == axes().size == 2 * 2 * 2 * 3 * 2
    assert len({identity(cell) for cell in cells}) == len(cells)


def test_each_deployment_is_brought_up_once() -> None:
    keys = [deployment_key(cell) for cell in cells_in_random_order(axes(), seed=5)]
    changes = sum(1 for one, other in itertools.pairwise(keys) if one != other)
    assert changes == len(set(keys)) - 1


def test_the_seed_decides_the_order() -> None:
    order = [identity(cell) for cell in cells_in_random_order(axes(), seed=1)]
    assert order == [identity(cell) for cell in cells_in_random_order(axes(), seed=1)]
    assert order != [identity(cell) for cell in cells_in_random_order(axes(), seed=2)]
    loads = [cell["users"] for cell in cells_in_random_order(axes(), seed=1)[:12]]
    assert loads != sorted(loads)


def test_a_server_given_by_its_url_has_no_topology() -> None:
    grid = axes({"new": "http://127.0.0.1:1", "old": "http://127.0.0.1:2"}, repetitions=1)
    cells = cells_in_random_order(grid, seed=1)
    assert len(cells) == grid.size == 2 * 2 * 3
    assert {deployment_key(cell) for cell in cells} == {
        ("new", None, None, None, None),
        ("old", None, None, None, None),
    }


def test_names_say_what_differs_and_nothing_else() -> None:
    cells = cells_in_random_order(axes(repetitions=1), seed=1)
    names = CellNames(cells)
    cell = next(c for c in cells if (c["replicas"], c["workers"], c["users"], c["wait"]) == (2, 4, 1, "0.1"))
    assert names.deployment(cell) == "2 × 4"
    assert names.cell(cell) == "2 × 4, wait 0.1, 1 user"


def test_names_of_servers_and_of_policies() -> None:
    servers = cells_in_random_order(axes({"new": "http://a", "old": "http://b"}, repetitions=1), seed=1)
    assert CellNames(servers).deployment(servers[0]) == servers[0]["deployment"]
    shared = [servers[0].copy(), servers[0].copy()]
    for cell, reuse_port in zip(shared, (True, False), strict=True):
        cell["replicas"], cell["workers"], cell["balancing"] = 1, 4, "random"
        cell["reuse_port"] = reuse_port
    assert CellNames(shared).deployment(shared[1]) == "1 × 4, shared port"
