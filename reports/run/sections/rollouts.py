"""Rollouts: how long groups took, what their slowest cost, and how many episodes met the objective."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.page.words import count, seconds, share
from reports.records.schema import USERS_A_PROCESS, RunJson
from reports.records.steps import CONNECT, RESET, STEP, Bools, Codes, Floats, Ints, Steps
from reports.run.sections.latency import Curve, Summary, summary_and_curve
from reports.statistics.groups import stable_order
from reports.statistics.rates import rate_within


@dataclass(frozen=True)
class Rollouts:
    """The rollouts of a run. One is an episode of one session, from its connect to its last reply; over HTTP
    from its reset. What the end of the load cut off is not among them.
    """

    size: int
    """Sessions of a group."""
    groups: int
    """Groups at a time."""
    rollouts: int
    failed: int
    """Rollouts with an operation that failed."""
    good: int
    """Rollouts without one, of which no step took `limit_s` or more in total (connect, reset and step)."""
    limit_s: float
    rounds: int
    """Groups of which all rollouts were done."""
    rollouts_per_s: float
    """Rollouts without a failure, in the measured window."""
    goodput_per_s: float
    """Good rollouts, in the measured window."""
    rollout_s: Summary
    group_s: Summary
    """From the start of the first rollout of a group to the end of the last."""
    straggler_share: float
    """How much of the time of a group's sessions went by waiting for the slowest, 0…1: the sum of the group's
    time less the rollout's over the sum of the group's time, over all rollouts of all groups."""
    curves: dict[str, Curve]
    """Of rollout and group."""
    takeaways: list[str]


@dataclass(frozen=True)
class _Each:
    """A value for each rollout, those cut off too, by user and then in time."""

    row: Ints
    """Where it begins in the steps."""
    user: Codes
    began_s: Floats
    ended_s: Floats
    failed: Bools
    slowest_s: Floats
    """The slowest step in total."""
    steps: Ints
    is_last: Bools
    """Of its user: the end of the load may have cut it off."""
    round: Ints
    """A number for the group and its round, from 0 on."""


def summarize(run: RunJson, steps: Steps, window_s: tuple[float, float], limit_s: float) -> Rollouts | None:
    """The rollouts of a run; None in another scenario, and where no group was done.

    `limit_s` is the objective's bound on the total time of a step.
    """
    config = run["config"]
    if config.get("scenario") != "rollouts" or not steps.op.size:
        return None
    size = config.get("group", 1)
    each = _each(steps, size)
    members = np.bincount(each.round)
    whole = (np.bincount(each.round, weights=each.is_last) == 0) & (members > 0)
    done = whole[each.round]
    if not done.any():
        return None
    began = np.full(members.size, np.inf)
    ended = np.zeros(members.size)
    np.minimum.at(began, each.round, each.began_s)
    np.maximum.at(ended, each.round, each.ended_s)
    group_s = (ended - began)[whole]
    rollout_s = (each.ended_s - each.began_s)[done]
    of_group_s = (ended - began)[each.round[done]]
    fine = ~each.failed & (each.steps > 0)
    good = fine & (each.slowest_s < limit_s)
    summary, curve = summary_and_curve(rollout_s)
    group_summary, group_curve = summary_and_curve(group_s)
    result = Rollouts(
        size=size,
        groups=config["users"] // size,
        rollouts=int(np.count_nonzero(done)),
        failed=int(np.count_nonzero(each.failed & done)),
        good=int(np.count_nonzero(good & done)),
        limit_s=limit_s,
        rounds=int(np.count_nonzero(whole)),
        rollouts_per_s=rate_within(each.ended_s[fine & ~each.is_last], window_s),
        goodput_per_s=rate_within(each.ended_s[good & ~each.is_last], window_s),
        rollout_s=summary,
        group_s=group_summary,
        straggler_share=float((of_group_s - rollout_s).sum() / of_group_s.sum()) if of_group_s.sum() else 0.0,
        curves={"rollout": curve, "group": group_curve},
        takeaways=[],
    )
    result.takeaways.extend(_takeaways(result))
    return result


def waits_for_group(run: RunJson, steps: Steps) -> Floats | None:
    """For each operation that begins a rollout, when the slowest of its group was done with the last one.

    NaN for other operations and for first rollouts; None in another scenario.
    """
    if run["config"].get("scenario") != "rollouts" or not steps.op.size:
        return None
    each = _each(steps, run["config"].get("group", 1))
    ended_s = np.zeros(int(each.round.max()) + 1)
    np.maximum.at(ended_s, each.round, each.ended_s)
    begins_s = np.full(steps.op.size, np.nan)
    later = np.flatnonzero(each.user[1:] == each.user[:-1]) + 1
    begins_s[each.row[later]] = ended_s[each.round[later - 1]]
    return begins_s


def _each(steps: Steps, size: int) -> _Each:
    order = stable_order(steps.user, steps.users)
    user, op = steps.user[order], steps.op[order]
    latency_s, began_s = steps.latency_s[order], steps.started_s[order]
    opens = op == (CONNECT if steps.over_ws.any() else RESET)
    opens[np.flatnonzero(np.diff(user, prepend=-1))] = True
    at = np.flatnonzero(opens)
    of_user = user[at]
    first = np.flatnonzero(np.diff(of_user, prepend=-1))
    turn = np.arange(at.size) - np.repeat(first, np.diff(np.append(first, at.size)))
    ids = steps.user_ids.to_numpy()[of_user]
    group = ids // USERS_A_PROCESS * USERS_A_PROCESS + ids % USERS_A_PROCESS // size
    codes = pd.factorize(group)[0].astype(np.int64)
    step = op == STEP
    opening_s = np.add.reduceat(np.where(step, 0.0, latency_s), at)
    return _Each(
        row=order[at],
        user=of_user,
        began_s=began_s[at],
        ended_s=np.maximum.reduceat(began_s + latency_s, at),
        failed=np.logical_or.reduceat(~steps.succeeded[order], at),
        slowest_s=opening_s + np.maximum.reduceat(np.where(step, latency_s, 0.0), at),
        steps=np.add.reduceat((step & steps.succeeded[order]).astype(np.int64), at),
        is_last=np.diff(of_user, append=-1) != 0,
        round=pd.factorize(codes * (int(turn.max()) + 1) + turn)[0].astype(np.int64),
    )


def _takeaways(found: Rollouts) -> Iterator[str]:
    half, most = seconds(found.group_s.p50), seconds(found.group_s.p99)
    played = f"{count(found.groups, 'group')} of {found.size} played {found.rollouts_per_s:,.1f} episodes/s"
    yield f"{played}; half of the groups took at most {half}, 99 % at most {most}."
    if found.size > 1:
        spent = f"Sessions spent {share(found.straggler_share)} of their group’s time waiting for its slowest"
        yield f"{spent}: half of the rollouts alone took at most {seconds(found.rollout_s.p50)}."
    missed = found.rollouts - found.good
    if not missed:
        yield f"All {found.rollouts:,} rollouts met the objective, so goodput was the same."
        return
    why = f", {found.failed:,} of them by a failure" if found.failed else ""
    yield (
        f"Goodput: {found.goodput_per_s:,.1f} episodes/s; {missed:,} of {found.rollouts:,} rollouts missed "
        f"the objective{why}. It wants no failure, and every step within {seconds(found.limit_s)} in total."
    )
