"""Published results of OpenEnv's own scaling study, to set beside one's own."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class PublishedRow:
    """One published deployment. Latencies in seconds; None where the study gives none."""

    infrastructure: str
    cores: int
    transport: str
    wait_s: float
    max_batch: int
    connect_p50_s: float | None
    reset_p50_s: float | None
    step_p50_s: float | None
    total_p99_s: float | None

    @property
    def per_core(self) -> float:
        return self.max_batch / self.cores


@dataclass(frozen=True)
class Published:
    """The study's rows and where they come from."""

    source: str
    """One or two sentences."""
    rows: list[PublishedRow]


@cache
def published() -> Published:
    """Reads the results that come with this package."""
    text = files("reports").joinpath("data", "published-scaling.csv").read_text(encoding="utf-8")
    lines = text.splitlines()
    comments = [line.lstrip("# ").strip() for line in lines if line.startswith("#")]
    rows = csv.DictReader(line for line in lines if line.strip() and not line.startswith("#"))
    return Published(" ".join(comments), [_row(row) for row in rows])


def _row(row: dict[str, str]) -> PublishedRow:
    def seconds(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return PublishedRow(
        infrastructure=row["infrastructure"],
        cores=int(row["cores"]),
        transport=row["transport"],
        wait_s=float(row["wait_s"]),
        max_batch=int(row["max_batch"]),
        connect_p50_s=seconds("connect_p50_s"),
        reset_p50_s=seconds("reset_p50_s"),
        step_p50_s=seconds("step_p50_s"),
        total_p99_s=seconds("total_p99_s"),
    )
