"""Goodput: what met the objective, a second."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports.records.steps import Steps
from reports.run.sections.latency import totals_in_pieces
from reports.run.sections.rollouts import Rollouts


@dataclass(frozen=True)
class Goodput:
    """What met the objective in the measured window: episodes of rollouts, else steps."""

    unit: Literal["episodes", "steps"]
    per_s: float
    share: float
    """Of what succeeded, 0…1."""


def summarize(
    steps: Steps, window_s: tuple[float, float], limit_s: float, rollouts: Rollouts | None
) -> Goodput:
    """Counts the successful steps that took less than `limit_s` in total: connect, reset and step."""
    if rollouts is not None:
        done = rollouts.rollouts_per_s
        return Goodput("episodes", rollouts.goodput_per_s, rollouts.goodput_per_s / done if done else 0.0)
    begin, end = window_s
    good = done_steps = 0
    for total_s, rows in totals_in_pieces(steps):
        ended_s = steps.started_s[rows] + steps.latency_s[rows]
        inside = (ended_s >= begin) & (ended_s <= end)
        done_steps += int(np.count_nonzero(inside))
        good += int(np.count_nonzero(inside & (total_s < limit_s)))
    length_s = end - begin
    return Goodput(
        "steps", good / length_s if length_s > 0 else 0.0, good / done_steps if done_steps else 0.0
    )
