"""Whether sessions were isolated: one worker and user each, steps counted 1, 2, 3 …, one reply a request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reports.page.words import count, listing, printable
from reports.records.steps import Answers, Ints, Steps
from reports.run.sections.belonging import NOTHING_WRONG, Belonging, belonging
from reports.run.sections.counting import NONE_MISCOUNTED, miscounted
from reports.run.sections.stateless import Stateless, stateless
from reports.statistics.groups import counts_of

_EXAMPLES = 3
"""Of each kind."""

_UNKNOWN = "No reply named its session, so whether sessions were kept apart could not be checked."
_STATELESS = (
    "Over stateless HTTP every request has an environment of its own: no session lasts longer, so none can "
    "move between workers."
)
_STATELESS_REPLIES = (
    "Replies do not name their requests, so one that went to another request shows only if its wait does not "
    "fit."
)
_STATELESS_UNCOUNTED = (
    "Replies named no session_hash with a step_count, so state that outlives a request, and lost and "
    "repeated steps, could not be checked."
)
_HOW_TO_KNOW = (
    "To check it, let observations name their session_hash, host_url and pid, and the session's step_count "
    "in their metadata."
)


@dataclass(frozen=True)
class Isolation:
    """Violations of session isolation; over stateless HTTP those that can be known."""

    sessions_checked: int
    """Sessions over WebSocket."""
    moved_sessions: int
    """Sessions answered by more than one (host, pid) over one connection."""
    lost_steps: int
    """Numbers missing from a session's step counts, minus the steps that are recorded as failed. Over HTTP
    steps that were answered and not counted."""
    duplicated_steps: int
    """Step counts that a session saw again without a reset. Over HTTP steps that were counted twice."""
    shared_sessions: int
    """Sessions that more than one user had at the same time."""
    violations: int
    examples: list[str]
    """A few of the violations in words."""
    takeaways: list[str]
    moved_checked: bool = True
    """Whether replies named the processes that sessions would have moved between."""
    counts_checked: bool = True
    """Whether replies gave step counts in which steps could be missing, or come twice."""
    misdirected_replies: int = 0
    """Replies that named the session of another user's connection."""
    disordered_steps: int = 0
    """Step counts that a session first saw after a larger one, and resets that were answered with steps."""
    unasked_replies: int = 0
    """Replies that came when nothing had been asked for, on either transport."""
    shared_checked: bool = True
    """Whether replies told sessions apart."""
    order_checked: bool = True
    """Whether replies showed which request of a session they answer."""


def summarize(
    steps: Steps,
    answers: Answers,
    step_count: Ints | None,
    names: Mapping[str, str],
    unasked_replies: int = 0,
) -> Isolation:
    """Checks every session of a run against what its replies said.

    `step_count` is the session's own count in each reply, -1 where it gave none, None where none did; `names`
    are the hosts' friendlier names. After a reset a session must count from 1 on. A failed step may or may
    not have been counted, and after a failed reset the next count is taken as it comes.
    """
    named = steps.succeeded & steps.over_ws & (answers.session >= 0)
    over_ws = bool(named.any())
    whose = belonging(steps, answers, named) if over_ws else NOTHING_WRONG
    gaps = NONE_MISCOUNTED
    if over_ws and step_count is not None:
        gaps = miscounted(steps, answers, step_count, whose.entangled)
    http = stateless(steps, answers, step_count)
    lost = int(gaps["lost"].sum()) + http.lost
    repeated = int(gaps["repeated"].sum()) + http.repeated
    disordered = int(gaps["disordered"].sum())
    shared = len(whose.shared) + len(http.shared)
    checked = counts_of(answers.session, len(answers.session_hashes), named) > 0
    isolation = Isolation(
        sessions_checked=int(np.count_nonzero(checked)),
        moved_sessions=len(whose.moved),
        lost_steps=lost,
        duplicated_steps=repeated,
        shared_sessions=shared,
        violations=len(whose.moved)
        + lost
        + repeated
        + shared
        + len(whose.astray)
        + disordered
        + unasked_replies,
        examples=list(_examples(answers, names, whose, http, gaps)),
        takeaways=[],
        moved_checked=bool((named & (answers.worker >= 0)).any()),
        counts_checked=http.counts_checked or (over_ws and step_count is not None),
        misdirected_replies=len(whose.astray),
        disordered_steps=disordered,
        unasked_replies=unasked_replies,
        shared_checked=over_ws or http.counts_checked,
        order_checked=over_ws and step_count is not None,
    )
    is_http = bool(steps.over_ws.size) and not steps.over_ws.any()
    takeaways = _over_http(isolation) if is_http else _over_ws(isolation)
    return replace(isolation, takeaways=[*_violations(isolation, is_http), *takeaways])


