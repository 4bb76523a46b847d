import pytest

from benchmarks.kills import killed_run
from benchmarks.kills.checkout import Checkout
from benchmarks.kills.killed_run import killed
from benchmarks.kills.kinds import KINDS
from benchmarks.kills.outcome import MOST_LOST_S, Kill
from benchmarks.kills.traces import end_all

BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("kills") / "scratch")
    checkout.make()
    return checkout


@pytest.mark.servers
def test_a_kill_breaks_no_promise(checkout: Checkout) -> None:
    found = killed(Kill(1, BY_NAME["Locust's worker"], moment=0.5, choice=1, then_run=False), checkout)
    assert found.broken == []
    assert found.reads
    assert found.rows_lost is not None
    assert 0 < found.seconds_lost < MOST_LOST_S


@pytest.mark.servers
def test_what_no_next_command_removes_is_found(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(killed_run, "_next_command", lambda *_: None)
    found = killed(Kill(77, BY_NAME["harness, under load"], 0.2, 0, then_run=False), checkout)
    left = {each.partition(" ")[0] for each in found.left}
    end_all(checkout)
    assert left == {"process", "port", "file"}
    assert found.broken
