"""What failed: errors by category and operation, with a time line."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from reports.page.words import count, listing, printable, seconds, share
from reports.records.schema import UNASKED_REPLY
from reports.records.slices import slices_of
from reports.records.steps import OPS, STEP, Failures, Steps

_WHAT_TO_DO = {
    "refused": "nothing listened at the address: check that the server is up and that no worker crashed.",
    "connect_timeout": "connections waited too long to be accepted: raise the accept backlog, "
    "lower the spawn rate or add workers.",
    "handshake": "connections were made, but did not become WebSockets: check the scheme and the path of the "
    "URL, and that the balancer upgrades connections.",
    "timeout": "replies did not come in time: lower the load, add workers or raise the step timeout.",
    "connection_lost": "connections broke while in use: look for restarted or killed workers and for idle "
    "timeouts of the balancer.",
    "protocol": "replies could not be understood: check that server and harness speak the same version of "
    "OpenEnv.",
    "validation": "the server refused the action: check the action against the environment's schema.",
    "http_4xx": "the server refused requests: check the path, the action and limits of the balancer.",
    "http_5xx": "the server or the balancer failed: read their logs; 502 and 504 come from a balancer that "
    "found no worker in time.",
    "server_error": "the environment raised an error: read the server's log.",
}
_CERTIFICATE = (
    "the server's certificate was not trusted: name the authority that signed it in SSL_CERT_FILE, "
    "or take any certificate with TLS_VERIFY=0."
)
_ACCESS = "access was refused: put what the server asks for, such as a token, in HEADERS"
_ACCESS_REFUSED = re.compile(r"HTTP 40[13]\b")
_BY_DETAIL = {
    "handshake": [
        (re.compile("certificate not trusted"), _CERTIFICATE),
        (_ACCESS_REFUSED, f"{_ACCESS}, and check the path: some servers say 403 where it leads nowhere."),
    ],
    "protocol": [
        (
            re.compile(re.escape(UNASKED_REPLY)),
            "the server sent more replies than there were requests: see the section on isolation.",
        )
    ],
    "http_4xx": [(_ACCESS_REFUSED, f"{_ACCESS}.")],
}
"""What to do where a detail matches, instead of what its category says."""

_MORE_ROOM = (
    "Raise max_concurrent_envs in its create_app call (MAX_CONCURRENT_ENVS for the Benchmark environment), "
    "or add workers or replicas."
)
_MORE_THAN_ONE = "To hold more than 1, its environment must set SUPPORTS_CONCURRENT_SESSIONS = True."
_MOST_LIMITS = 3
_HELD_OF_MOST = re.compile(r"\d{1,9}/(\d{1,9}) sessions")
"""How OpenEnv says how many sessions a full process holds, and may hold."""


@dataclass(frozen=True)
class ErrorGroup:
    """Failures of one category in one operation. `example` is text that a server may have sent."""

    category: str
    op: str
    count: int
    first_at: float
    """Seconds since the run's start."""
    example: str | None


@dataclass(frozen=True)
class Errors:
    """Failures of a run, most frequent first; `counts` has a row per category, a column per time slice."""

    groups: list[ErrorGroup]
    categories: list[str]
    at_s: NDArray[np.float64]
    counts: NDArray[np.int64]
    takeaways: list[str]


