"""The episodes that a run's users played: how many were finished, how long they were, what they earned."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from reports.page.formatting import plain
from reports.page.words import count, seconds
from reports.records.columns import EPISODES
from reports.records.steps import RESET, STEP, Answers, Bools, Floats, Ints, StepColumns, Steps
from reports.statistics.groups import counts_of, pieces, stable_order
from reports.statistics.quantiles import quantiles_of_sorted

_ROWS_AT_ONCE = 1 << 21
_QUANTILES = np.array([0.5, 0.99])
_ROUNDING = 1e-12
"""Sums of the same rewards may differ by as much of themselves."""


@dataclass(frozen=True)
class Spread:
    """How one measure differs from episode to episode."""

    mean: float
    sd: float
    """Standard deviation."""
    min: float
    p50: float
    p99: float
    max: float


@dataclass(frozen=True)
class Episodes:
    """The episodes of a run. The spreads are over those that were finished: an observation said so."""

    finished: int
    unfinished: int
    """Begun, with a step at least, and still going on when the load ended, or cut off."""
    steps: Spread
    duration_s: Spread
    """From the start of the reset to the end of the last step."""
    reward: Spread | None
    """Of the sums of rewards; None where no step had one."""
    takeaways: list[str]
    table: pa.Table
    """Each of them, in the form of EPISODES."""


def summarize(
    steps: Steps, answers: Answers, columns: StepColumns, steps_per_episode: int = 0
) -> Episodes | None:
    """Finds the episodes of a run and sums them up; None where no observation said `done`.

    `steps_per_episode` is the number of steps after which users reset without waiting for that; 0: none.
    """
    done = columns.flags("done")
    if done is None:
        return None
    table = episodes_of(steps, answers, done, columns.floats("reward"))
    finished = table.filter(table.column("done"))
    if not finished.num_rows:
        return None
    duration_s = finished.column("ended_at").to_numpy() - finished.column("started_at").to_numpy()
    rewards = finished.column("reward").drop_null().to_numpy()
    lengths = _spread(finished.column("steps").to_numpy().astype(np.float64))
    durations = _spread(duration_s)
    reward = _spread(rewards) if rewards.size else None
    unfinished = table.num_rows - finished.num_rows
    return Episodes(
        finished=finished.num_rows,
        unfinished=unfinished,
        steps=lengths,
        duration_s=durations,
        reward=reward,
        takeaways=[
            _numbers(table, steps_per_episode),
            _lengths(lengths, durations),
            *_earned(reward),
        ],
        table=table,
    )


def episodes_of(steps: Steps, answers: Answers, done: Bools, reward: Floats | None) -> pa.Table:
    """The episodes of a run as a table: every successful reset that a successful step follows.

    An episode reaches to the user's next reset or connect. `done` and `reward` have a value a row; a reward
    may be NaN.
    """
    tables = [_episodes_in(order, steps, answers, done, reward) for order in _by_user(steps)]
    table = pa.concat_tables(tables) if tables else EPISODES.empty_table()
    return table.take(pa.array(np.argsort(table.column("started_at").to_numpy(), kind="stable")))


def _by_user(steps: Steps) -> Iterator[Ints]:
    """The rows of all users one after the other, of so many users at a time that they fit in memory."""
    until = np.cumsum(counts_of(steps.user, steps.users))
    begin = 0
    while begin < steps.users:
        most = _ROWS_AT_ONCE + (until[begin - 1] if begin else 0)
        end = max(int(np.searchsorted(until, most, side="right")), begin + 1)
        rows = np.concatenate(
            [
                piece.start + np.flatnonzero((steps.user[piece] >= begin) & (steps.user[piece] < end))
                for piece in pieces(steps.user.size)
            ]
        )
        yield rows[stable_order(steps.user[rows] - begin, end - begin)]
        begin = end


def _episodes_in(order: Ints, steps: Steps, answers: Answers, done: Bools, reward: Floats | None) -> pa.Table:
    """The episodes of some users, whose rows `order` brings together."""
    op, ok = steps.op[order], steps.succeeded[order]
    begins = op != STEP
    begins[:1] = True
    begins[1:] |= np.diff(steps.user[order]) != 0
    of_row = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    taken = np.flatnonzero(ok & (op == STEP))
    episode, rows = of_row[taken], order[taken]
    lengths = np.bincount(episode, minlength=first.size)
    kept = np.flatnonzero((op[first] == RESET) & ok[first] & (lengths > 0))
    last = np.zeros(first.size, dtype=np.intp)
    last[episode] = rows  # the last of several stays
    sums, known = _sums(episode, first.size, None if reward is None else reward[rows])
    over = np.bincount(episode[done[rows]], minlength=first.size) > 0
    opening, closing = order[first[kept]], last[kept]
    started_at = steps.origin + steps.started_s[opening]
    session = answers.session[closing]
    return pa.table(
        {
            "user": steps.user_ids.take(pa.array(steps.user[opening])),
            "session_hash": answers.session_hashes.take(pa.array(session, mask=session < 0)).cast(
                pa.string()
            ),
            "started_at": started_at,
            "ended_at": steps.origin + steps.started_s[closing] + steps.latency_s[closing],
            "steps": lengths[kept],
            "reward": pa.array(sums[kept], mask=known[kept] == 0),
            "done": over[kept],
        },
        schema=EPISODES,
    )


def _sums(episode: Ints, episodes: int, reward: Floats | None) -> tuple[Floats, Ints]:
    """The sum of each episode's rewards, and how many it has."""
    if reward is None:
        return np.zeros(episodes), np.zeros(episodes, dtype=np.int64)
    known = ~np.isnan(reward)
    sums = np.bincount(episode[known], weights=reward[known], minlength=episodes).astype(np.float64)
    return sums, np.bincount(episode[known], minlength=episodes)


def _spread(values: Floats) -> Spread:
    rising = np.sort(values)
    p50, p99 = quantiles_of_sorted(rising, _QUANTILES).tolist()
    sd = float(rising.std())
    if sd < _ROUNDING * max(abs(rising[0]), abs(rising[-1])):
        sd = 0.0
    return Spread(float(rising.mean()), sd, float(rising[0]), p50, p99, float(rising[-1]))


def _numbers(table: pa.Table, steps_per_episode: int) -> str:
    """How many were finished, and why the others were not."""
    done = table.column("done").to_numpy()
    finished, others = int(np.count_nonzero(done)), int(np.count_nonzero(~done))
    told = f"{count(finished, 'episode')} {_was(finished)} played to the end."
    if others:
        told += (
            f" {others:,} more {_was(others)} begun and not finished: still going on when the load ended, "
        )
        told += "or cut off."
    reached = (table.column("steps").to_numpy() == steps_per_episode) & ~done
    if cut := int(np.count_nonzero(reached)):
        told += f" STEPS_PER_EPISODE cut off {cut:,} of them after {count(steps_per_episode, 'step')}."
    return told


def _lengths(steps: Spread, duration_s: Spread) -> str:
    half = f"Half of them took at most {plain(steps.p50)} steps and {seconds(duration_s.p50)}"
    return f"{half}, 99 % at most {plain(steps.p99)} steps and {seconds(duration_s.p99)}."


def _earned(reward: Spread | None) -> list[str]:
    if reward is None:
        return []
    spread = (
        f"from {plain(reward.min)} to {plain(reward.max)}, with a standard deviation of {plain(reward.sd)}"
    )
    return [f"An episode earned {plain(reward.mean)} on average, {spread}."]


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
