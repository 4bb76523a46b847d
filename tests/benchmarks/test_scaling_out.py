"""What so many sessions take, worked out from costs."""

import pytest

from benchmarks.scaling_out import BUSY, Cost, address_pairs, needs, simulated_batch, simulated_steps

COSTS = {
    "generator": Cost(step_us=50, session_us=300, session_kb=12, open_files=1),
    "nginx": Cost(step_us=50, session_us=200, session_kb=11, open_files=2),
    "server": Cost(step_us=150, session_us=900, session_kb=44, open_files=1),
}


def test_where_sessions_step_often_the_cores_decide() -> None:
    server = needs(COSTS, 100_000, 1.0)["server"]
    assert server.limit == "CPU"
    assert server.sessions_a_process == int(BUSY / 150e-6)
    assert server.cores == pytest.approx(15)
    assert server.processes == 22
    assert server.memory_gb == pytest.approx(4.4)


def test_where_sessions_step_rarely_open_files_decide() -> None:
    nginx = needs(COSTS, 1_000_000, 60.0)["nginx"]
    assert nginx.limit == "open files"
    assert nginx.sessions_a_process == 32_768
    assert nginx.processes == 31


def test_a_pair_of_addresses_carries_a_connection_for_each_local_port() -> None:
    assert [address_pairs(sessions) for sessions in (28_231, 28_232, 1_000_000)] == [1, 2, 36]


def test_a_batch_takes_its_wait_and_the_work_of_all_on_the_cores_of_this_machine() -> None:
    one = simulated_batch(COSTS, 1, 1.0, {"generator": 1, "nginx": 1, "server": 1})
    assert one == [pytest.approx(1 + 1900e-6)]
    many = simulated_batch(COSTS, 1000, 1.0, {"generator": 1, "nginx": 1, "server": 1})
    assert max(many) > 1.5


def test_steps_queue_little_where_no_process_is_busier_than_it_may_be() -> None:
    overheads = simulated_steps(COSTS, needs(COSTS, 100_000, 1.0), 1.0)
    assert min(overheads) == pytest.approx(250e-6, rel=0.01)
    assert sorted(overheads)[len(overheads) // 2] < 0.005
