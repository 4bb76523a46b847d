"""The outcome of sessions as a table for people and as JSON for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .sessions import Outcome, Session, Transport, WorkerShare

TRANSPORTS = {"ws": "WebSocket", "http": "HTTP"}
SESSION_HEADS: Final = (
    *("session", "host", "pid", "hash", "steps", "waited"),
    *("connect", "reset", "step mean", "step max"),
)
LEFT_OUT_FIRST: Final = ("step max", "waited", "steps", "hash", "connect")
"""Columns that a narrow terminal goes without, in this order."""
LONGEST_HOST: Final = 64
SHORTEST_HOST: Final = 12
_GAP = "  "


def as_text(outcome: Outcome, width: int | None = None) -> str:
    """Sessions, workers, and a sentence on how evenly it spread.

    The tables keep to `width` characters where it is given: columns are left out, and hosts cut.
    """
    plan = outcome.plan
    asked = (
        f"{_counted(plan.sessions, 'session')} of {_counted(plan.steps, 'step')}, {plan.wait_s:g} s wait each"
    )
    parts = [f"{asked}, over {TRANSPORTS[plan.transport]} at {_printable(plan.url)}"]
    if answered := [session for session in outcome.sessions if session.answers]:
        parts.append(
            _table([dict(zip(SESSION_HEADS, _session_row(each), strict=True)) for each in answered], width)
        )
        parts.append(_table([_worker_row(each, plan.transport) for each in outcome.shares()], width))
    parts.append("\n".join([*_failures(outcome), _evenness(outcome), _summary(outcome)]))
    return "\n\n".join(parts)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The same for programs: times in seconds, shares in 0…1, null for what is not known."""
    plan = outcome.plan
    return {
        "config": {
            "url": plan.url,
            "sessions": plan.sessions,
            "steps": plan.steps,
            "wait_s": plan.wait_s,
            "transport": plan.transport,
        },
        "duration_s": outcome.duration_s,
        "failed": len(outcome.failed),
        "jain": outcome.jain(),
        "workers": [
            {
                "host": each.worker[0],
                "pid": each.worker[1],
                "sessions": each.sessions,
                "steps": each.steps,
                "share": each.share,
            }
            for each in outcome.shares()
        ],
        "sessions": [
            {
                "number": session.number,
                "connect_s": session.connect_s,
                "answers": [
                    {
                        "op": answer.operation,
                        "host": answer.worker[0],
                        "pid": answer.worker[1],
                        "session_hash": answer.session_hash,
                        "latency_s": answer.latency_s,
                        "waited_s": answer.waited_s,
                    }
                    for answer in session.answers
                ],
                "error": session.error,
            }
            for session in outcome.sessions
        ],
    }


def _session_row(session: Session) -> tuple[str, ...]:
    steps = [step.latency_s for step in session.steps]
    waited = sum(step.waited_s for step in session.steps)
    return (
        str(session.number),
        _short(_one_or_many({host for host, _ in session.workers}, "hosts")),
        _one_or_many({str(pid) for _, pid in session.workers}, "pids"),
        _one_or_many(set(session.session_hashes), "hashes"),
        str(len(steps)),
        f"{waited:.3f} s",
        "" if session.connect_s is None else _milliseconds(session.connect_s),
        _milliseconds(session.answers[0].latency_s),
        _milliseconds(sum(steps) / len(steps)) if steps else "",
        _milliseconds(max(steps)) if steps else "",
    )


def _worker_row(each: WorkerShare, transport: Transport) -> dict[str, str]:
    host, pid = each.worker
    # Over HTTP many workers answer the same session.
    sessions = {"sessions": str(each.sessions)} if transport == "ws" else {}
    return {
        "host": _short(host),
        "pid": str(pid),
        **sessions,
        "steps": str(each.steps),
        "share": f"{each.share:.0%}",
    }


def _failures(outcome: Outcome) -> list[str]:
    reasons = Counter(session.error for session in outcome.failed)
    return [
        f"{_counted(count, 'session')} failed: {_printable(str(reason))}"
        for reason, count in reasons.most_common()
    ]


def _evenness(outcome: Outcome) -> str:
    jain = outcome.jain()
    if jain is None:
        return "Nobody answered."
    what = "steps" if outcome.plan.transport == "http" else "sessions"
    workers = _counted(len(outcome.shares()), "worker")
    return (
        f"Jain's index of {what} over the {workers} that answered: {jain:.3f} (1 is even).\n"
        "Workers that got nothing are not seen from here."
    )


def _summary(outcome: Outcome) -> str:
    done = sum(len(session.steps) for session in outcome.sessions)
    asked = outcome.plan.sessions * outcome.plan.steps
    return f"{done} of {_counted(asked, 'step')} answered in {outcome.duration_s:.2f} s."


def _table(rows: Sequence[Mapping[str, str]], most: int | None) -> str:
    columns = {
        head: [_cut(_printable(cell), LONGEST_HOST) for cell in (head, *(row[head] for row in rows))]
        for head in rows[0]
    }
    if most is not None:
        _fit(columns, most)
    aligned = [
        [
            cell.ljust(_width(cells)) if head in {"host", "hash"} else cell.rjust(_width(cells))
            for cell in cells
        ]
        for head, cells in columns.items()
    ]
    return "\n".join(_GAP.join(line).rstrip() for line in zip(*aligned, strict=True))


def _fit(columns: dict[str, list[str]], most: int) -> None:
    def excess() -> int:
        return sum(map(_width, columns.values())) + len(_GAP) * (len(columns) - 1) - most

    for head in LEFT_OUT_FIRST:
        if excess() <= 0:
            return
        columns.pop(head, None)
    hosts = columns["host"]
    if excess() > 0:
        columns["host"] = [_cut(host, max(_width(hosts) - excess(), SHORTEST_HOST)) for host in hosts]


def _width(cells: Sequence[str]) -> int:
    return max(map(len, cells))


def _cut(text: str, most: int) -> str:
    # Of a host the end holds the port.
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"


def _short(host: str) -> str:
    return host.removeprefix("http://")


def _one_or_many(values: set[str], noun: str) -> str:
    return next(iter(values)) if len(values) == 1 else f"{len(values)} {noun}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _printable(text: str) -> str:
    # What a server says may hold control sequences of the terminal.
    return "".join(character if character.isprintable() else "�" for character in text)
