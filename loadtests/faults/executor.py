"""Breaks parts of a deployment while a load goes on, on schedule, and takes back what can be taken back."""

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from random import Random
from threading import Event, Thread

from loadtests.clock import now
from loadtests.deployments import Progress
from loadtests.deployments.breakable import Breakable, NotPossibleError
from loadtests.faults.effects import Effect, effect_of
from loadtests.faults.plan import Fault
from reports.records.schema import FaultJson

_POLL_S = 0.05
_NOT_REACHED = "the load was over before its time came"


class Faults:
    """The faults of one run, from `start` to `stop`. Whom they strike is drawn, the same way in each run."""

    def __init__(
        self, plan: Sequence[Fault], deployment: Breakable, begun: Callable[[], bool], say: Progress
    ) -> None:
        """`begun` tells whether the load has begun, from when the times of the plan count."""
        self._plan = plan
        self._deployment = deployment
        self._begun = begun
        self._say = say
        self._chance = Random(",".join(fault.asked for fault in plan))
        self._over = Event()
        self._noted: list[FaultJson] = []
        self._spared: set[str] = set()
        """Hosts that no further fault strikes: paused, or about to end."""
        self._in_effect: dict[int, tuple[Effect, FaultJson]] = {}
        """What can be taken back, by its number."""
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        """A heap of what is to happen, by `time.monotonic`."""
        self._numbers = itertools.count()
        self._start = 0.0
        self._thread = Thread(target=self._run, name="faults", daemon=True)
        self._aside = ThreadPoolExecutor(max(1, len(plan)), thread_name_prefix="fault")

    def start(self) -> None:
        """Waits in a thread of its own for the load to begin, and follows the plan."""
        self._thread.start()

    def end(self) -> None:
        """Strikes nobody any more; what is in effect stays so until `stop`."""
        self._over.set()

    def stop(self) -> list[FaultJson]:
        """Ends it, whatever is still to come; takes back what is in effect; returns what was done."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._aside.shutdown()
        for number in list(self._in_effect):
            self._take_back(number)
        begun = [note["asked"] for note in self._noted]
        for fault in self._plan:
            if fault.asked in begun:
                begun.remove(fault.asked)
            elif self._start:
                at = now() - (time.monotonic() - self._start) + fault.at_s
                self._noted.append(_note(fault, at, "left out", _NOT_REACHED))
        return sorted(self._noted, key=lambda note: note["at"])

    def _run(self) -> None:
        while not self._begun():
            if self._over.wait(_POLL_S):
                return
        self._start = time.monotonic()
        for fault in self._plan:
            self._plan_for(fault.at_s, partial(self._strike, fault))
        while self._due:
            at, _, act = self._due[0]
            if self._over.wait(max(0.0, at - time.monotonic())):
                return
            heapq.heappop(self._due)
            act()

    def _plan_for(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self._start + at_s, next(self._numbers), act))

    def _strike(self, fault: Fault) -> None:
        note = _note(fault, now(), "failed", None)
        self._noted.append(note)
        try:
            effect = effect_of(fault, self._deployment, self._spared, self._chance, self._over)
        except Exception as error:
            self._failed(fault, note, error)
            return
        note["target"] = effect.target
        if fault.name in ("pause-replica", "kill-replica", "remove-replica"):
            self._spared.add(effect.target or "")
        if effect.takes_time:
            self._aside.submit(self._act, fault, effect, note)
        else:
            self._act(fault, effect, note)

    def _act(self, fault: Fault, effect: Effect, note: FaultJson) -> None:
        note["at"] = now()
        number = next(self._numbers)
        if effect.take_back is not None:
            self._in_effect[number] = effect, note
        try:
            note["target"] = effect.act() or effect.target
        except Exception as error:
            self._failed(fault, note, error)
            self._in_effect.pop(number, None)
            if effect.take_back is not None:
                with suppress(Exception):  # there may be nothing to take back
                    effect.take_back()
            return
        note["outcome"] = "done"
        self._tell(effect.words)
        if effect.take_back is not None and fault.lasts_s is not None:
            ends_s = time.monotonic() - self._start + fault.lasts_s
            self._plan_for(ends_s, partial(self._take_back, number))

    def _take_back(self, number: int) -> None:
        effect, note = self._in_effect.pop(number)
        assert effect.take_back is not None
        ended_at = now()  # from here on it may answer again
        try:
            effect.take_back()
        except Exception as error:
            note["detail"] = f"it could not be taken back: {error}"
            self._tell(f"{note['asked']} could not be taken back: {error}")
            return
        note["ended_at"] = ended_at
        self._spared.discard(effect.target or "")
        self._tell(effect.words_after)

    def _failed(self, fault: Fault, note: FaultJson, error: Exception) -> None:
        note["outcome"] = "failed"
        if isinstance(error, NotPossibleError):
            note["outcome"], note["target"] = "left out", None
        note["detail"] = str(error) or repr(error)
        words = "was left out" if note["outcome"] == "left out" else "failed"
        self._tell(f"{fault.asked} {words}: {note['detail']}")

    def _tell(self, what: str) -> None:
        self._say(f"{time.monotonic() - self._start:.0f} s: {what}")


def _note(fault: Fault, at: float, outcome: str, detail: str | None) -> FaultJson:
    return FaultJson(
        name=fault.name,
        asked=fault.asked,
        target=None,
        at=at,
        ended_at=None,
        outcome="left out" if outcome == "left out" else "failed",
        detail=detail,
    )
