"""CPU and memory of replicas, balancer and generator over the time of a run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from reports.page.words import factor, megabytes, printable, share

Floats = NDArray[np.float64]

_BUSY_CORES = 0.9
"""A generator process is one thread of Python, so this share of a core is nearly all that it can use."""
_OFTEN = 0.1
_GROWTH = 1.2
_GROWTH_BYTES = 50e6
_NO_REPLICAS = (
    "CPU and memory of the environment servers are unknown. "
    "To see what was at its limit, look at the machines they run on."
)


@dataclass(frozen=True)
class PartUsage:
    """What one part of the system used."""

    role: str
    """replica, nginx, generator, or others: everything else on the generator's machine."""
    name: str
    at_s: Floats
    cpu_cores: Floats
    memory_bytes: Floats
    cpu_mean: float
    cpu_max: float
    memory_max: float
    open_files_max: int | None


@dataclass(frozen=True)
class Resources:
    """Usage of every part; empty where none was recorded."""

    parts: list[PartUsage]
    takeaways: list[str]


def summarize(table: pa.Table, origin: float, names: dict[str, str]) -> Resources:
    """The usage of every part in the resources table.

    `origin` is the run's start in Unix time; `names` has friendlier names of hosts.
    """
    samples = table.to_pandas()
    parts = [
        _usage(str(role), names.get(str(name), str(name)), group, origin)
        for (role, name), group in samples.groupby(["role", "name"], observed=True, sort=False)
    ]
    order = {"others": 3, "generator": 2, "nginx": 1}
    parts.sort(key=lambda part: (order.get(part.role, 0), part.name))
    return Resources(parts, list(_takeaways(parts)))


def _usage(role: str, name: str, samples: pd.DataFrame, origin: float) -> PartUsage:
    cpu = samples["cpu_cores"].to_numpy(dtype=np.float64)
    memory = samples["memory_bytes"].to_numpy(dtype=np.float64, na_value=np.nan)
    files = samples["open_files"].max()
    return PartUsage(
        role=printable(role),
        name=printable(name),
        at_s=samples["at"].to_numpy(dtype=np.float64) - origin,
        cpu_cores=cpu,
        memory_bytes=memory,
        cpu_mean=_known(cpu, np.mean),
        cpu_max=_known(cpu, np.max),
        memory_max=_known(memory, np.max),
        open_files_max=None if pd.isna(files) else int(files),
    )


def _known(values: Floats, statistic: Callable[[Floats], np.floating]) -> float:
    known = values[~np.isnan(values)]
    return float(statistic(known)) if known.size else float("nan")


def _takeaways(parts: list[PartUsage]) -> Iterator[str]:
    if not parts:
        yield "CPU and memory were not recorded."
        return
    measured = [part for part in parts if part.role != "others" and not np.isnan(part.cpu_mean)]
    if measured:
        busiest = max(measured, key=lambda part: part.cpu_mean)
        used = f"{busiest.cpu_mean:.2f} cores on average, {busiest.cpu_max:.2f} at most"
        yield f"{_title(busiest)} {'worked hardest:' if len(measured) > 1 else 'used'} {used}."
    if not any(part.role == "replica" for part in parts):
        yield _NO_REPLICAS
    for part in measured:
        if part.role == "generator":
            yield from _saturation(part)
    for part in parts:
        yield from _growth(part)


def _saturation(generator: PartUsage) -> Iterator[str]:
    busy = float(np.mean(generator.cpu_cores[~np.isnan(generator.cpu_cores)] >= _BUSY_CORES))
    if generator.cpu_mean >= _BUSY_CORES:
        yield (
            f"{_title(generator)} kept {generator.cpu_mean:.2f} of a core busy, about all that one process "
            "can: the generator may be the limit, not the server. Give it more processes (PROCESSES=…, or "
            "GENERATORS=… in containers)."
        )
    elif busy >= _OFTEN:
        used = f"{_title(generator)} used nearly a whole core in {share(busy)} of the samples"
        yield f"{used}: latencies there may be the generator's own."


def _growth(part: PartUsage) -> Iterator[str]:
    memory = part.memory_bytes[~np.isnan(part.memory_bytes)]
    if memory.size < 6:
        return
    third = memory.size // 3
    first, last = float(np.median(memory[:third])), float(np.median(memory[-third:]))
    if last >= _GROWTH * first and last - first >= _GROWTH_BYTES:
        grew = f"{_title(part)} grew {factor(last / first)}-fold in memory"
        yield f"{grew}, from {megabytes(first)} to {megabytes(last)}: a longer run may need much more."


def _title(part: PartUsage) -> str:
    if part.name.startswith(part.role):
        return part.name[0].upper() + part.name[1:]
    return f"{part.role.capitalize()} {part.name}"
