"""What is known of isolation over stateless HTTP, where each request has an environment of its own.

Its one step is the first that this environment counts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.records.steps import CONNECT, STEP, Answers, Bools, Ints, Steps
from reports.statistics.groups import pieces, stable_order

_RUNS_ON = 3
"""So many different counts of one session's steps make it a session that goes on."""


@dataclass(frozen=True)
class Stateless:
    """What replies over stateless HTTP told."""

    counts_checked: bool
    """Whether replies named their session and counted its steps."""
    shared: list[int]
    """Sessions that counted on from request to request while several users had them."""
    lost: int
    """Steps whose reply counted none."""
    repeated: int
    """Steps that were counted more than once."""


def stateless(steps: Steps, answers: Answers, step_count: Ints | None) -> Stateless:
    """Checks the steps of a run that went over HTTP.

    A session that goes on for one user, as a cookie may hold it, is none of its business: it is left out. Nor
    can it tell by counts what is wrong with a session of which no two steps in succession are the first.
    """
    if step_count is None:
        return Stateless(False, [], 0, 0)
    sessions = len(answers.session_hashes)
    checked, odd = False, np.zeros(sessions, dtype=np.bool_)
    for piece in pieces(steps.op.size):
        if steps.over_ws[piece].all():
            continue
        chosen = ~steps.over_ws[piece] & steps.succeeded[piece] & (steps.op[piece] == STEP)
        chosen &= (answers.session[piece] >= 0) & (step_count[piece] >= 0)
        checked |= bool(chosen.any())
        odd[answers.session[piece][chosen & (step_count[piece] != 1)]] = True
    if not odd.any():
        return Stateless(checked, [], 0, 0)

    table = _steps_of_users(steps, answers, step_count, odd)
    facts = table.groupby("session").agg(
        users=("user", "nunique"), first_again=("first_again", "any"), broken=("broken", "any")
    )
    counts = table[table["count"] > 0].groupby("session")["count"].nunique()
    runs_on = counts.reindex(facts.index, fill_value=0) >= _RUNS_ON
    shared = facts.index[runs_on & facts["broken"] & (facts["users"] > 1)]
    single = table[table["session"].isin(facts.index[facts["first_again"] & ~runs_on])]
    return Stateless(
        checked,
        sorted(shared.tolist()),
        lost=int((single["count"] == 0).sum()),
        repeated=int((single["count"] > 1).sum()),
    )


def _steps_of_users(steps: Steps, answers: Answers, step_count: Ints, odd: Bools) -> pd.DataFrame:
    """The counted steps of odd sessions: session, user, count, and how it follows the user's count before.

    `first_again`: both were 1; `broken`: it was not one more. Neither is said across a reset or a failure.
    """
    over_http = ~steps.over_ws & (steps.op != CONNECT)
    met = np.zeros(steps.users, dtype=np.bool_)
    met[steps.user[over_http & (answers.session >= 0) & odd[answers.session]]] = True
    rows = np.flatnonzero(over_http & met[steps.user])
    rows = rows[stable_order(steps.user[rows], steps.users)]
    counted = steps.succeeded[rows] & (steps.op[rows] == STEP) & (answers.session[rows] >= 0)
    table = pd.DataFrame(
        {
            "user": steps.user[rows],
            "session": answers.session[rows],
            "count": np.where(counted, step_count[rows], -1),
        }
    )
    before = table.shift(fill_value=-1)
    follows = (before["user"] == table["user"]) & (before["session"] == table["session"])
    follows &= (before["count"] >= 0) & (table["count"] >= 0)
    table["first_again"] = follows & (before["count"] == 1) & (table["count"] == 1)
    table["broken"] = follows & (table["count"] != before["count"] + 1)
    of_odd = table["count"].to_numpy() >= 0
    of_odd &= odd[table["session"].to_numpy()]
    return table.loc[of_odd]
