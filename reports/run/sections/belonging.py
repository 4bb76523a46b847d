"""Which users and workers a WebSocket session belonged to, where its name comes from more than one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.records.steps import CONNECT, RESET, Answers, Bools, Codes, Steps
from reports.statistics.groups import first_of_each, pieces, stable_order

_CLOCK_S = 0.001
"""By how much the clocks of generators may differ."""


@dataclass(frozen=True)
class Belonging:
    """What is wrong with whom sessions belonged to; sessions and workers as codes of Answers."""

    moved: list[tuple[int, int, int]]
    """(session, first worker, another) where one connection's session was answered by several workers."""
    shared: list[int]
    """Sessions that connections of several users had at the same time."""
    astray: list[tuple[int, int]]
    """(session that answered, session that had asked) for each reply that went to another's connection."""

    @property
    def entangled(self) -> list[int]:
        """Sessions whose steps cannot be told from those of others."""
        return [*self.shared, *(session for pair in self.astray for session in pair)]


NOTHING_WRONG = Belonging([], [], [])


def belonging(steps: Steps, answers: Answers, named: Bools) -> Belonging:
    """Looks at the rows that are `named`: over WebSocket, with a session.

    A server may give the name of a session that is over to another one, on whatever worker: a connection has
    its session from its first reply until it is lost or its user connects again.
    """
    suspect = _of_several(answers.session, steps.user, named, len(answers.session_hashes))
    suspect |= _of_several(
        answers.session, answers.worker, named & (answers.worker >= 0), len(answers.session_hashes)
    )
    if not suspect.any():
        return NOTHING_WRONG
    table = _rows_of_users(steps, answers, named, suspect)
    connections = _connections(table)
    table = table[table["session"] >= 0]
    table = table.assign(own=_own_sessions(table))
    is_astray = _are_astray(table)
    astray, kept = table[is_astray], table[~is_astray]
    return Belonging(
        moved=_moved(kept),
        shared=_shared(kept, connections),
        astray=list(zip(astray["session"].tolist(), astray["own"].tolist(), strict=True)),
    )


def _of_several(session: Codes, value: Codes, rows: Bools, sessions: int) -> Bools:
    """The sessions in which `value` is not the same in all `rows`."""
    several = np.zeros(sessions, dtype=np.bool_)
    first = first_of_each(session, value, sessions, -1, rows)
    for piece in pieces(session.size):
        code = session[piece][rows[piece]]
        several[code[value[piece][rows[piece]] != first[code]]] = True
    return several


def _rows_of_users(steps: Steps, answers: Answers, named: Bools, suspect: Bools) -> pd.DataFrame:
    """All rows of the users who met suspect sessions: user by user, cut into connections and stretches."""
    met = np.zeros(steps.users, dtype=np.bool_)
    for piece in pieces(named.size):
        code = answers.session[piece][named[piece]]
        met[steps.user[piece][named[piece]][suspect[code]]] = True
    rows = np.concatenate(
        [p.start + np.flatnonzero(steps.over_ws[p] & met[steps.user[p]]) for p in pieces(named.size)]
    )
    rows = rows[stable_order(steps.user[rows], steps.users)]
    table = pd.DataFrame(
        {
            "user": steps.user[rows],
            "session": np.where(named[rows], answers.session[rows], -1),
            "worker": answers.worker[rows],
            "began_s": steps.started_s[rows],
            "ended_s": steps.started_s[rows] + steps.latency_s[rows],
            "failed": ~steps.succeeded[rows],
        }
    )
    op = steps.op[rows]
    begins = (table["user"] != table["user"].shift()).to_numpy() | (op == CONNECT)
    return table.assign(connection=np.cumsum(begins), stretch=np.cumsum(begins | (op == RESET)))


def _connections(table: pd.DataFrame) -> pd.DataFrame:
    """Of each connection: the session it had last, and when it was over; for ever if it was not."""
    last = table.groupby("connection").agg(
        user=("user", "last"), failed=("failed", "last"), ended_s=("ended_s", "max")
    )
    is_over = last["failed"] | (last["user"] == last["user"].shift(-1))
    named = table[table["session"] >= 0].groupby("connection")["session"].last()
    return pd.DataFrame({"over_s": last["ended_s"].where(is_over, np.inf), "last_session": named})


def _own_sessions(table: pd.DataFrame) -> "pd.Series[int]":
    """Of each row the session that most replies since its reset named; of several the first."""
    sizes = table.groupby(["stretch", "session"], sort=False).size().reset_index(name="replies")
    most = sizes.sort_values("replies", ascending=False, kind="stable").drop_duplicates("stretch")
    return table["stretch"].map(most.set_index("stretch")["session"])


def _are_astray(table: pd.DataFrame) -> "pd.Series[bool]":
    """The replies that name a session which is not the connection's own, but another user's."""
    owners = table[table["session"] == table["own"]].groupby("session")["user"].agg(["nunique", "first"])
    owned = table["session"].map(owners["nunique"]).fillna(0)
    owner = table["session"].map(owners["first"])
    of_another = (owned > 1) | ((owned == 1) & (owner != table["user"]))
    return (table["session"] != table["own"]) & of_another


def _moved(kept: pd.DataFrame) -> list[tuple[int, int, int]]:
    placed = kept[kept["worker"] >= 0]
    first = placed.groupby(["session", "connection"])["worker"].transform("first")
    moves = placed.assign(first=first)[placed["worker"] != first].drop_duplicates("session")
    found = moves.sort_values("session")[["session", "first", "worker"]]
    return [(session, first, other) for session, first, other in found.astype(int).to_numpy().tolist()]


def _shared(kept: pd.DataFrame, connections: pd.DataFrame) -> list[int]:
    held = kept.groupby(["session", "connection"], as_index=False).agg(
        began_s=("began_s", "min"), ended_s=("ended_s", "max")
    )
    held = held.join(connections, on="connection")
    until = held["over_s"].where(held["last_session"] == held["session"], held["ended_s"])
    held = held.assign(until_s=until).sort_values(["session", "began_s"])
    latest = held.groupby("session")["until_s"].cummax().groupby(held["session"]).shift(fill_value=-np.inf)
    return sorted(held.loc[held["began_s"] < latest - _CLOCK_S, "session"].unique().tolist())
