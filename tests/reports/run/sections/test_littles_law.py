import re
from typing import Any

import numpy as np
import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json
from reports.records.schema import LONGEST_RETRY_PAUSE_S
from reports.records.steps import user_spans
from reports.run.sections import totals
from reports.run.sections.littles_law import LittlesLaw, Unchecked, summarize
from tests.reports.operations import Row, answers, connect, reset, step, steps

USERS = 12
LATENCY_S = 0.1


def played(pause_s: Any = 0.0, seconds: float = 10.0, users: int = USERS, own_s: float = 0.0) -> list[Row]:
    """Rows of users that step for so long, with a pause after each step and time of the generator's own."""
    pauses = pause_s if callable(pause_s) else lambda: pause_s
    rows = []
    for user in range(users):
        at = 0.01 * user
        rows += [connect(at, user=user), reset(at + 0.1, user=user)]
        at += 0.2
        while at < seconds:
            rows.append(step(at, user=user))
            at += LATENCY_S + pauses() + own_s
    return rows


def law_of(rows: list[Row], *, run: Any = None, **config: Any) -> LittlesLaw | Unchecked | None:
    loaded = steps(rows)
    spans = user_spans(loaded)
    what: Any = run_json("a-run", SyntheticRun(), 1_760_000_020.0) | (run or {})
    what["config"] = {**what["config"], "think_time": "0", "transport": "ws", **config}
    counted = totals.summarize(loaded, answers(rows), spans)
    return summarize(what, loaded, spans, counted)


def known(rows: list[Row], **more: Any) -> LittlesLaw:
    found = law_of(rows, **more)
    assert isinstance(found, LittlesLaw), found
    return found


def why_not(rows: list[Row], **more: Any) -> str:
    found = law_of(rows, **more)
    assert isinstance(found, Unchecked)
    assert found.doubt is None
    return found.sentence


def test_users_that_do_nothing_but_operate_are_accounted_for() -> None:
    law = known(played())
    assert law.users == pytest.approx(12)
    assert law.rate_per_s == pytest.approx(120, rel=0.02)
    assert law.time_s == pytest.approx(0.1, rel=0.02)
    assert law.accounted == pytest.approx(1)
    assert law.doubt is None
    assert law.sentence.startswith("Little's law: 12.0 users = 1")
    assert law.sentence.endswith("(100 % accounted for).")
    assert law.as_json() == {
        "users": law.users,
        "rate_per_s": law.rate_per_s,
        "time_s": law.time_s,
        "accounted": law.accounted,
    }


def test_the_three_are_one_equation() -> None:
    law = known(played(own_s=0.02))
    assert law.users * law.accounted == pytest.approx(law.rate_per_s * law.time_s)
    law = known(in_short_episodes(), think_time="uniform:0.29:0.31")
    assert law.users * law.accounted == pytest.approx(law.rate_per_s * law.time_s)


def test_rows_that_are_missing_are_told() -> None:
    rows = played()
    lost = [row for row in rows if not 4 <= row["started_at"] % 1_000_000 < 5]
    law = known(lost)
    assert law.accounted == pytest.approx(0.9, abs=0.02)
    assert law.doubt is not None
    assert "12.0 users were there" in law.doubt
    assert "rows were lost" in law.doubt


def test_time_that_the_generator_takes_for_itself_is_told() -> None:
    assert known(played(own_s=0.004)).doubt is None
    assert known(played(own_s=0.01)).doubt is not None


def test_think_time_is_accounted_for() -> None:
    rows = played(pause_s=0.3)
    law = known(rows, think_time="0.3")
    assert law.accounted == pytest.approx(1)
    assert law.time_s == pytest.approx(0.4, rel=0.1)
    assert known(rows, think_time="0.2").doubt is not None


def in_short_episodes() -> list[Row]:
    """Rows of users that think for 0.3 s, but not after every other step, which ends an episode."""
    rows: list[Row] = []
    for user in range(USERS):
        at = 0.01 * user
        while at < 10:
            rows += [reset(at, user=user), step(at + 0.1, user=user), step(at + 0.5, user=user)]
            at += 0.6
    return rows


