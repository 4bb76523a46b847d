"""Whether WebSocket sessions count their steps 1, 2, 3 … from each reset on."""

import numpy as np
import pandas as pd

from reports.records.steps import CONNECT, RESET, STEP, Answers, Bools, Codes, Ints, Steps
from reports.statistics.groups import Together, pieces, stable_order

_ANY_COUNT = -2
"""What a session has counted to after a failed reset: the next count is taken as it comes."""
NONE_MISCOUNTED = pd.DataFrame(
    {"session": [], "lost": [], "repeated": [], "disordered": [], "first": [], "last": []}, dtype=int
)


def miscounted(steps: Steps, answers: Answers, step_count: Ints, left_out: list[int]) -> pd.DataFrame:
    """The stretches between resets whose counts are not 1, 2, 3 …, of all sessions but those `left_out`.

    Columns: session; lost, repeated and disordered, numbers of steps; first and last, the smallest and the
    largest count. A failed step may or may not have been counted. A reset that was answered with steps counts
    as disordered, and those after it as they come.
    """
    session = _session_of_failures_too(steps, answers)
    suspect = _suspects(steps, session, step_count, len(answers.session_hashes))
    suspect[left_out] = False
    if not suspect.any():
        return NONE_MISCOUNTED
    chosen = steps.over_ws & (session >= 0) & (steps.op != CONNECT)
    rows = np.concatenate(
        [p.start + np.flatnonzero(chosen[p] & suspect[session[p]]) for p in pieces(session.size)]
    )
    rows = rows[stable_order(session[rows], suspect.size)]
    session, op, succeeded = session[rows], steps.op[rows], steps.succeeded[rows]
    number = step_count[rows]
    del rows

    begins = op == RESET
    begins[:1] = True
    begins[1:] |= session[1:] != session[:-1]
    stretch = np.cumsum(begins, dtype=np.int32) - 1
    went_on = ((op == RESET) & succeeded & (number > 0))[begins]
    from_zero = ~((op == RESET) & ~succeeded)[begins] & ~went_on
    session_of_stretch = session[begins]
    step = op == STEP
    counted = step & succeeded & (number >= 0)
    unknown = np.bincount(stretch[step & ~counted], minlength=from_zero.size)
    del session, op, succeeded, begins, step

    table = pd.DataFrame({"stretch": stretch[counted], "number": number[counted]})
    found = table.groupby("stretch")["number"].agg(["size", "nunique", "min", "max"])
    order = _order(table)
    # As far from the end as counts were late before, those that are missing may have been yet to come.
    settled = table[table["number"] <= table["stretch"].map(found["max"] - order["latest_by"])]
    here = settled.groupby("stretch")["number"].agg(["nunique", "max"])
    at = found.index.to_numpy()
    before_first = np.where(from_zero[at], np.minimum(0, found["min"] - 1), found["min"] - 1)
    missing = here["max"] - before_first - here["nunique"]
    result = pd.DataFrame(
        {
            "session": session_of_stretch[at],
            "lost": (missing - unknown[at]).clip(lower=0),
            "repeated": found["size"] - found["nunique"],
            "disordered": order["disordered"] + went_on[at],
            "first": found["min"],
            "last": found["max"],
        }
    )
    return result[(result["lost"] > 0) | (result["repeated"] > 0) | (result["disordered"] > 0)]


def _order(table: pd.DataFrame) -> pd.DataFrame:
    """Of each stretch: how many counts first came after a larger one, and the most they were behind it."""
    largest = table.groupby("stretch")["number"].cummax()
    behind = (largest - table["number"]).mask(table.duplicated(["stretch", "number"]), 0)
    stretch = table["stretch"]
    return pd.DataFrame(
        {"disordered": (behind > 0).groupby(stretch).sum(), "latest_by": behind.groupby(stretch).max()}
    )


def _suspects(steps: Steps, session: Codes, step_count: Ints, sessions: int) -> Bools:
    """The sessions whose counts do not simply rise by one from each reset on; mostly there are none."""
    suspect = np.zeros(sessions, dtype=np.bool_)
    counted_to = np.zeros(sessions, dtype=np.int64)
    for piece in pieces(session.size):
        chosen = np.flatnonzero(steps.over_ws[piece] & (session[piece] >= 0) & (steps.op[piece] != CONNECT))
        together = Together.of(session[piece][chosen], sessions)
        rows = chosen[together.order]
        op, succeeded, number = steps.op[piece][rows], steps.succeeded[piece][rows], step_count[piece][rows]
        resets, counted = op == RESET, (op == STEP) & succeeded & (number >= 0)
        went_on = resets & succeeded & (number > 0)
        counts = np.where(resets, np.where(succeeded, 0, _ANY_COUNT), number)
        known = together.last(resets | counted, counts, counted_to, before=True)
        wrong = counted & (known != _ANY_COUNT) & (number != known + 1)
        suspect[together.group[wrong | went_on]] = True
    return suspect


def _session_of_failures_too(steps: Steps, answers: Answers) -> Codes:
    """The session of every operation; one that failed counts to its user's session at that time."""
    failed = ~steps.succeeded & steps.over_ws & (steps.op != CONNECT) & (answers.session < 0)
    if not failed.any():
        return answers.session
    filled = answers.session.copy()
    of_user = np.full(steps.users, -1, dtype=np.int32)
    for piece in pieces(failed.size):
        together = Together.of(steps.user[piece], steps.users)
        session = answers.session[piece][together.order]
        speaks = (session >= 0) | (steps.op[piece][together.order] == CONNECT)
        current = together.last(speaks, session, of_user)
        inherits = failed[piece][together.order]
        filled[piece][together.order[inherits]] = current[inherits]
    return filled
