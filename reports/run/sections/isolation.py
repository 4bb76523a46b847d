"""Whether sessions were isolated: one worker each, steps counted 1, 2, 3 …, one user a session."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reports.page.words import count, printable
from reports.records.steps import CONNECT, RESET, STEP, Answers, Bools, Codes, Ints, Steps
from reports.statistics.groups import Together, counts_of, first_of_each, pieces, stable_order

_EXAMPLES = 3
"""Of each kind."""

_ANY_COUNT = -2
"""What a session has counted to after a failed reset: the next count is taken as it comes."""
_NONE_MISCOUNTED = pd.DataFrame(
    {"session": [], "lost": [], "repeated": [], "first": [], "last": []}, dtype=int
)

_UNKNOWN = "No reply named its session, so whether sessions were kept apart could not be checked."
_NOTHING_TO_CHECK = "Over stateless HTTP no session lasts longer than a request: there is nothing to check."
_HOW_TO_KNOW = (
    "To check it, let observations name their session_hash, host_url and pid, and the session's step_count "
    "in their metadata."
)


@dataclass(frozen=True)
class Isolation:
    """Violations of session isolation, over WebSocket; nothing is checked over stateless HTTP."""

    sessions_checked: int
    moved_sessions: int
    """Sessions answered by more than one (host, pid)."""
    lost_steps: int
    """Numbers missing from a session's step counts, minus the steps that are recorded as failed."""
    duplicated_steps: int
    """Step counts that a session saw again without a reset."""
    shared_sessions: int
    """Session hashes that more than one user got."""
    violations: int
    examples: list[str]
    """A few of the violations in words."""
    takeaways: list[str]
    moved_checked: bool = True
    """Whether replies named the processes that sessions would have moved between."""
    counts_checked: bool = True
    """Whether replies gave step counts in which steps could be missing, or come twice."""


def summarize(steps: Steps, answers: Answers, step_count: Ints | None, names: Mapping[str, str]) -> Isolation:
    """Checks every WebSocket session of a run against what its replies said.

    `step_count` is the session's own count in each reply, -1 where it gave none, None where none did; `names`
    are the hosts' friendlier names. After a reset a session must count from 1 on. A failed step may or may
    not have been counted, and after a failed reset the next count is taken as it comes.
    """
    named = steps.succeeded & steps.over_ws & (answers.session >= 0)
    if not named.any():
        nothing = [_UNKNOWN, _HOW_TO_KNOW] if steps.over_ws.any() else [_NOTHING_TO_CHECK]
        return Isolation(0, 0, 0, 0, 0, 0, [], nothing, moved_checked=False, counts_checked=False)

    checked = counts_of(answers.session, len(answers.session_hashes), named) > 0
    of_known_worker = named & (answers.worker >= 0)
    moved = _changed(answers.session, answers.worker, of_known_worker, checked.size)
    shared = _changed(answers.session, steps.user, named, checked.size)
    gaps = _miscounted(steps, answers, step_count)
    lost, repeated = sum(gaps["lost"].tolist()), sum(gaps["repeated"].tolist())
    isolation = Isolation(
        sessions_checked=int(np.count_nonzero(checked)),
        moved_sessions=len(moved),
        lost_steps=lost,
        duplicated_steps=repeated,
        shared_sessions=len(shared),
        violations=len(moved) + lost + repeated + len(shared),
        examples=list(_examples(answers, names, moved, shared, gaps)),
        takeaways=[],
        moved_checked=bool(of_known_worker.any()),
        counts_checked=step_count is not None,
    )
    return replace(isolation, takeaways=list(_takeaways(isolation)))


def _changed(session: Codes, value: Codes, rows: Bools, sessions: int) -> list[tuple[int, int, int]]:
    """(session, first value, another value) of every session in which `value` is not the same in all rows."""
    first = first_of_each(session, value, sessions, -1, rows)
    found: dict[int, tuple[int, int, int]] = {}
    for piece in pieces(session.size):
        code, other = session[piece][rows[piece]], value[piece][rows[piece]]
        changed = np.flatnonzero(other != first[code])
        _, earliest = np.unique(code[changed], return_index=True)
        for at in changed[earliest].tolist():
            found.setdefault(int(code[at]), (int(code[at]), int(first[code[at]]), int(other[at])))
    return [found[code] for code in sorted(found)]


