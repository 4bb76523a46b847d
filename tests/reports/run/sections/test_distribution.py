from typing import Any

import pytest

from reports.records.schema import Topology
from reports.run.sections.distribution import Distribution, summarize
from tests.reports.operations import (
    Row,
    answers,
    config,
    connect,
    reset,
    session,
    step,
    steps,
    topology,
)


def spread(rows: list[Row], deployed: Topology | None = None, **changes: Any) -> Distribution:
    return summarize(steps(rows), answers(rows), deployed or topology(), config(**changes))


def sessions_on(*workers: tuple[str, int, int]) -> list[Row]:
    """For each (host, pid, n): n sessions of two steps, one user each."""
    rows: list[Row] = []
    for host, pid, sessions in workers:
        for _ in range(sessions):
            user = len(rows)
            rows += session(f"s{user}", [1, 2], at=user, user=user, host=host, pid=pid)
    return rows


def test_sessions_and_steps_of_every_worker() -> None:
    found = spread(sessions_on(("a", 7, 3), ("a", 8, 1), ("b", 7, 2)), topology(2, 2, "ab"))
    shares = [(w.name, w.pid, w.sessions, w.steps, w.share) for w in found.workers]
    assert shares[:3] == [
        ("env-a", 7, 3, 6, 0.5),
        ("env-a", 8, 1, 2, pytest.approx(1 / 6)),
        ("env-b", 7, 2, 4, pytest.approx(1 / 3)),
    ]
    assert [(r.name, r.sessions, r.steps) for r in found.replicas] == [("env-a", 4, 8), ("env-b", 2, 4)]
    assert found.unit == "sessions"


def test_a_worker_that_got_nothing_counts_with_zero() -> None:
    found = spread(sessions_on(("a", 7, 3), ("a", 8, 3), ("b", 7, 3)), topology(2, 2, "ab"))
    assert len(found.workers) == found.expected_workers == 4
    idle = found.workers[-1]
    assert (idle.name, idle.pid, idle.sessions, idle.steps, idle.share) == ("env-b", None, 0, 0, 0.0)
    assert found.worker_fairness is not None
    assert found.worker_fairness.jain == pytest.approx(0.75)
    assert found.worker_fairness.max_over_min is None
    assert "1 of 4 workers got nothing, on env-b." in found.takeaways


def test_a_replica_that_never_answered_counts_with_zero() -> None:
    found = spread(sessions_on(("a", 7, 2)), topology(2, 1, "ab"))
    assert [(r.host, r.sessions, r.steps) for r in found.replicas] == [("a", 2, 4), ("b", 0, 0)]
    assert found.replica_fairness is not None
    assert found.replica_fairness.jain == pytest.approx(0.5)
    assert "1 of 2 replicas got nothing: env-b." in found.takeaways


def test_a_silent_replica_whose_host_is_unknown_counts_too() -> None:
    found = spread(sessions_on(("a", 7, 2)), topology(3, 2, ""))
    assert len(found.replicas) == 3
    assert len(found.workers) == 6


def test_steps_add_up_to_all_that_named_their_host() -> None:
    rows = [*sessions_on(("a", 7, 2)), step(50), step(51, host="a"), step(52, error="timeout")]
    found = spread(rows, topology(1, 2))
    assert found.unattributed_steps == 1
    assert sum(r.steps for r in found.replicas) == 5
    assert sum(w.steps for w in found.workers) == 5
    assert any("1 successful step (17 %) named no host" in takeaway for takeaway in found.takeaways)


def test_a_session_counts_for_the_worker_that_answered_it_first() -> None:
    rows = [*session("s", [1, 2]), step(9, session_hash="s", host="a", pid=8)]
    found = spread(rows, topology(1, 2))
    assert [(w.pid, w.sessions, w.steps) for w in found.workers] == [(7, 1, 2), (8, 0, 1)]


def test_a_connect_that_names_its_host_is_no_session() -> None:
    found = spread([connect(0, host="a", pid=7), *session("s", [1], at=1)], topology(1, 1))
    assert [(w.pid, w.sessions) for w in found.workers] == [(7, 1)]


