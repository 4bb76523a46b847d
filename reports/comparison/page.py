"""The report of a comparison as one self-contained HTML page. It shows result objects, computes nothing."""

from reports.comparison import figures
from reports.comparison.figures import BATCH_METRICS, METRICS, Line
from reports.comparison.report import Comparison
from reports.comparison.rows import Row
from reports.comparison.sections.changes import LEAST_CHANGE, Change, verdict_of
from reports.page import formatting, parts
from reports.page.drawing import HALF
from reports.page.parts import Answer, Drawing, drawn, plural
from reports.page.words import listing, signed_percent

MOST_ROWS = 300
"""Rows of a table; report.json holds the rest."""
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
    templates = parts.environment()
    templates.filters.update(signed=_signed)
    sections = {
        name: title
        for name, title in _SECTIONS.items()
        if (name != "curves" or comparison.curves) and (name != "unmatched" or comparison.unmatched)
    }
    return templates.get_template("comparison.html").render(
        comparison=comparison,
        headline=_headline(comparison),
        facts=_facts(comparison),
        answers=[_faster(comparison), _extent(comparison), _other(comparison), _trusted(comparison)],
        folder="comparison",
        titles=list(sections.items()),
        metrics=BATCH_METRICS if comparison.batch else METRICS,
        columns=[(change.metric.capitalize(), "number") for change in comparison.rows[0].changes],
        overall=verdict_of(comparison.together),
        drawings=_drawings(comparison),
        most_rows=MOST_ROWS,
        most_lines=_MOST_LINES,
        least_change=signed_percent(LEAST_CHANGE).lstrip("+"),
        sides=[("A, the baseline", comparison.a), ("B", comparison.b)],
        machine_facts=parts.machine_facts,
        state_of=_STATES,
        **parts.page_parts(),
    )


def _headline(comparison: Comparison) -> str:
    if comparison.of == "runs":
        return f"B against A: {comparison.rows[0].name}"
    return f"B against A: {plural(len(comparison.rows), 'cell')} of two experiments"


def _facts(comparison: Comparison) -> list[str]:
    return [
        f"A: {comparison.a.id}, {formatting.moment(comparison.a.started_at)}",
        f"B: {comparison.b.id}, {formatting.moment(comparison.b.started_at)}",
    ]


def _faster(comparison: Comparison) -> Answer:
    slower, faster = comparison.rows_with("slower"), comparison.rows_with("faster")
    overall = verdict_of(comparison.together)
    same = comparison.rows_with("no difference shown")
    worse, better = bool(slower) or overall == "slower", bool(faster) or overall == "faster"
    if worse and better:
        verdict, state = "In part", "caution"
    elif worse:
        verdict, state = f"Slower{_where(comparison, slower, overall == 'slower')}", "bad"
    elif better:
        verdict, state = f"Faster{_where(comparison, faster, overall == 'faster')}", "good"
    else:
        verdict, state = "Not shown", "unknown"
    facts: list[tuple[str, str]]
    if comparison.of == "runs":
        facts = [(_name(comparison, change), change.verdict) for change in comparison.rows[0].changes]
    else:
        facts = [
            ("faster", plural(len(faster), "cell")),
            ("slower", plural(len(slower), "cell")),
            ("no difference shown", plural(len(same), "cell")),
        ]
        if comparison.together:
            facts.append(("all cells together", overall))
    return Answer("Is B faster?", verdict, state, facts, "changes", "All changes")


def _where(comparison: Comparison, rows: list[Row], together: bool) -> str:
    """That a verdict holds of the runs at hand alone, where no repetitions tell how far runs differ."""
    if together or any(row.run_to_run for row in rows):
        return ""
    return ", in these two runs" if comparison.of == "runs" else ", in these runs"


def _extent(comparison: Comparison) -> Answer:
    question, more = "By how much?", "With intervals"
    shown: tuple[Row | None, Change] | None = comparison.largest_shown
    together = [each for each in comparison.together if each.verdict != "no difference shown"]
    if together:
        shown = None, together[0]
    if comparison.of == "runs":
        facts = [(_name(comparison, change), _bounds(change)) for change in comparison.rows[0].changes]
    else:
        facts = [
            (f"{_name(comparison, change)}, all cells", _bounds(change)) for change in comparison.together
        ]
    if shown is None:
        return Answer(question, "Not shown", "unknown", facts, "changes", more)
    row, change = shown
    if comparison.of == "experiments" and row:
        facts.insert(0, ("largest shown", f"{change.metric}, {row.name}"))
    words = f"{change.metric} {_signed(change.change)}"
    return Answer(question, words, "", facts, "changes", more)


