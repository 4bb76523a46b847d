"""The figures of an experiment's report: each function turns a result object into one inline SVG."""

from reports.experiment.figures.choices import fairness
from reports.experiment.figures.fits import laws
from reports.experiment.figures.lines import (
    MOST_LINES,
    goodput,
    hockey_stick,
    latency,
    success,
    throughput,
)
from reports.experiment.figures.parts import breakdown
from reports.experiment.figures.sizes import speedup
from reports.experiment.figures.tries import capacity_tries

__all__ = [
    "MOST_LINES",
    "breakdown",
    "capacity_tries",
    "fairness",
    "goodput",
    "hockey_stick",
    "latency",
    "laws",
    "speedup",
    "success",
    "throughput",
]
