"""How evenly a load is spread over replicas or workers: Jain's index, a test against chance, a judgement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports.page.words import count
from reports.statistics.jain import jain_index
from reports.statistics.quantiles import equal_shares_p

_UNEVEN_P = 0.001
_DOUBTFUL_P = 0.05
_ROUGHLY_EVEN_JAIN, _UNEVEN_JAIN = 0.9, 0.8
NEARLY_EVEN_JAIN = 0.99
ENOUGH_EACH = 5
"""What the chi-squared test needs each part to expect (Cochran 1954)."""

Evenness = Literal["single", "too few", "even", "by chance", "nearly even", "uneven", "very uneven"]
"""How even a spread is. `by chance`: uneven, but no more than sessions placed at random would be."""


@dataclass(frozen=True)
class Fairness:
    """How evenly a load was spread over all expected parts, idle ones included.

    Over WebSocket the load is sessions, over stateless HTTP it is steps.
    """

    jain: float
    """Jain, Chiu, Hawe (1984): (Σx)² / (n Σx²); 1 is even, 1/n is all on one."""
    chi2_p: float | None
    """Pearson's chi-squared test of equal shares: how often chance alone spreads at least this unevenly."""
    max_over_min: float | None
    """None where the least loaded part got nothing."""


def fairness_of(loads: Sequence[int], *, independent: bool) -> Fairness | None:
    """None where nothing was spread. Chance is tested only where each unit was placed independently."""
    if not sum(loads):
        return None
    values = np.array(loads, dtype=np.float64)
    least = float(values.min())
    return Fairness(
        jain=jain_index(values),
        chi2_p=equal_shares_p(values) if independent else None,
        max_over_min=float(values.max()) / least if least else None,
    )


def judge_evenness(fairness: Fairness | None, loads: Sequence[int]) -> Evenness | None:
    """How even a spread is; None where nothing was spread."""
    if fairness is None:
        return None
    if len(loads) == 1:
        return "single"
    if sum(loads) < ENOUGH_EACH * len(loads):
        return "too few"
    jain, p = fairness.jain, fairness.chi2_p
    if p is not None and p >= _DOUBTFUL_P:
        return "even" if jain >= _ROUGHLY_EVEN_JAIN else "by chance"
    if jain >= NEARLY_EVEN_JAIN or (p is not None and p >= _UNEVEN_P):
        return "nearly even"
    return "uneven" if jain >= _UNEVEN_JAIN else "very uneven"


def evenness_in_words(fairness: Fairness, loads: Sequence[int], unit: str, noun: str) -> str:
    """How even a spread of `unit` over several parts, each a `noun`, is."""
    judgement = judge_evenness(fairness, loads)
    parts, p, index = count(len(loads), noun), fairness.chi2_p, f"Jain's index {fairness.jain:.3f}"
    if judgement == "too few":
        load = sum(loads)
        are = "is" if load == 1 else "are"
        return f"{count(load, unit[:-1])} over {parts} {are} too few to judge the spread."
    spread = f"The spread of {unit} over {parts} is"
    if p is None:
        return f"{spread} {judgement} ({index})."
    if p >= _DOUBTFUL_P:
        return f"{spread} as even as chance would have it (p = {p:.2f}, {index})."
    if p >= _UNEVEN_P:
        return f"{spread} a little less even than chance would have it (p = {p:.3f}, {index})."
    if judgement == "nearly even":
        return f"{spread} nearly even ({index}), though not by chance (p < 0.001)."
    return f"{spread} more uneven than chance explains (p < 0.001, {index})."