def test_a_pause_that_was_not_made_accounts_for_no_other_time() -> None:
    rows = in_short_episodes()
    assert known(rows, think_time="0.3").accounted == pytest.approx(1)
    lost = [row for row in rows if not 4 <= row["started_at"] % 1_000_000 < 6]
    assert known(lost, think_time="0.3").doubt is not None


def test_think_time_that_is_drawn_counts_with_its_mean_and_it_is_said() -> None:
    random = np.random.default_rng(1)
    rows = played(pause_s=lambda: random.uniform(0.1, 0.5), seconds=40)
    law = known(rows, think_time="uniform:0.1:0.5")
    assert law.accounted > 0.97
    assert law.doubt is None
    assert "counts with its mean of 300 ms" in law.sentence
    lost = [row for row in rows if not 10 <= row["started_at"] % 1_000_000 < 15]
    assert known(lost, think_time="uniform:0.1:0.5").doubt is not None


def test_what_chance_does_to_drawn_think_times_is_no_reason_for_doubt() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        rows = played(pause_s=lambda: random.exponential(1.0), seconds=20)
        assert known(rows, think_time="exponential:1").doubt is None


def test_the_pause_after_an_error_is_accounted_for() -> None:
    rows = [
        step(0.01 * user + 1.1 * n, user=user, error="timeout" if n < 30 else None)
        for user in range(USERS)
        for n in range(30)
    ]
    law = known(rows)
    assert law.accounted == pytest.approx(1)
    assert law.time_s == pytest.approx(1.1, rel=0.05)


def test_what_goes_by_after_an_error_beyond_the_longest_pause_is_told() -> None:
    rows = [step(0.01 * user + 6 * n, user=user, error="timeout") for user in range(USERS) for n in range(30)]
    law = known(rows)
    assert law.accounted == pytest.approx((LATENCY_S + LONGEST_RETRY_PAUSE_S) / 6, rel=0.05)
    assert law.doubt is not None


def test_users_do_not_think_after_a_reset() -> None:
    rows = [
        row
        for user in range(USERS)
        for n in range(20)
        for row in (reset(0.01 * user + 0.5 * n, user=user), step(0.01 * user + 0.5 * n + 0.4, user=user))
    ]
    law = known(rows, think_time="0.3")
    assert law.accounted == pytest.approx(0.4, rel=0.05)
    assert law.doubt is not None


def test_the_time_of_a_policy_is_accounted_for_where_it_is_known() -> None:
    rows = played(pause_s=0.05)
    policy = {"name": "policy.py:act", "sha256": None}
    took = {"calls": 100, "mean_s": 0.05, "p50_s": 0.05, "p99_s": 0.05, "max_s": 0.05}
    law = known(rows, run={"policy_time": took}, policy=policy)
    assert law.accounted > 0.98
    assert "how long users paused is not known" in why_not(rows, policy=policy)
    assert known(rows).doubt is not None


def test_over_http_it_is_the_same() -> None:
    rows = [{**row, "transport": "http"} for row in played(pause_s=0.3) if row["op"] != "connect"]
    assert known(rows, transport="http", think_time="0.3").accounted == pytest.approx(1)
    assert known(rows, transport="http", think_time="0.2").doubt is not None


