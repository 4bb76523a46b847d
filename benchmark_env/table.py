"""The outcome of sessions, as tables for people and as JSON for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from .sessions import Outcome, Session, Transport, WorkerShare

TRANSPORTS = {"ws": "WebSocket", "http": "HTTP"}
LEFT_OUT_FIRST: Final = ("step max", "waited", "steps", "hash", "connect")
"""Columns that are dropped on a narrow terminal, in this order."""
LONGEST_HOST: Final = 64
SHORTEST_HOST: Final = 12
_GAP = "  "


def as_text(outcome: Outcome, width: int | None = None) -> str:
    """A table of the sessions, a table of the workers, and a sentence on how evenly the load was spread.

    Where `width` is given, the tables fit into as many characters: columns are dropped and hosts shortened.
    """
    plan = outcome.plan
    asked = (
        f"{_counted(plan.sessions, 'session')} of {_counted(plan.steps, 'step')}, {plan.wait_s:g} s wait each"
    )
    parts = [f"{asked}, over {TRANSPORTS[plan.transport]} at {_printable(plan.url)}"]
    if answered := [session for session in outcome.sessions if session.answers]:
        parts.append(_table([_session_row(each) for each in answered], width))
        parts.append(_table([_worker_row(each, plan.transport) for each in outcome.shares()], width))
    parts.append("\n".join([*_failures(outcome), _evenness(outcome), _summary(outcome)]))
    return "\n\n".join(parts)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The same for programs: times in seconds, shares in 0…1, null for what is not known."""
    config = asdict(outcome.plan)
    del config["headers"]
    return {
        "config": config,
        "duration_s": outcome.duration_s,
        "failed": len(outcome.failed),
        "jain": outcome.jain(),
        "workers": [asdict(share) for share in outcome.shares()],
        "sessions": [asdict(session) for session in outcome.sessions],
    }


def _session_row(session: Session) -> dict[str, str]:
    steps = [step.latency_s for step in session.steps]
    waited = sum(step.waited_s for step in session.steps)
    return {
        "session": str(session.number),
        "host": _short(_one_or_many({host for host, _ in session.workers}, "hosts")),
        "pid": _one_or_many({str(pid) for _, pid in session.workers}, "pids"),
        "hash": _one_or_many(set(session.session_hashes), "hashes"),
        "steps": str(len(steps)),
        "waited": f"{waited:.3f} s",
        "connect": "" if session.connect_s is None else _milliseconds(session.connect_s),
        "reset": _milliseconds(session.answers[0].latency_s),
        "step mean": _milliseconds(sum(steps) / len(steps)) if steps else "",
        "step max": _milliseconds(max(steps)) if steps else "",
    }


def _worker_row(each: WorkerShare, transport: Transport) -> dict[str, str]:
    # Over HTTP many workers answer the same session.
    sessions = {"sessions": str(each.sessions)} if transport == "ws" else {}
    return {
        "host": _short(each.host),
        "pid": str(each.pid),
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
        "Workers that got nothing cannot be seen by a client."
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
    # The end of a host holds the port.
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
    # A server's answer may contain control sequences for the terminal.
    return "".join(character if character.isprintable() else "�" for character in text)
