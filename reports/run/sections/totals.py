"""What a run did in all, and the window in which its throughput is measured."""

from dataclasses import dataclass, field

import numpy as np

from reports.records.steps import OPS, STEP, Answers, Bools, Steps, UserSpans, sessions_of
from reports.statistics.groups import counts_of
from reports.statistics.rates import rate_within

LAST_PART = 0.2
"""The last part of a run, as a share of it, in which every user that stays to the end makes an operation."""
_LEAST_WINDOW_S = 1.0
_LEAST_WINDOW_SHARE = 0.2


@dataclass(frozen=True)
class Totals:
    """Counts of a whole run. Steps are successful steps, failures are failed operations of any kind."""

    sessions: int
    """Over WebSocket distinct sessions, over HTTP users that were answered."""
    steps: int
    operations: int
    failures: int
    success_rate: float
    """Successful operations over all operations, 0…1; 1 where there were none.

    Of a batch: users that connected, reset and stepped over all that were asked for. A session that is
    turned away makes fewer operations than one that is served, and a user that never began makes none.
    """
    duration_s: float
    """From the first operation's start to the last one's end."""
    throughput_steps_per_s: float
    """Successful steps that ended inside the window, over its length."""
    window_s: tuple[float, float]
    """The measured window in seconds since the run's start: all users are there, but for `left_early`."""
    ramp_included: bool = False
    """The window is the whole run: in a batch, and where all users were there too briefly to measure in."""
    users: int = 0
    """Users that made an operation."""
    left_early: int = 0
    """Users whose last operation ended before the last fifth of the run: gave up, hung, or were killed.

    Those that were shut out are counted there.
    """
    batch_users: int | None = None
    """Users that a batch asked for; None in a sustained run."""
    batch_succeeded: int | None = None
    """Users of a batch that connected, reset and stepped."""
    counted_operations: int | None = None
    """Operations that ended after the window began, where ramp-up and warm-up do not count; else None."""
    counted_successes: int | None = None
    by_op: dict[str, int] = field(default_factory=dict)
    """Operations of each kind."""
    users_shut_out: int = 0
    """Users with no successful step and a failed operation: turned away, refused, or never answered."""

    @property
    def served_share(self) -> float:
        """Users that were not shut out over all users, 0…1."""
        return 1 - self.users_shut_out / max(self.users, 1)

    @property
    def ramp_cut(self) -> bool:
        """Whether ramp-up and warm-up do not count towards the objective."""
        return self.counted_operations is not None


def summarize(
    steps: Steps,
    answers: Answers,
    spans: UserSpans,
    batch_users: int | None = None,
    warmup_s: float | None = None,
    window_s: tuple[float, float] | None = None,
) -> Totals:
    """Counts a run's operations and measures its throughput, from `warmup_s` after all users are there.

    With a `warmup_s`, of 0 too, what came before does not count towards the objective either.
    `batch_users` are the users that a batch asked for, None in a sustained run. `window_s` is the measured
    window of a run whose users come and go as they are meant to.
    """
    operations = int(steps.op.size)
    succeeded = int(np.count_nonzero(steps.succeeded))
    step = steps.successes(STEP)
    duration = steps.duration_s
    window = window_s
    if window is None and batch_users is None:
        window = measured_window(spans, duration, warmup_s or 0.0)
    stepped = int(np.count_nonzero(counts_of(steps.user, steps.users, step)))
    out = shut_out(steps)
    if batch_users is not None:
        success_rate = stepped / max(batch_users, spans.last_s.size, 1)
    else:
        success_rate = succeeded / operations if operations else 1.0
    since = steps.ended_s >= window[0] if window is not None and warmup_s is not None else None
    return Totals(
        sessions=_sessions(steps, answers),
        steps=int(np.count_nonzero(step)),
        operations=operations,
        failures=operations - succeeded,
        success_rate=success_rate,
        duration_s=duration,
        throughput_steps_per_s=rate_within(steps.ended_s[step], window or (0.0, duration)),
        window_s=window or (0.0, duration),
        ramp_included=window is None,
        users=spans.last_s.size,
        left_early=int(np.count_nonzero(~_stayed(spans, duration) & ~out))
        if batch_users is None and window_s is None
        else 0,
        batch_users=batch_users,
        batch_succeeded=None if batch_users is None else stepped,
        counted_operations=None if since is None else int(np.count_nonzero(since)),
        counted_successes=None if since is None else int(np.count_nonzero(steps.succeeded[since])),
        by_op={op: int(np.count_nonzero(steps.op == code)) for code, op in enumerate(OPS)},
        users_shut_out=int(np.count_nonzero(out)),
    )


def shut_out(steps: Steps) -> Bools:
    """The users with no successful step and at least one failed operation."""
    stepped = counts_of(steps.user, steps.users, steps.successes(STEP)) > 0
    failed = counts_of(steps.user, steps.users, ~steps.succeeded) > 0
    out: Bools = failed & ~stepped
    return out


def measured_window(spans: UserSpans, duration_s: float, warmup_s: float = 0.0) -> tuple[float, float] | None:
    """The part of a run in which all users are there, in seconds since its start.

    It begins `warmup_s` after the last user begins its first operation. It ends when the first user ends
    its last one, among the users still there in the last fifth of the run: one that gave up earlier, for
    example after errors, does not end it. None where that leaves less than a second or a fifth of the run.
    """
    if not spans.first_s.size:
        return None
    begin = float(spans.first_s.max()) + warmup_s
    end = float(spans.last_s[_stayed(spans, duration_s)].min())
    return (begin, end) if end - begin >= max(_LEAST_WINDOW_S, _LEAST_WINDOW_SHARE * duration_s) else None


def _stayed(spans: UserSpans, duration_s: float) -> Bools:
    stayed: Bools = spans.last_s >= (1 - LAST_PART) * duration_s
    return stayed


def _sessions(steps: Steps, answers: Answers) -> int:
    sessions = sessions_of(steps, answers)
    over_ws = counts_of(sessions.of_row, sessions.count, sessions.of_row >= 0)
    over_http = counts_of(steps.user, steps.users, steps.succeeded & ~steps.over_ws)
    return int(np.count_nonzero(over_ws) + np.count_nonzero(over_http))
