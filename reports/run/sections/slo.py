"""Whether a run met its service level objective."""

from dataclasses import dataclass

from reports.page.words import count, seconds, share
from reports.records.schema import Slo, Transport
from reports.run.sections.latency import Latency
from reports.run.sections.totals import Totals

_AFTER = ", ramp-up and warm-up not counted"
_BY_DEFAULT = ", which is the bound where no step asks for a wait and SLO_P99=… sets no other"
_ALLOWANCE_S = 0.5
"""Added to the wait, before doubling it, where the user sets no bound on total time."""


@dataclass(frozen=True)
class Criterion:
    """One bound and the value measured against it. The unit is a share (0…1) or seconds."""

    name: str
    """`success_rate` or `total_p99_s`."""
    limit: float
    value: float | None
    passed: bool
    sentence: str
    """The criterion in words, with value and limit."""


@dataclass(frozen=True)
class SloVerdict:
    """Passed where every criterion is."""

    passed: bool
    criteria: list[Criterion]


def judge(
    slo: Slo, totals: Totals, latency: Latency, wait_p99_s: float, transport: Transport = "ws"
) -> SloVerdict:
    """Measures a run against its objective; a run without a successful step does not pass.

    `wait_p99_s` is the 99th percentile of the wait that was asked for, 0 where unknown; over it the bound on
    total time is 2 × (wait + 0.5 s) where the objective sets none. The success rate is of operations, or of
    users that were not shut out where these are fewer: a user who is turned away makes few operations, so
    that hundreds of them would not show beside one who is served.
    """
    total = (latency.in_window if totals.ramp_cut else latency.summaries).get("total")
    limit, by_default = slo["total_p99_s"], ""
    if limit is None:
        limit = 2 * (wait_p99_s + _ALLOWANCE_S)
        by_default = "" if wait_p99_s else _BY_DEFAULT
    criteria = [
        _success_rate(totals, slo["success_rate"], transport),
        _total_p99(total.p99 if total else None, limit, totals.ramp_cut, by_default),
    ]
    return SloVerdict(all(criterion.passed for criterion in criteria), criteria)


def _success_rate(totals: Totals, limit: float, transport: Transport) -> Criterion:
    rate, operations = totals.success_rate, totals.operations
    if totals.counted_operations is not None and totals.counted_successes is not None:
        operations = totals.counted_operations
        rate = totals.counted_successes / operations if operations else 1.0
    if not operations:
        return Criterion("success_rate", limit, None, False, "No operation was recorded.")
    passed = rate >= limit
    what = f"{operations:,} operations succeeded{_AFTER if totals.ramp_cut else ''}"
    if totals.batch_users is not None:
        what = (
            f"{count(totals.batch_users, 'session')} connected, reset and stepped"
            if transport == "ws"
            else f"{count(totals.batch_users, 'user')} reset and stepped"
        )
    sentence = f"{share(rate)} of {what}; at least {share(limit)} must."
    if totals.batch_users is None and totals.served_share < rate:
        sentence = (
            f"{totals.users_shut_out:,} of {count(totals.users, 'user')} completed no step and met failures "
            f"({share(rate)} of {what}); at least {share(limit)} must be served."
        )
        rate, passed = totals.served_share, totals.served_share >= limit
    return Criterion("success_rate", limit, rate, passed, sentence)


def _total_p99(value: float | None, limit: float, ramp_cut: bool, by_default: str) -> Criterion:
    if value is None:
        sentence = (
            f"No step succeeded; 99 % of the steps must take less than {seconds(limit)} in total{by_default}."
        )
        return Criterion("total_p99_s", limit, None, False, sentence)
    sentence = (
        f"99 % of the steps took at most {seconds(value)} in total (connect, reset and step)"
        f"{_AFTER if ramp_cut else ''}; it must be less than {seconds(limit)}{by_default}."
    )
    return Criterion("total_p99_s", limit, value, value < limit, sentence)