def summarize(steps: Steps, failures: Failures) -> Errors:
    """Groups a run's failures and counts them over time, at the moment they ended."""
    slices = slices_of(steps.duration_s)
    rows = failures.rows
    table = pd.DataFrame(
        {
            "category": failures.category,
            "op": steps.op[rows],
            "detail": failures.detail,
            "ended_s": steps.started_s[rows] + steps.latency_s[rows],
        }
    )
    names = [printable(category) for category in failures.categories]
    groups = [
        ErrorGroup(
            category=names[group["category"].iloc[0]],
            op=OPS[group["op"].iloc[0]],
            count=len(group),
            first_at=float(group["ended_s"].min()),
            example=_most_common(group["detail"], failures.details),
        )
        for _, group in table.groupby(["category", "op"])
    ]
    groups.sort(key=lambda group: group.count, reverse=True)
    by_category = table["category"].value_counts()
    row = by_category.index.get_indexer(pd.Index(table["category"]))
    place = row * slices.count + slices.index(table["ended_s"].to_numpy())
    counts = np.bincount(place, minlength=len(by_category) * slices.count)
    return Errors(
        groups=groups,
        categories=[names[category] for category in by_category.index],
        at_s=slices.middles_s,
        counts=counts.reshape(len(by_category), slices.count),
        takeaways=_takeaways(groups, steps, failures),
    )


def _most_common(codes: "pd.Series[int]", details: pa.Array) -> str | None:
    known = codes[codes >= 0]
    if known.empty:
        return None
    return printable(details[int(known.value_counts().index[0])].as_py())


def _takeaways(groups: list[ErrorGroup], steps: Steps, failures: Failures) -> list[str]:
    failed, operations = sum(group.count for group in groups), int(steps.op.size)
    if not operations:
        return ["No operation was recorded."]
    if not failed:
        return [f"None of {count(operations, 'operation')} failed."]
    first = min(group.first_at for group in groups)
    failed_of_all = f"{failed:,} of {count(operations, 'operation')} failed ({share(failed / operations)})"
    takeaways = [f"{failed_of_all}, the first {seconds(first)} after the start."]
    categories = dict.fromkeys(group.category for group in groups)
    for category in categories:
        counted = [f"{count(g.count, g.op)}" for g in groups if g.category == category]
        hint = _turned_away(steps, failures) if category == "capacity" else _what_to_do(category, failures)
        takeaways.append(f"{category} ({listing(counted)}): {hint}")
    return takeaways


def _what_to_do(category: str, failures: Failures) -> str:
    """What to do about failures of a category, first about the most frequent."""
    usual = _WHAT_TO_DO.get(category, "see the example and the server's log.")
    kinds = _BY_DETAIL.get(category)
    if not kinds:
        return usual
    chosen = failures.detail[failures.category == failures.categories.index(category)]
    codes, counts = np.unique(chosen, return_counts=True)
    frequency: Counter[str] = Counter()
    for code, number in zip(codes.tolist(), counts.tolist(), strict=True):
        detail = failures.details[code].as_py() if code >= 0 else ""
        frequency[next((hint for begin, hint in kinds if begin.match(detail)), usual)] += number
    return " Others: ".join(hint for hint, _ in frequency.most_common())


def _turned_away(steps: Steps, failures: Failures) -> str:
    """Which users a full server turned away, how many sessions it says it holds, and how to raise that."""
    chosen = failures.category == failures.categories.index("capacity")
    met = np.zeros(steps.users, dtype=np.bool_)
    met[steps.user[failures.rows[chosen]]] = True
    shut_out = met.copy()
    shut_out[steps.user[steps.successes(STEP)]] = False
    users, never = int(np.count_nonzero(met)), int(np.count_nonzero(shut_out))
    who = f"the server was full, and turned {users:,} of {count(steps.users, 'user')} away"
    if never:
        who += f", {'none' if never == users else f'{users - never:,}'} of whom completed a step"
    said = failures.details.take(pa.array(np.unique(failures.detail[chosen & (failures.detail >= 0)])))
    most = {int(found[1]) for text in said.to_pylist() if (found := _HELD_OF_MOST.search(text))}
    holds = ""
    if most:
        limits = listing([f"{limit:,}" for limit in sorted(most)[:_MOST_LIMITS]])
        holds = f" It says that each of its processes holds at most {limits} at once."
    return f"{who}.{holds} {_MORE_ROOM}{f' {_MORE_THAN_ONE}' if most == {1} else ''}"