def rolled_out(own_s: float = 0.0, think_s: float = 0.0) -> list[Row]:
    """Rows of groups of two, whose second member plays ten steps while the first plays two."""
    rows = []
    for user in range(USERS):
        at = 0.01 * (user // 2)
        while at < 10:
            slowest = at + 0.2 + 10 * LATENCY_S + 9 * think_s
            rows += [connect(at, user=user), reset(at + 0.1, user=user)]
            number = 10 if user % 2 else 2
            rows += [step(at + 0.2 + n * (LATENCY_S + think_s), user=user) for n in range(number)]
            at = slowest + own_s
    return rows


def test_in_rollouts_to_wait_for_the_slowest_of_the_group_is_accounted_for() -> None:
    config = {"scenario": "rollouts", "group": 2}
    law = known(rolled_out(), **config)
    assert law.accounted == pytest.approx(1)
    assert law.time_s == pytest.approx(2.4 / 16, rel=0.05)
    assert known(rolled_out(think_s=0.2), think_time="0.2", **config).accounted == pytest.approx(1)
    assert known(rolled_out(own_s=0.2), **config).doubt is not None
    thought = known(rolled_out(own_s=0.2, think_s=0.2), think_time="0.2", **config)
    assert thought.doubt is not None, "nobody thinks before leaving"
    assert known(rolled_out()).doubt is not None, "without groups nobody waits"
    lost = [row for row in rolled_out() if row["op"] != "step" or not 4 <= row["started_at"] % 1_000_000 < 6]
    assert known(lost, **config).doubt is not None


def arrived(sessions: bool = False) -> tuple[list[Row], dict[str, Any]]:
    """Two hundred arrivals that waited 50 ms for a user, and what the generator counted of them."""
    rows = []
    for n in range(200):
        due, user = 1_000_000 + 0.05 * n, n if sessions else n % 3
        rows.append({**step(0.05 * n + 0.05, user=user), "intended_at": due})
        if sessions:
            rows.append(step(0.05 * n + 0.45, user=user))
    stay_s = 0.55 if sessions else 0.15
    return rows, {"due": 200, "begun": 200, "late": 200, "done": 200, "in_system_s": 200 * stay_s}


@pytest.mark.parametrize("of", ["steps", "sessions"])
def test_in_the_open_model_arrivals_are_accounted_for_from_when_they_were_due(of: str) -> None:
    rows, told = arrived(sessions=of == "sessions")
    law = known(rows, run={"arrivals": told}, arrivals_of=of)
    assert law.accounted == pytest.approx(1)
    assert law.time_s == pytest.approx(told["in_system_s"] / 200)
    assert f"{of} in the system = " in law.sentence
    assert law.doubt is None
    more = {**told, "in_system_s": told["in_system_s"] * 1.1}
    law = known(rows, run={"arrivals": more}, arrivals_of=of)
    assert law.accounted == pytest.approx(1 / 1.1)
    assert law.users * law.accounted == pytest.approx(law.rate_per_s * law.time_s)
    assert law.doubt is not None
    assert "Rows were lost, or their times are wrong" in law.doubt


def test_rows_of_arrivals_that_are_missing_are_told() -> None:
    rows, told = arrived()
    kept = [row for n, row in enumerate(rows) if n % 10]
    resets = [reset(0.05 * n, user=9) for n in range(100)]  # no arrival was one of these
    law = known(kept + resets, run={"arrivals": told}, arrivals_of="steps")
    assert law.accounted == pytest.approx(0.9)
    assert law.doubt is not None


def test_where_it_cannot_be_checked_it_is_said_why() -> None:
    assert "of a batch wait for each other" in why_not(played(), scenario="batch")
    assert "paused is not known" in why_not(played(), think_time="now and then")
    one_after_the_other = [step(user + 0.05 * n, user=user) for user in range(USERS) for n in range(19)]
    assert "no time in which all users were there" in why_not(one_after_the_other)
    assert "fewer than 10 users" in why_not(played(users=9))
    assert isinstance(law_of(played(pause_s=0.9, seconds=14), think_time="0.9"), LittlesLaw)
    sentence = why_not(played(pause_s=1.9, seconds=14), think_time="1.9")
    assert re.search(r"only \d\d operations ended, too few\.$", sentence), sentence
    rows, told = arrived()
    assert "was not counted" in why_not(rows)
    assert "only 9 steps ended" in why_not(rows, run={"arrivals": {**told, "done": 9}}, arrivals_of="steps")


def test_nothing_is_said_of_nothing() -> None:
    assert law_of([]) is None