def test_over_http_sessions_are_users_and_fairness_counts_steps() -> None:
    http = {"transport": "http", "session_hash": "of-worker", "host": "a"}
    rows = [
        *(step(n, user=1, pid=7, **http) for n in range(3)),
        step(3, user=2, pid=7, **http),
        step(4, user=1, pid=8, **http),
    ]
    found = spread(rows, topology(1, 2), transport="http")
    assert found.unit == "steps"
    assert [(w.pid, w.sessions, w.steps) for w in found.workers] == [(7, 2, 4), (8, 1, 1)]
    assert found.worker_fairness is not None
    assert found.worker_fairness.max_over_min == 4.0


def test_nobody_named_who_answered() -> None:
    found = spread([connect(0), step(1), step(2)], topology(None, None, ""))
    assert (found.replicas, found.workers) == ([], [])
    assert found.worker_fairness is None
    assert found.unattributed_steps == 2
    assert "unknown" in found.takeaways[0]


def test_a_host_that_only_a_connect_named_says_nothing_of_the_spread() -> None:
    found = spread([connect(0, host="a"), step(1), step(2)], topology(2, 2, "ab"))
    assert (found.replicas, found.workers) == ([], [])
    assert (found.expected_workers, found.unattributed_steps) == (4, 2)


def test_hosts_without_processes() -> None:
    found = spread([step(0, host="a"), step(1, host="b")], topology(2, 2, "ab"))
    assert [r.steps for r in found.replicas] == [1, 1]
    assert found.workers == []
    assert any("named hosts but no processes" in takeaway for takeaway in found.takeaways)


def test_an_unknown_deployment_expects_whom_it_saw() -> None:
    found = spread(sessions_on(("a", 7, 1), ("b", 9, 1)), topology(None, None, ""))
    assert found.expected_workers is None
    assert len(found.workers) == 2
    assert any("How many workers were deployed is unknown" in takeaway for takeaway in found.takeaways)


def test_replaced_workers_are_all_shown() -> None:
    found = spread(sessions_on(("a", 7, 2), ("a", 8, 2), ("a", 9, 1)), topology(1, 2))
    assert [w.pid for w in found.workers] == [7, 8, 9]
    assert any("3 workers show where 2 were deployed" in takeaway for takeaway in found.takeaways)


def test_a_host_that_was_not_deployed_is_shown() -> None:
    found = spread(sessions_on(("a", 7, 1), ("z", 7, 1)), topology(1, 1))
    assert [r.host for r in found.replicas] == ["a", "z"]


def test_an_even_spread_is_called_even_and_an_uneven_one_uneven() -> None:
    even = spread(sessions_on(("a", 7, 10), ("a", 8, 10)), topology(1, 2)).takeaways
    assert "as even as chance would have it (p = 1.00" in even[0]
    uneven = spread(sessions_on(("a", 7, 40), ("a", 8, 4)), topology(1, 2)).takeaways
    assert "more uneven than chance explains (p < 0.001" in uneven[0]
    assert "Worker 7 on env-a carried 90.9 % of the steps, 1.8 times its fair share." in uneven


def test_a_few_sessions_say_nothing_of_the_spread() -> None:
    found = spread(sessions_on(("a", 7, 3)), topology(1, 2))
    assert found.takeaways[0] == "3 sessions over 2 workers are too few to judge the spread."


def test_one_worker_has_nothing_to_spread() -> None:
    found = spread(sessions_on(("a", 7, 3)))
    assert found.worker_fairness is not None
    assert found.worker_fairness.jain == 1.0
    assert found.worker_fairness.chi2_p is None


def test_ip_hash_is_explained() -> None:
    takeaways = spread(sessions_on(("a", 7, 3)), topology(2, 1, "ab"), balancing="ip_hash").takeaways
    assert any("ip_hash" in takeaway for takeaway in takeaways)


def without_steps(*pids: int, **columns: Any) -> list[Row]:
    """For each pid a user that it resets, and of whom the one step fails."""
    return [
        row
        for user, pid in enumerate(pids)
        for row in (
            reset(user, user=user, session_hash=f"s{user}", host="a", pid=pid, **columns),
            step(user + 0.2, user=user, error="server_error", **columns),
        )
    ]


def test_where_no_step_succeeded_no_worker_carried_any() -> None:
    alone = spread(without_steps(7, 7))
    assert alone.takeaways == ["No step succeeded, so none was spread."]
    assert [(w.pid, w.sessions, w.steps, w.share) for w in alone.workers] == [(7, 2, 0, 0.0)]
    assert spread(without_steps(7, transport="http"), transport="http").takeaways == alone.takeaways


