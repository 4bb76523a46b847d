"""How busy the parts of a system were, and from when on one counts as full: the same for all reports."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from statistics import median

SATURATED_CORES = 0.95
"""Of a generator process, in cores: Locust runs all users of a process in one thread."""
SATURATED_SHARE = 0.9
"""Of the machine's cores."""
SHARED_SHARE = 0.2
"""Of the machine's cores, kept busy by programs that are no part of the run."""
BUSY_ON_AVERAGE = 0.75
"""Of a core: what a generator process must use on average too where the load lasts, since all are busy while
they start users."""
BUSY_WORKERS = 0.9
"""Of a core each."""


@dataclass(frozen=True)
class Cpu:
    """Cores kept busy in a run's measured window, or in the whole run where that is short; None: unknown."""

    generator_mean: float | None
    """Of all generator processes together, on average."""
    generator_busiest_mean: float | None
    """Of the busiest generator process, on average."""
    generator_max: float | None
    """Of one generator process in its busiest second."""
    replicas_mean: float | None
    """Of all replicas together, on average."""
    nginx_mean: float | None
    others_mean: float | None = None
    """Of all other programs of the machine, on average."""

    @classmethod
    def of(cls, parts: Iterable[tuple[str, float | None, float | None]]) -> "Cpu | None":
        """From the role of every part, its mean and its highest use; None where there are no parts."""
        parts = list(parts)
        if not parts:
            return None
        means: dict[str, list[float]] = {}
        for role, mean, _ in parts:
            if mean is not None:
                means.setdefault(role, []).append(mean)
        sums = {role: sum(known) for role, known in means.items()}
        return cls(
            generator_mean=sums.get("generator"),
            generator_busiest_mean=max(means.get("generator", []), default=None),
            generator_max=max(
                (most for role, _, most in parts if role == "generator" and most is not None), default=None
            ),
            replicas_mean=sums.get("replica"),
            nginx_mean=sums.get("nginx"),
            others_mean=sums.get("others"),
        )

    @classmethod
    def median_of(cls, runs: "Iterable[Cpu | None]") -> "Cpu | None":
        """Each figure's median over the runs in which it is known; None where none recorded any."""
        known = [run for run in runs if run is not None]
        if not known:
            return None
        return cls(*(_median([getattr(run, field.name) for run in known]) for field in fields(cls)))

    @property
    def total_mean(self) -> float | None:
        """Of generator, replicas and nginx together, on average."""
        parts = (self.generator_mean, self.replicas_mean, self.nginx_mean)
        known = [part for part in parts if part is not None]
        return sum(known) if known else None

    def saturated_generator(self, *, brief: bool) -> float | None:
        """The cores of a generator process that used all it can; None where none did.

        `brief`: the load was over so soon that one second says enough.
        """
        mean, most = self.generator_busiest_mean, self.generator_max
        if mean is not None and mean >= SATURATED_CORES:
            return mean
        lasting = mean is not None and (brief or mean >= BUSY_ON_AVERAGE)
        return most if lasting and most is not None and most >= SATURATED_CORES else None


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
