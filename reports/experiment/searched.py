"""What a capacity search tries, in words: batches of sessions, or rates at which steps or sessions arrive."""

from dataclasses import dataclass
from statistics import median

from reports.page.words import count, seconds
from reports.records.schema import CapacityJson, CapacityUnit


@dataclass(frozen=True)
class Searched:
    """How loads of a unit are spoken of."""

    unit: CapacityUnit

    @property
    def is_rate(self) -> bool:
        """Whether it is a number of arrivals a second."""
        return self.unit != "sessions"

    @property
    def noun(self) -> str:
        """`batch` or `rate`."""
        return "rate" if self.is_rate else "batch"

    @property
    def nouns(self) -> str:
        """The plural of that."""
        return "rates" if self.is_rate else "batches"

    @property
    def subject(self) -> str:
        """What an answer is about: `Sessions` or `Rate`."""
        return "Rate" if self.is_rate else "Sessions"

    @property
    def at_once(self) -> str:
        """The unit where loads are listed: `sessions at once` or `steps/s`."""
        return self.unit if self.is_rate else "sessions at once"

    @property
    def succeeded(self) -> str:
        """What is counted as succeeded."""
        return "operations" if self.is_rate else "sessions"

    @property
    def p99(self) -> str:
        """The percentile that the objective bounds."""
        return "p99 from the intended time" if self.is_rate else "p99 of total"

    @property
    def since(self) -> str:
        """What total time counts from, where it is not from sending: ` from the intended time`."""
        return " from the intended time" if self.is_rate else ""

    def amount(self, load: int) -> str:
        """`256 sessions` or `412 steps/s`."""
        return f"{load:,} {self.unit}" if self.is_rate else count(load, "session")

    def a_try(self, load: int) -> str:
        """`batch of 256` or `412 steps/s`."""
        return self.amount(load) if self.is_rate else f"batch of {load:,}"

    def largest(self, load: int) -> str:
        """`a batch of 256 sessions` or `412 steps/s`."""
        return self.amount(load) if self.is_rate else f"a batch of {self.amount(load)}"

    def of_tries(self, load: int) -> str:
        """`of a batch of 256` or `at 412 steps/s`."""
        return f"{'at' if self.is_rate else 'of a'} {self.a_try(load)}"

    def under(self, load: int) -> str:
        """`in batches of 256 sessions` or `at 412 steps/s`."""
        return f"{'at' if self.is_rate else 'in batches of'} {self.amount(load)}"


def searched(capacity: CapacityJson) -> Searched:
    """How the loads of a search are spoken of."""
    return Searched(capacity.get("unit", "sessions"))


def p99_of(capacity: CapacityJson) -> float | None:
    """The 99th percentile of total time at the answer: the median over its tries; None where unknown."""
    known = [each["total_p99_s"] for each in capacity["tries"] if each["users"] == capacity["max_batch"]]
    return median(found) if (found := [each for each in known if each is not None]) else None


def within(capacity: CapacityJson) -> str:
    """`p99 from the intended time 0.90 s of 1.20 s`; empty where that is not known, and of batches."""
    p99, limit = p99_of(capacity), capacity.get("total_p99_limit_s")
    if p99 is None or limit is None:
        return ""
    return f"{searched(capacity).p99} {seconds(p99)} of {seconds(limit)}"