def test_sessions_are_spread_even_where_no_step_succeeded() -> None:
    first, second = spread(without_steps(*[7, 8] * 5), topology(1, 2)).takeaways
    assert first == "No step succeeded, so none was spread."
    assert second.startswith("The spread of sessions over 2 workers is as even as chance")


def test_hosts_that_only_resets_named_carried_none_of_the_steps() -> None:
    rows = [reset(0, session_hash="s", host="a", pid=7), step(1, session_hash="s"), step(2, session_hash="s")]
    assert spread(rows).takeaways == ["2 successful steps (100 %) named no host and are left out here."]


def test_all_failing() -> None:
    found = spread([connect(0, error="refused"), connect(1, error="refused")])
    assert found.workers == []
    assert found.expected_workers == 1


def connections_to(*hosts: str | None) -> list[Row]:
    """For each host a connection whose replies name no session, and no process; None: no host either."""
    return [
        row | {"user": user, "host": None if row["op"] == "connect" else host}
        for user, host in enumerate(hosts)
        for row in (connect(user), reset(user + 0.2), step(user + 0.4), step(user + 0.6))
    ]


UNKNOWN = topology(None, None, "")


def test_without_session_hashes_a_connection_is_a_session_of_the_host_that_a_header_names() -> None:
    found = spread(connections_to(*"aabaabbb" * 2), UNKNOWN)
    assert [(r.host, r.sessions, r.steps) for r in found.replicas] == [("a", 8, 16), ("b", 8, 16)]
    assert (found.unit, found.workers, found.worker_fairness) == ("sessions", [], None)
    assert found.replica_fairness is not None
    assert found.replica_fairness.chi2_p == pytest.approx(1.0)
    assert found.evenness == "even"
    assert found.takeaways[0].startswith("The spread of sessions over 2 replicas is as even as chance")
    assert found.takeaways[1:] == [
        "Replies named hosts but no processes, so the spread over workers is unknown.",
        "How many replicas were deployed is unknown; 2 answered, and one that got nothing would not show.",
    ]


def test_a_session_turned_away_is_none_of_its_host() -> None:
    rows = [*connections_to("a", "b"), connect(9, user=9, host="b"), reset(9.1, user=9, error="capacity")]
    assert [(r.host, r.sessions) for r in spread(rows, UNKNOWN).replicas] == [("a", 1), ("b", 1)]


def test_over_http_a_header_names_the_hosts_of_steps() -> None:
    rows = [step(n, user=n, host="ab"[n % 2], transport="http") for n in range(40)]
    found = spread(rows, UNKNOWN, transport="http")
    assert [(r.host, r.sessions, r.steps) for r in found.replicas] == [("a", 20, 20), ("b", 20, 20)]
    assert (found.unit, found.evenness) == ("steps", "nearly even")
    assert found.replica_fairness is not None
    assert found.replica_fairness.chi2_p is None


def test_of_replies_that_name_a_host_only_in_part_the_rest_is_left_out_and_told() -> None:
    found = spread(connections_to("a", None, "a", None), UNKNOWN)
    assert [(r.host, r.sessions, r.share) for r in found.replicas] == [("a", 2, 1.0)]
    assert found.unattributed_steps == 4
    assert found.takeaways[0] == "Only one replica is known, and it carried all steps that named a host."
    assert found.takeaways[-1] == "4 successful steps (50 %) named no host and are left out here."


def test_where_nothing_is_named_it_is_said_how_to_know() -> None:
    found = spread(connections_to(None, None), UNKNOWN)
    assert (found.replicas, found.evenness, found.unattributed_steps) == ([], None, 4)
    assert found.takeaways[0].endswith("so how the load was spread is unknown.")
    assert "add_header X-Upstream $upstream_addr always;" in found.takeaways[1]


def test_steps_without_a_process_leave_the_spread_over_workers_unknown() -> None:
    rows = [*sessions_on(("a", 7, 6), ("b", 8, 6)), *connections_to("a", "b")]
    for row in rows[-8:]:
        row["user"] += 90
    found = spread(rows, UNKNOWN)
    assert [(w.host, w.pid, w.sessions, w.steps) for w in found.workers] == [
        ("a", 7, 6, 12),
        ("a", None, 1, 2),
        ("b", 8, 6, 12),
        ("b", None, 1, 2),
    ]
    assert found.worker_fairness is None
    assert found.evenness == "even"
    told = "4 steps named a host but no process, so how even the spread over workers was is unknown."
    assert told in found.takeaways
