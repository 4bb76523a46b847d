import pytest

from reports.sections.errors import Errors, summarize
from tests.reports.operations import Row, connect, failures, step, steps


def errors(rows: list[Row]) -> Errors:
    return summarize(steps(rows), failures(rows))


def test_failures_are_grouped_by_category_and_operation() -> None:
    found = errors(
        [
            connect(0.0, error="timeout", error_detail="10 s"),
            step(1.0, error="timeout", error_detail="30 s"),
            step(2.0, error="timeout", error_detail="31 s"),
            step(3.0, error="timeout", error_detail="31 s"),
            step(3.8),
            step(3.9, error="server_error"),
        ]
    )
    assert [(g.category, g.op, g.count, g.example) for g in found.groups] == [
        ("timeout", "step", 3, "31 s"),
        ("timeout", "connect", 1, "10 s"),
        ("server_error", "step", 1, None),
    ]
    assert [g.first_at for g in found.groups] == pytest.approx([1.1, 0.1, 4.0])
    assert found.categories == ["timeout", "server_error"]
    assert found.counts.tolist() == [[1, 1, 1, 1], [0, 0, 0, 1]]
    assert found.takeaways[0] == "5 of 6 operations failed (83 %), the first 100 ms after the start."
    assert found.takeaways[1].startswith("timeout (3 steps and 1 connect): replies did not come in time")


def test_a_run_without_failures() -> None:
    found = errors([step(0), step(1)])
    assert (found.groups, found.categories) == ([], [])
    assert found.counts.shape == (0, found.at_s.size)
    assert found.takeaways == ["None of 2 operations failed."]


def test_text_from_a_server_is_cut_and_cleaned() -> None:
    example = errors([step(0, error="server_error", error_detail="\x1b[31m" + "x" * 999)]).groups[0].example
    assert example is not None
    assert len(example) == 300
    assert example.isprintable()


def test_an_unknown_category_is_shown() -> None:
    assert errors([step(0, error="martians")]).groups[0].category == "martians"


def test_an_empty_run() -> None:
    assert errors([]).groups == []
