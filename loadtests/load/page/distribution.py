"""The tab Distribution: who serves the load of the running test, and whether the figures can be trusted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadtests.load.page.pulse import Pulse
from loadtests.load.spread import NOBODY, Spread, Worker
from reports.page.words import count, printable, seconds, share
from reports.records.schema import RunJson, expected_workers
from reports.statistics.jain import jain_index
from reports.statistics.saturation import SATURATED_CORES

State = Literal["good", "caution", "bad", "unknown"]

_EVEN_JAIN, _UNEVEN_JAIN = 0.9, 0.8
_ENOUGH_EACH = 5
_BUSY_CORES = 0.75
_LATE_SECONDS = 0.1
_LONGEST_TEXT = 240


@dataclass(frozen=True)
class Part:
    """What a replica or a worker served."""

    name: str
    """A friendlier name of its host, where there is one."""
    pid: int | None
    """None for a replica, and for a worker that has answered nothing."""
    sessions: int
    steps: int


@dataclass(frozen=True)
class Answer:
    """The answer to a question at this moment, and the figures that it rests on."""

    question: str
    verdict: str
    state: State
    facts: list[tuple[str, str]]


class Distribution:
    """Folds the record batches of one test; `form` is what the tab shows at that moment."""

    def __init__(self, run: RunJson) -> None:
        self._run = run
        self._over_http = run["config"]["transport"] == "http"
        self._spread = Spread()
        self._operations = 0
        self._errors: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], str] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Folds in a batch of the steps table."""
        self._spread.update(batch)
        self._operations += batch.num_rows
        failures = pa.Table.from_batches([batch.filter(pc.is_valid(batch["error"]))])
        if not failures.num_rows:
            return
        groups = failures.group_by(["error", "op"], use_threads=False)
        for group in groups.aggregate([([], "count_all"), ("error_detail", "last")]).to_pylist():
            kind = (group["error"], group["op"])
            self._errors[kind] += group["count_all"]
            if group["error_detail_last"]:
                self._examples[kind] = printable(group["error_detail_last"], _LONGEST_TEXT)

    def form(self, pulses: Sequence[Pulse]) -> dict[str, Any]:
        """The tab's content as JSON."""
        replicas, workers = self.replicas(), self.workers()
        return {
            "run_id": self._run["run_id"],
            "started_at": self._run["started_at"],
            "url": self._run["config"]["url"],
            "transport": self._run["config"]["transport"],
            "answers": [
                asdict(answer)
                for answer in (
                    self._evenness(replicas, workers),
                    self._isolation(),
                    self._success(),
                    generator_answer(pulses),
                )
            ],
            "replicas": [asdict(part) for part in replicas],
            "workers": [asdict(part) for part in workers],
            "fair": {"replicas": _fair_share(replicas), "workers": _fair_share(workers)},
            "jain": {"replicas": self.jain(replicas), "workers": self.jain(workers)},
            "unattributed": {
                "sessions": self._spread.sessions[NOBODY],
                "steps": self._spread.steps[NOBODY],
            },
            "isolation": {
                "sessions_checked": self._spread.sessions_checked,
                "moved_sessions": self._spread.moved_sessions,
                "shared_sessions": self._spread.shared_sessions,
            },
            "errors": [
                {"category": error, "op": op, "count": number, "example": self._examples.get((error, op))}
                for (error, op), number in self._errors.most_common()
            ],
            "generators": [asdict(pulse) for pulse in pulses],
        }

    def replicas(self) -> list[Part]:
        """Every replica that is expected or has answered."""
        sessions, steps = self._sessions(), self._spread.steps
        hosts = dict.fromkeys(self._run["topology"]["hosts"])
        hosts |= dict.fromkeys(sorted({host for host, _ in (*sessions, *steps) if host}))
        return [
            Part(
                name=self._name(host),
                pid=None,
                sessions=sum(number for worker, number in sessions.items() if worker[0] == host),
                steps=sum(number for worker, number in steps.items() if worker[0] == host),
            )
            for host in hosts
        ]

    def workers(self) -> list[Part]:
        """Every worker that has answered, and one without a pid for each that is expected and has not."""
        sessions, steps = self._sessions(), self._spread.steps
        seen = sorted({worker for worker in (*sessions, *steps) if worker[1] is not None})
        parts = [Part(self._name(host), pid, sessions[host, pid], steps[host, pid]) for host, pid in seen]
        return parts + list(self._idle(Counter(host for host, _ in seen))) if seen else []

    def jain(self, parts: Sequence[Part]) -> float | None:
        """Jain's index of sessions, or over HTTP of steps; None where fewer than two parts share a load."""
        loads = np.array([self._load(part) for part in parts], dtype=np.float64)
        return jain_index(loads) if loads.size > 1 and loads.any() else None

    def _idle(self, seen: Counter[str]) -> Iterator[Part]:
        topology = self._run["topology"]
        expected = expected_workers(topology)
        if expected is None:
            return
        left = max(0, expected - seen.total())
        for host in topology["hosts"]:
            idle = min(left, max(0, (topology["workers"] or 0) - seen[host]))
            left -= idle
            yield from [Part(self._name(host), None, 0, 0)] * idle
        yield from [Part("unknown", None, 0, 0)] * left

    def _sessions(self) -> Counter[Worker]:
        """None over stateless HTTP."""
        return Counter() if self._over_http else self._spread.sessions

    def _name(self, host: str) -> str:
        return printable(self._run["topology"]["names"].get(host, host), 80)

    def _load(self, part: Part) -> int:
        return part.steps if self._over_http else part.sessions

    def _evenness(self, replicas: Sequence[Part], workers: Sequence[Part]) -> Answer:
        question = "Is the load spread evenly?"
        parts, noun = (workers, "worker") if workers else (replicas, "replica")
        unit = "step" if self._over_http else "session"
        load = sum(map(self._load, parts))
        loaded = sum(self._load(part) > 0 for part in parts)
        facts = [(f"{unit}s on {noun}s", f"{load:,} on {loaded} of {len(parts)}")]
        facts += [
            (f"Jain's index of {name}", f"{index:.3f}")
            for name, each in (("workers", workers), ("replicas", replicas))
            if (index := self.jain(each)) is not None
        ]
        index = self.jain(parts)
        if not load:
            unknown = self._spread.steps[NOBODY] or self._spread.sessions[NOBODY]
            return Answer(question, "Hosts unknown" if unknown else "No replies yet", "unknown", [])
        if index is None:
            return Answer(question, f"There is one {noun}", "unknown", facts)
        facts.append(("fair share", f"{load / len(parts):,.1f} {unit}s a {noun}"))
        if load < _ENOUGH_EACH * len(parts):
            return Answer(question, "Too few to say", "unknown", facts)
        if index >= _EVEN_JAIN:
            return Answer(question, "Yes", "good", facts)
        return Answer(question, "No", "caution" if index >= _UNEVEN_JAIN else "bad", facts)

    def _isolation(self) -> Answer:
        question, spread = "Are sessions kept apart?", self._spread
        if self._over_http:
            return Answer(question, "Nothing to check", "unknown", [("transport", "stateless HTTP")])
        if not spread.sessions_checked:
            verdict = "Sessions unnamed" if spread.steps else "No replies yet"
            return Answer(question, verdict, "unknown", [])
        moved = f"{spread.moved_sessions:,}" if spread.moves_checked else "not known: replies name no process"
        facts = [
            ("sessions seen", f"{spread.sessions_checked:,}"),
            ("moved between workers", moved),
            ("shared by users", f"{spread.shared_sessions:,}"),
        ]
        broken = spread.moved_sessions or spread.shared_sessions
        return Answer(question, "No" if broken else "Yes, so far", "bad" if broken else "good", facts)

    def _success(self) -> Answer:
        failed, steps = self._errors.total(), self._spread.steps.total()
        facts = [("steps", f"{steps:,}"), ("failed operations", f"{failed:,}")]
        question = "Do operations succeed?"
        if failed:
            (error, op), number = self._errors.most_common(1)[0]
            facts.append(("most often", f"{op}: {error}, {number:,} times"))
            met = 1 - failed / self._operations >= self._run["config"]["slo"]["success_rate"]
            return Answer(question, count(failed, "failure"), "caution" if met else "bad", facts)
        if not steps:
            return Answer(question, "No replies yet", "unknown", facts)
        return Answer(question, "All, so far", "good", facts)