def _miscounted(steps: Steps, answers: Answers, step_count: Ints | None) -> pd.DataFrame:
    """The stretches between resets whose counts are not 1, 2, 3 …: session, lost, repeated, first, last."""
    if step_count is None:
        return _NONE_MISCOUNTED
    session = _session_of_failures_too(steps, answers)
    suspect = _suspects(steps, session, step_count, len(answers.session_hashes))
    if not suspect.any():
        return _NONE_MISCOUNTED
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
    from_zero = ~((op == RESET) & ~succeeded)[begins]
    session_of_stretch = session[begins]
    step = op == STEP
    counted = step & succeeded & (number >= 0)
    unknown = np.bincount(stretch[step & ~counted], minlength=from_zero.size)
    del session, op, succeeded, begins, step

    stretch, number = stretch[counted], number[counted]
    found = (
        pd.DataFrame({"stretch": stretch, "number": number})
        .groupby("stretch")["number"]
        .agg(["size", "nunique", "min", "max"])
    )
    at = found.index.to_numpy()
    before_first = np.where(from_zero[at], np.minimum(0, found["min"] - 1), found["min"] - 1)
    missing = found["max"] - before_first - found["nunique"]
    result = pd.DataFrame(
        {
            "session": session_of_stretch[at],
            "lost": (missing - unknown[at]).clip(lower=0),
            "repeated": found["size"] - found["nunique"],
            "first": found["min"],
            "last": found["max"],
        }
    )
    return result[(result["lost"] > 0) | (result["repeated"] > 0)]


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
        counts = np.where(resets, np.where(succeeded, 0, _ANY_COUNT), number)
        known = together.last(resets | counted, counts, counted_to, before=True)
        wrong = counted & (known != _ANY_COUNT) & (number != known + 1)
        suspect[together.group[wrong]] = True
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


def _examples(
    answers: Answers,
    names: Mapping[str, str],
    moved: list[tuple[int, int, int]],
    shared: list[tuple[int, int, int]],
    gaps: pd.DataFrame,
) -> Iterator[str]:
    """The first few violations of each kind, in words."""

    def session(code: int) -> str:
        return f"Session {printable(answers.session_hashes[code].as_py(), 40)}"

    def worker(code: int) -> str:
        host, pid = answers.workers[code]
        name = answers.hosts[host]
        return f"worker {pid} on {printable(names.get(name, name), 60)}"

    for code, first, other in moved[:_EXAMPLES]:
        yield f"{session(code)} was answered by {worker(first)}, then by {worker(other)}."
    for code, _, _ in shared[:_EXAMPLES]:
        yield f"{session(code)} was given to more than one user."
    for code, lost, repeated, first, last in gaps.head(_EXAMPLES).astype(int).itertuples(index=False):
        kinds = (("lost", lost), ("repeated", repeated))
        faults = " and ".join(f"{verb} {count(number, 'step')}" for verb, number in kinds if number)
        yield f"{session(code)} {faults} between two resets, counting from {first} to {last}."


def _takeaways(found: Isolation) -> Iterator[str]:
    sessions = f"{found.sessions_checked:,}"
    if found.moved_sessions:
        yield (
            f"{count(found.moved_sessions, 'session')} of {sessions} changed worker, so their state was lost "
            "or mixed: look for a balancer that does not keep connections, or for workers that name sessions "
            "alike."
        )
    if found.shared_sessions:
        shared = f"{count(found.shared_sessions, 'session')} of {sessions} went to more than one user"
        yield f"{shared}, so users saw each other's state."
    if found.lost_steps:
        lost = count(found.lost_steps, "step")
        yield f"{lost} went missing: sessions counted steps that nobody recorded."
    if found.duplicated_steps:
        yield f"{count(found.duplicated_steps, 'step')} came twice: sessions counted back without a reset."
    if not found.violations:
        counting = ", and its steps were counted without a gap" if found.counts_checked else ""
        stayed = "one worker and one user" if found.moved_checked else "one user"
        yield f"Each of {count(found.sessions_checked, 'session')} stayed with {stayed}{counting}."
    if not found.moved_checked:
        yield "Replies named no process, so whether sessions moved between workers could not be checked."
    if not found.counts_checked:
        yield "Replies gave no step count, so lost and repeated steps could not be checked."