def _other(comparison: Comparison) -> Answer:
    rows = comparison.rows
    worse = [row for row in rows if row.success.verdict == "worse"]
    better = [row for row in rows if row.success.verdict == "better"]
    less, more = (
        [row for row in rows if row.spread.verdict == verdict] for verdict in ("less even", "more even")
    )
    new = list(dict.fromkeys(category for row in rows for category in row.errors.new))
    if worse:
        verdict, state = "More failures", "bad"
    elif less:
        verdict, state = "Less even", "caution"
    elif new:
        verdict, state = "New errors", "caution"
    elif better or more:
        verdict, state = "Fewer failures" if better else "More even", "good"
    else:
        verdict, state = "Not shown", "unknown"
    facts = [("new errors", listing(new[:3]) + (" …" if len(new) > 3 else "") if new else "none")]
    if comparison.of == "runs":
        success, spread = rows[0].success, rows[0].spread
        facts.insert(0, ("success", _both(formatting.percent(success.a), formatting.percent(success.b))))
        jain = [formatting.significant(value) for value in (spread.jain_a, spread.jain_b)]
        facts.append(
            ("spread of load", "unknown in both")
            if spread.jain_a is None and spread.jain_b is None
            else (f"Jain’s index, {spread.unit}s", _both(*jain))
        )
    else:
        facts.insert(0, ("success rate", f"worse in {len(worse)}, better in {len(better)}"))
        facts.append(("spread of load", f"less even in {len(less)}, more in {len(more)}"))
    return Answer(
        "Did errors or distribution change?", verdict, state, facts, "errors", "Errors and distribution"
    )


def _trusted(comparison: Comparison) -> Answer:
    not_valid = any(row.not_valid for row in comparison.rows)
    questionable = [each for each in comparison.differences if each.questionable]
    left_out = len({each.name for each in comparison.unmatched})
    facts = [
        ("runs", f"{comparison.a.runs} in A, {comparison.b.runs} in B"),
        ("intervals hold", "from run to run" if comparison.run_to_run else "within these runs only"),
        ("load and machine", "differ" if questionable else "the same"),
        ("runs are valid", "no" if not_valid else "yes")
        if comparison.of == "runs"
        else ("cells left out", formatting.count(left_out) if left_out else "none"),
    ]
    if questionable or not_valid or not comparison.run_to_run:
        return Answer("Can I trust it?", "With care", "caution", facts, "configuration", "A and B")
    return Answer("Can I trust it?", "No objection", "good", facts, "configuration", "A and B")


def _drawings(comparison: Comparison) -> dict[str, Drawing]:
    drawings: dict[str, Drawing] = {}
    names = BATCH_METRICS if comparison.batch else METRICS
    if comparison.of == "runs":
        lines = [Line(names[change.metric], change) for change in comparison.rows[0].changes]
        drawings["forest"] = drawn(
            lambda width: figures.forest("forest", "Changes from A to B", "Change of B", lines, width)
        )
    else:
        for at, (metric, name) in enumerate(names.items()):
            drawings[f"forest_{metric}"] = _forest(comparison.rows[:_MOST_LINES], at, metric, name)
    if comparison.curves:
        a, b = comparison.curves
        drawings["curves"] = drawn(lambda width: figures.percentile_curves(a, b, width))
    return drawings


def _forest(rows: list[Row], at: int, metric: str, name: str) -> Drawing:
    lines = [Line(row.name, row.changes[at]) for row in rows]
    title = f"Change of {name} from A to B in each cell"
    return drawn(lambda width: figures.forest(f"forest-{metric}", title, name, lines, width), HALF)


def _name(comparison: Comparison, change: Change) -> str:
    return (BATCH_METRICS if comparison.batch else METRICS)[change.metric].lower()


def _bounds(change: Change) -> str:
    if change.change is None:
        return "not known"
    amount = _signed(change.change)
    if change.low is None or change.high is None:
        return f"{amount}, no interval"
    return f"{amount} ({_signed(change.low)} to {_signed(change.high)})"


def _both(a: str, b: str) -> str:
    return f"{a} → {b}"


def _signed(change: float | None) -> str:
    return formatting.MISSING if change is None else signed_percent(change).replace(" ", formatting.SPACE)
