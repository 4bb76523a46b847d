"""Published results of OpenEnv's own scaling study, to set beside one's own."""

import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd


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
    comments = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    table = pd.read_csv(io.StringIO(text), comment="#").astype(object)
    rows = table.where(table.notna(), None).to_dict("records")
    return Published(
        " ".join(comments), [PublishedRow(**{str(k): v for k, v in row.items()}) for row in rows]
    )
