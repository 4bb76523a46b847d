"""The report of a comparison as one self-contained HTML page. It shows result objects, computes nothing."""

from reports.comparison import figures, masthead
from reports.comparison.figures import BATCH_METRICS, METRICS
from reports.comparison.report import Comparison
from reports.comparison.sections.changes import LEAST_CHANGE, verdict_of
from reports.page import formatting, parts
from reports.page.drawing import HALF
from reports.page.parts import Drawing, drawn

_MOST_LINES = 60
"""Rows of a forest plot; the table has the others."""
_SECTIONS = {
    "changes": "What changed",
    "curves": "Latency percentiles",
    "errors": "Errors",
    "distribution": "Distribution",
    "unmatched": "Left out",
    "configuration": "A and B",
}
_STATES = {"faster": "good", "slower": "bad", "no difference shown": "unknown"}


def render(comparison: Comparison) -> str:
    """The page of a comparison. The same comparison always gives the same bytes."""
    shown = {"curves": bool(comparison.curves), "unmatched": bool(comparison.unmatched)}
    return parts.render(
        "comparison",
        {name: title for name, title in _SECTIONS.items() if shown.get(name, True)},
        {},
        comparison=comparison,
        headline=masthead.headline(comparison),
        facts=masthead.facts(comparison),
        answers=masthead.answers(comparison),
        drawings=_drawings(comparison),
        metrics=BATCH_METRICS if comparison.batch else METRICS,
        row_title="Cell" if comparison.of == "experiments" else "Runs",
        columns=[(change.metric.capitalize(), "number") for change in comparison.rows[0].changes],
        overall=verdict_of(comparison.together),
        most_lines=_MOST_LINES,
        least_change=formatting.signed(LEAST_CHANGE).lstrip("+"),
        sides=[("A, the baseline", comparison.a), ("B", comparison.b)],
        machine_facts=parts.machine_facts,
        state_of=_STATES,
    )


def _drawings(comparison: Comparison) -> dict[str, Drawing]:
    drawings: dict[str, Drawing] = {}
    metrics = BATCH_METRICS if comparison.batch else METRICS
    if comparison.of == "runs":
        lines = [(metrics[change.metric], change) for change in comparison.rows[0].changes]
        drawings["forest"] = drawn(figures.forest, "forest", "Changes from A to B", "Change of B", lines)
    else:
        for at, (metric, name) in enumerate(metrics.items()):
            lines = [(row.name, row.changes[at]) for row in comparison.rows[:_MOST_LINES]]
            title = f"Change of {name} from A to B in each cell"
            drawings[f"forest_{metric}"] = drawn(
                figures.forest, f"forest-{metric}", title, name, lines, wide=HALF
            )
    if comparison.curves:
        drawings["curves"] = drawn(figures.percentile_curves, *comparison.curves)
    return drawings