def _examples(
    answers: Answers, names: Mapping[str, str], whose: Belonging, http: Stateless, gaps: pd.DataFrame
) -> Iterator[str]:
    """The first few violations of each kind, in words."""

    def name(code: int) -> str:
        return printable(answers.session_hashes[code].as_py(), 40)

    def session(code: int) -> str:
        return f"Session {name(code)}"

    def worker(code: int) -> str:
        host, pid = answers.workers[code]
        name = answers.hosts[host]
        return f"worker {pid} on {printable(names.get(name, name), 60)}"

    for code, first, other in whose.moved[:_EXAMPLES]:
        yield f"{session(code)} was answered by {worker(first)}, then by {worker(other)}."
    for code in whose.shared[:_EXAMPLES]:
        yield f"{session(code)} was given to more than one user."
    for code in http.shared[:_EXAMPLES]:
        yield f"{session(code)} counted on from one user's request to another's."
    for code, asking in whose.astray[:_EXAMPLES]:
        yield f"{session(code)} was named in a reply to {name(asking)}."
    kinds = ["lost", "repeated", "disordered", "first", "last"]
    for code, *numbers, first, last in (
        gaps.head(_EXAMPLES)[["session", *kinds]].astype(int).to_numpy().tolist()
    ):
        verbs = zip(("lost", "repeated", "misplaced"), numbers, strict=True)
        faults = listing([f"{verb} {count(number, 'step')}" for verb, number in verbs if number])
        yield f"{session(code)} {faults} between two resets, counting from {first} to {last}."


def _violations(found: Isolation, over_http: bool) -> Iterator[str]:
    """What was violated, and where to look."""
    sessions = f"{found.sessions_checked:,}"
    if found.moved_sessions:
        yield (
            f"{count(found.moved_sessions, 'session')} of {sessions} changed worker, so their state was lost "
            "or mixed: look for a balancer that does not keep connections."
        )
    if found.shared_sessions and over_http:
        yield (
            f"{count(found.shared_sessions, 'session')} counted the steps of several users together: state "
            "outlives a request, so users saw each other's."
        )
    elif found.shared_sessions:
        shared = f"{count(found.shared_sessions, 'session')} of {sessions} went to more than one user"
        yield f"{shared}, so users saw each other's state, or workers name sessions alike."
    if found.lost_steps:
        lost = count(found.lost_steps, "step")
        if over_http:
            yield f"{lost} went missing: they were answered, but their environment had counted none."
        else:
            yield f"{lost} went missing: sessions counted steps that nobody recorded."
    if found.duplicated_steps:
        how = "their environment counted them again" if over_http else "sessions counted back without a reset"
        yield f"{count(found.duplicated_steps, 'step')} came twice: {how}."
    if found.misdirected_replies:
        replies = _replies(found.misdirected_replies)
        yield f"{replies} went astray, naming the session of another user's connection."
    if found.disordered_steps:
        steps = count(found.disordered_steps, "step")
        yield f"{steps} came out of order: later ones first, or after the reset that ended them."
    if found.unasked_replies:
        yield f"{_replies(found.unasked_replies)} came unasked: the server answered more than once."


def _replies(number: int) -> str:
    return "1 reply" if number == 1 else f"{number:,} replies"


def _over_ws(found: Isolation) -> Iterator[str]:
    """What was kept, and what could not be checked."""
    if not found.sessions_checked:
        yield _UNKNOWN
        yield _HOW_TO_KNOW
        return
    if not found.violations:
        counting = ", and its steps were counted without a gap" if found.counts_checked else ""
        stayed = "one worker and one user" if found.moved_checked else "one user"
        yield f"Each of {count(found.sessions_checked, 'session')} stayed with {stayed}{counting}."
    if not found.moved_checked:
        yield "Replies named no process, so whether sessions moved between workers could not be checked."
    if not found.counts_checked:
        yield "Replies gave no step count, so lost and repeated steps, and their order, could not be checked."


def _over_http(found: Isolation) -> Iterator[str]:
    """What was kept, and what could not be checked."""
    yield _STATELESS
    if not found.counts_checked:
        yield _STATELESS_UNCOUNTED
    elif not (found.shared_sessions or found.lost_steps or found.duplicated_steps):
        yield "Every step was counted as the first of its environment: no state outlived a request."
    yield _STATELESS_REPLIES
