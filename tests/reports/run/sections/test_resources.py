from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reports.records.columns import RESOURCES
from reports.run.sections.resources import Resources, summarize


def resources(*samples: dict[str, Any]) -> Resources:
    return summarize(
        pa.Table.from_pylist(list(samples), schema=RESOURCES), 100.0, {"127.0.0.1:1": "replica-1"}
    )


def sample(at: float, role: str = "replica", name: str = "env-1", **usage: Any) -> dict[str, Any]:
    return {"at": 100.0 + at, "role": role, "name": name} | usage


def test_usage_of_every_part() -> None:
    found = resources(
        sample(0, cpu_cores=0.5, memory_bytes=1000, open_files=9),
        sample(0, role="nginx", name="nginx", cpu_cores=0.1),
        sample(1, cpu_cores=1.5, memory_bytes=3000, open_files=12),
    )
    replica, nginx = found.parts
    assert (replica.role, replica.name) == ("replica", "env-1")
    assert replica.at_s.tolist() == [0, 1]
    assert (replica.cpu_mean, replica.cpu_max, replica.memory_max) == (1.0, 1.5, 3000)
    assert replica.open_files_max == 12
    assert (nginx.cpu_mean, nginx.open_files_max) == (0.1, None)
    assert np.isnan(nginx.memory_max)
    assert found.takeaways[0] == "Replica env-1 worked hardest: 1.00 cores on average, 1.50 at most."


def test_a_replica_has_its_deployments_name() -> None:
    assert resources(sample(0, name="127.0.0.1:1", cpu_cores=0.1)).parts[0].name == "replica-1"


def test_unknown_samples_are_left_out() -> None:
    part = resources(sample(0), sample(1, cpu_cores=0.4)).parts[0]
    assert part.cpu_mean == pytest.approx(0.4)


def test_a_generator_at_its_limit_is_told() -> None:
    found = resources(*(sample(at, role="generator", name="g1", cpu_cores=0.97) for at in range(5)))
    assert any("the generator may be the limit" in takeaway for takeaway in found.takeaways)


def test_a_growing_memory_is_told() -> None:
    found = resources(*(sample(at, memory_bytes=100_000_000 * (1 + at)) for at in range(9)))
    grown = "Replica env-1 grew 4-fold in memory, from 200 MB to 800 MB: a longer run may need much more."
    assert grown in found.takeaways


def test_nothing_recorded() -> None:
    found = resources()
    assert found.parts == []
    assert found.takeaways == ["CPU and memory were not recorded."]


def test_what_servers_elsewhere_used_is_called_unknown() -> None:
    found = resources(sample(0, role="generator", name="g1", cpu_cores=0.25), sample(0, role="others"))
    assert found.takeaways == [
        "Generator g1 used 0.25 cores on average, 0.25 at most.",
        (
            "CPU and memory of the environment servers are unknown. "
            "To see what was at its limit, look at the machines they run on."
        ),
    ]
