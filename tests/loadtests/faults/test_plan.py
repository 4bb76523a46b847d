import pytest

from loadtests.errors import LoadTestError
from loadtests.faults.plan import Fault, parse_faults


def test_nothing_asked_for_is_no_fault() -> None:
    assert parse_faults("", 20) == ()
    assert parse_faults(" ", 20) == ()


def test_faults_come_in_the_order_of_time_whatever_that_of_the_words() -> None:
    assert parse_faults("pause-replica:3s@15s, kill-worker@10,restart-nginx@1m", 90) == (
        Fault("kill-worker", "kill-worker@10", 10),
        Fault("pause-replica", "pause-replica:3s@15s", 15, lasts_s=3),
        Fault("restart-nginx", "restart-nginx@1m", 60),
    )


@pytest.mark.parametrize(
    "name", ["kill-worker", "kill-replica", "restart-nginx", "add-replica", "remove-replica"]
)
def test_most_faults_have_no_parameters(name: str) -> None:
    assert [fault.name for fault in parse_faults(f"{name}@0s", 1)] == [name]
    with pytest.raises(LoadTestError, match=rf"{name} takes no parameter, not 1"):
        parse_faults(f"{name}:3s@0s", 1)


def test_a_network_is_slow_for_a_time_or_until_the_load_ends() -> None:
    (one,) = parse_faults("slow-network:50ms@2.5s", 10)
    assert (one.at_s, one.delay_s, one.lasts_s) == (2.5, 0.05, None)
    (other,) = parse_faults("slow-network:0.1:5s@2s", 10)
    assert (other.delay_s, other.lasts_s) == (0.1, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "kill-wroker@10s",
            r"FAULT=kill-wroker@10s: kill-wroker is no fault; did you mean kill-worker\? Write kill-w",
        ),
        ("explode@10s", r"explode is no fault; write kill-worker, kill-replica, pause-replica:LENGTH"),
        ("kill-worker@10s,,restart-nginx@12s", "an empty word is no fault"),
        ("kill-worker", "FAULT=kill-worker does not say when: write kill-worker@10s"),
        ("kill-worker@", r"'' is no time of 0 or more: write 10, 10s, 500ms or 1m"),
        ("kill-worker@soon", "'soon' is no time"),
        ("kill-worker@-1s", "'-1s' is no time"),
        ("kill-worker@nan", "'nan' is no time"),
        ("pause-replica@10s", "pause-replica takes 1 parameter, not 0"),
        ("pause-replica:0s@10s", "'0s' is no time above 0"),
        ("slow-network@10s", "slow-network takes 1 or 2 parameters, not 0"),
        ("slow-network:1s:2s:3s@10s", "slow-network takes 1 or 2 parameters, not 3"),
        ("kill-worker@20s", "kill-worker@20s is due after 20 s, when the load of 20 s is over"),
        ("kill-worker@1m", "kill-worker@1m is due after 60 s"),
        (
            "slow-network:50ms@1s,slow-network:90ms@5s",
            "slow-network:90ms@5s begins while slow-network:50ms@1s goes on",
        ),
        ("slow-network:50ms:5s@1s,slow-network:90ms@5s", "begins while slow-network:50ms:5s@1s goes on"),
    ],
)
def test_a_bad_word_is_named_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(LoadTestError, match=words):
        parse_faults(text, 20)