def generator_answer(pulses: Sequence[Pulse]) -> Answer:
    """Whether the load generator itself could do more, from the busiest of its processes."""
    question = "Can the generator do more?"
    generating = [pulse for pulse in pulses if pulse.generates]
    if not generating:
        return Answer(question, "Not known yet", "unknown", [])
    busiest = max(pulse.cpu_cores for pulse in generating)
    late = max(pulse.lag_s for pulse in generating)
    facts = [
        ("busiest process", f"{share(round(busiest, 2))} of a core"),
        ("left of it", share(round(max(0.0, 1 - busiest), 2))),
        ("event loop late by", seconds(late) if late >= 0.0005 else "less than 1 ms"),
    ]
    if busiest >= SATURATED_CORES:
        advice = ("what to do", "more processes: PROCESSES=…")
        return Answer(question, "No", "bad", [*facts, advice])
    if busiest >= _BUSY_CORES or late >= _LATE_SECONDS:
        return Answer(question, "Hardly", "caution", facts)
    return Answer(question, "Yes", "good", facts)


def _fair_share(parts: Sequence[Part]) -> dict[str, float] | None:
    if not parts:
        return None
    return {
        "sessions": sum(part.sessions for part in parts) / len(parts),
        "steps": sum(part.steps for part in parts) / len(parts),
    }
