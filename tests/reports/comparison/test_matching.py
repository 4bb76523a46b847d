from typing import Any

import pytest

from reports.comparison.matching import match_cells
from tests.reports.comparison.simulated import cell, experiment_json


def test_cells_match_by_all_that_they_have_in_common_and_repetitions_pool() -> None:
    matching = match_cells(
        experiment_json("a", [cell(8, 1), cell(8, 2), cell(16, 1)]),
        experiment_json("b", [cell(16, 1), cell(8, 1)]),
    )
    assert [(match.name, len(match.a), len(match.b)) for match in matching.matches] == [
        ("2 × 2, 8 users", 2, 1),
        ("2 × 2, 16 users", 1, 1),
    ]
    assert matching.unmatched == []
    assert matching.matches[0].cell["users"] == 8


@pytest.mark.parametrize(
    "changed",
    [
        {"replicas": 3},
        {"workers": 3},
        {"balancing": "ip_hash"},
        {"reuse_port": True},
        {"transport": "http"},
        {"wait": "1"},
        {"users": 9},
    ],
)
def test_cells_that_differ_in_anything_are_left_out_on_both_sides(changed: Any) -> None:
    matching = match_cells(
        experiment_json("a", [cell(8, 1)]), experiment_json("b", [{**cell(8, 1), **changed}])
    )
    assert matching.matches == []
    assert sorted(each.side for each in matching.unmatched) == ["A", "B"]


def test_cells_that_did_not_finish_are_left_out_with_their_reason() -> None:
    failed = cell(8, 1, status="failed", reason="the server died", run_id=None)
    matching = match_cells(experiment_json("a", [cell(8, 1)]), experiment_json("b", [failed]))
    reasons = {each.side: each.reason for each in matching.unmatched}
    assert reasons == {"A": "B has no such cell that finished", "B": "failed: the server died"}


def test_single_deployments_match_whatever_their_names() -> None:
    matching = match_cells(
        experiment_json("a", [cell(8, 1)]), experiment_json("b", [cell(8, 1, deployment="local")])
    )
    assert len(matching.matches) == 1
    assert matching.renamed == ("compose", "local")


def test_several_deployments_match_by_name_only() -> None:
    matching = match_cells(
        experiment_json("a", [cell(8, 1), cell(8, 1, deployment="old")]),
        experiment_json("b", [cell(8, 1), cell(8, 1, deployment="new")]),
    )
    assert [match.cell["deployment"] for match in matching.matches] == ["compose"]
    assert matching.renamed is None
    assert len(matching.unmatched) == 2
