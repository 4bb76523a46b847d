import pytest

from reports.records.columns import EPISODES
from reports.run.sections import episodes
from reports.run.sections.episodes import Episodes
from tests.reports.operations import START, Row, answers, columns, connect, reset, step, steps


def summarized(rows: list[Row]) -> Episodes | None:
    return episodes.summarize(steps(rows), answers(rows), columns(rows))


def game(at: float, rewards: list[float], user: int = 1, *, done: bool = True) -> list[Row]:
    """A reset and a step for each reward, 0.1 s apart; the last ends the episode."""
    last = len(rewards) - 1
    return [
        reset(at, user=user, done=False, reward=9.0),
        *(
            step(
                at + 0.1 * (n + 1), user=user, reward=reward, done=done and n == last, session_hash=f"s{user}"
            )
            for n, reward in enumerate(rewards)
        ),
    ]


def test_an_episode_lasts_from_its_reset_to_the_step_that_is_done() -> None:
    rows = [connect(0), *game(0.1, [0.0, 0.5, 1.0]), connect(0, user=5), *game(0.25, [0.0] * 5, user=5)]

    found = summarized(rows)

    assert found is not None
    assert (found.finished, found.unfinished) == (2, 0)
    assert found.table.schema == EPISODES
    first, second = found.table.to_pylist()
    assert first == {
        "user": 1,
        "session_hash": "s1",
        "started_at": pytest.approx(START + 0.1),
        "ended_at": pytest.approx(START + 0.5),
        "steps": 3,
        "reward": pytest.approx(1.5),
        "done": True,
    }
    assert (second["user"], second["steps"], second["reward"]) == (5, 5, 0.0)
    assert (found.steps.mean, found.steps.min, found.steps.p50, found.steps.max) == (4, 3, 4, 5)
    assert found.duration_s.max == pytest.approx(0.6)
    assert found.reward is not None
    assert (found.reward.mean, found.reward.sd) == pytest.approx((0.75, 0.75))
    assert found.takeaways[1:] == [
        "Half of them took at most 4 steps and 500 ms, 99 % at most 4.98 steps and 598 ms.",
        "An episode earned 0.75 on average, from 0 to 1.5, with a standard deviation of 0.75.",
    ]


def test_episodes_that_were_cut_off_are_counted_apart() -> None:
    rows = [
        connect(0),
        *game(0.1, [1.0]),
        *game(1.0, [0.0, 0.0], done=False),  # the next reset comes first
        *game(2.0, [1.0]),
        *game(3.0, [0.0], done=False),  # the connection is lost
        step(3.4, error="connection_lost"),
        connect(4.0),
        reset(4.1, error="timeout"),
        step(4.5, done=True),  # of an episode that never began
        *game(5.0, []),
    ]

    found = summarized(rows)

    assert found is not None
    assert (found.finished, found.unfinished) == (2, 2)
    assert [row["done"] for row in found.table.to_pylist()] == [True, False, True, False]
    assert found.takeaways[0] == (
        "2 episodes were played to the end. 2 more were begun and not finished: still going on when the load "
        "ended, or cut off."
    )
    limited = episodes.summarize(steps(rows), answers(rows), columns(rows), 2)
    assert limited is not None
    assert limited.takeaways[0].endswith("STEPS_PER_EPISODE cut off 1 of them after 2 steps.")


def test_a_step_that_failed_is_none_of_an_episode() -> None:
    rows = game(0, [0.5, 0.5])
    rows.insert(2, step(0.15, error="validation", error_detail="no such move"))

    found = summarized(rows)

    assert found is not None
    (only,) = found.table.to_pylist()
    assert (only["steps"], only["reward"]) == (2, 1.0)


def test_without_rewards_there_is_no_sum_of_them() -> None:
    rows = game(0, [1.0])
    for row in rows:
        row["reward"] = None

    found = summarized(rows)

    assert found is not None
    assert found.reward is None
    assert found.table.column("reward").to_pylist() == [None]


@pytest.mark.parametrize("done", [False, None])
def test_where_no_observation_says_done_there_are_no_episodes(done: bool | None) -> None:
    rows = game(0, [1.0, 1.0])
    assert summarized([row | {"done": done} for row in rows]) is None
    assert summarized([]) is None


def test_episodes_are_the_same_however_many_users_are_worked_on_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [row for user in range(9) for row in game(user % 4, [1.0] * (user + 1), user=user)]
    at_once = summarized(rows)
    monkeypatch.setattr(episodes, "_ROWS_AT_ONCE", 12)
    in_parts = summarized(rows)
    assert at_once is not None
    assert in_parts is not None
    assert at_once.finished == 9
    assert in_parts.table.equals(at_once.table)
