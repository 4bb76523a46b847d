from pathlib import Path

import pytest

from benchmarks import capacity_truth
from benchmarks.capacity_truth import Truth, fault, judged
from reports.records.schema import CapacityJson

FOUR_BY_64 = Truth("local", replicas=1, workers=4, cap=64)


def found(sessions: int, *, limit: str = "errors", explanation: str = "CAPACITY_REACHED") -> CapacityJson:
    return CapacityJson(
        sessions=sessions,
        max_batch=sessions,
        low=sessions,
        high=None,
        confidence=0.97,
        lower_bound=False,
        server_cap=sessions,
        cores=2,
        limit=limit,
        explanation=explanation,
        remedy="",
        tries=[],
    )


def test_an_answer_is_right_where_it_is_the_cap_and_says_that_the_server_refuses_more() -> None:
    assert fault(found(256), FOUR_BY_64) is None
    assert fault(found(255), FOUR_BY_64) == "255 sessions instead of 256"
    assert "latency" in (fault(found(256, limit="latency"), FOUR_BY_64) or "")
    assert "refused" in (fault(found(256, explanation="refused"), FOUR_BY_64) or "")


@pytest.mark.servers
def test_a_search_that_gives_no_answer_is_wrong_and_the_next_one_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--calls", "2", "--workers", "0", "--results", str(tmp_path)]
    assert capacity_truth.main(options) == 1
    output = capsys.readouterr().out
    assert "call 1: no answer: the search ended with exit code 2" in output
    assert "call 2: no answer" in output
    assert "WORKERS=0" in output
    assert output.endswith("0 of 2 right\n")


@pytest.mark.servers
def test_an_answer_of_an_earlier_search_is_not_taken_for_this_one_s(tmp_path: Path) -> None:
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "experiment.json").write_text("{}")
    is_right, line = judged(Truth("local", replicas=1, workers=0, cap=64), tmp_path)
    assert not is_right
    assert "exit code 2" in line
