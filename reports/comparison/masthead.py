"""The first screen of a comparison's page: what was compared, and the answers to four questions."""

from reports.comparison.figures import BATCH_METRICS, METRICS
from reports.comparison.report import Comparison
from reports.comparison.rows import Row
from reports.comparison.sections.changes import Change, verdict_of
from reports.page import formatting
from reports.page.parts import Answer, Question
from reports.page.words import count, listing

_FASTER = Question("Is B faster?", "changes", "All changes")
_EXTENT = Question("By how much?", "changes", "With intervals")
_OTHER = Question("Did errors or distribution change?", "errors", "Errors and distribution")
_TRUSTED = Question("Can I trust it?", "configuration", "A and B")


def headline(comparison: Comparison) -> str:
    """What was compared, in a line."""
    if comparison.of == "runs":
        return f"B against A: {comparison.rows[0].name}"
    return f"B against A: {count(len(comparison.rows), 'cell')} of two experiments"


def facts(comparison: Comparison) -> list[str]:
    """Which runs or experiments A and B are."""
    return [
        f"{name}: {side.id}, {formatting.moment(side.started_at)}"
        for name, side in (("A", comparison.a), ("B", comparison.b))
    ]


def answers(comparison: Comparison) -> list[Answer]:
    """Whether B is faster, by how much, what else changed, and whether to trust it."""
    return [_faster(comparison), _extent(comparison), _other(comparison), _trusted(comparison)]


def _faster(comparison: Comparison) -> Answer:
    slower, faster = comparison.rows_with("slower"), comparison.rows_with("faster")
    overall = verdict_of(comparison.together)
    if comparison.of == "runs":
        facts = [(_name(comparison, change), str(change.verdict)) for change in comparison.rows[0].changes]
    else:
        same = comparison.rows_with("no difference shown")
        facts = [
            ("faster", count(len(faster), "cell")),
            ("slower", count(len(slower), "cell")),
            ("no difference shown", count(len(same), "cell")),
            *([("all cells together", str(overall))] if comparison.together else []),
        ]
    worse, better = bool(slower) or overall == "slower", bool(faster) or overall == "faster"
    return _FASTER.decide(
        facts,
        (worse and better, "In part", "caution"),
        (worse, f"Slower{_where(comparison, slower, together=overall == 'slower')}", "bad"),
        (better, f"Faster{_where(comparison, faster, together=overall == 'faster')}", "good"),
        (True, "Not shown", "unknown"),
    )


def _where(comparison: Comparison, rows: list[Row], *, together: bool) -> str:
    """That a verdict holds of the runs at hand alone, where no repetitions tell how far runs differ."""
    if together or any(row.run_to_run for row in rows):
        return ""
    return ", in these two runs" if comparison.of == "runs" else ", in these runs"


def _extent(comparison: Comparison) -> Answer:
    shown: tuple[Row | None, Change] | None = comparison.largest_shown
    together = [each for each in comparison.together if each.verdict != "no difference shown"]
    if together:
        shown = None, together[0]
    if comparison.of == "runs":
        facts = [(_name(comparison, change), bounds(change)) for change in comparison.rows[0].changes]
    else:
        facts = [
            (f"{_name(comparison, change)}, all cells", bounds(change)) for change in comparison.together
        ]
    if shown is None:
        return _EXTENT.answer("Not shown", "unknown", facts)
    row, change = shown
    if comparison.of == "experiments" and row:
        facts.insert(0, ("largest shown", f"{change.metric}, {row.name}"))
    return _EXTENT.answer(f"{change.metric} {formatting.signed(change.change)}", "", facts)


def _other(comparison: Comparison) -> Answer:
    rows = comparison.rows
    worse, better = (
        [row for row in rows if row.success.verdict == verdict] for verdict in ("worse", "better")
    )
    less, more = (
        [row for row in rows if row.spread.verdict == verdict] for verdict in ("less even", "more even")
    )
    new = list(dict.fromkeys(category for row in rows for category in row.errors.new))
    if comparison.of == "runs":
        success, spread = rows[0].success, rows[0].spread
        success_fact = ("success", _both(formatting.percent(success.a), formatting.percent(success.b)))
        jain = _both(formatting.significant(spread.jain_a), formatting.significant(spread.jain_b))
        unknown = spread.jain_a is None and spread.jain_b is None
        spread_fact = (
            ("spread of load", "unknown in both") if unknown else (f"Jain’s index, {spread.unit}s", jain)
        )
    else:
        success_fact = ("success rate", f"worse in {len(worse)}, better in {len(better)}")
        spread_fact = ("spread of load", f"less even in {len(less)}, more in {len(more)}")
    new_errors = listing(new[:3]) + (" …" if len(new) > 3 else "")
    facts = [success_fact, ("new errors", new_errors or "none"), spread_fact]
    return _OTHER.decide(
        facts,
        (worse, "More failures", "bad"),
        (less, "Less even", "caution"),
        (new, "New errors", "caution"),
        (better, "Fewer failures", "good"),
        (more, "More even", "good"),
        (True, "Not shown", "unknown"),
    )


def _trusted(comparison: Comparison) -> Answer:
    not_valid = any(row.not_valid for row in comparison.rows)
    questionable = any(each.questionable for each in comparison.differences)
    left_out = len({each.name for each in comparison.unmatched})
    facts = [
        ("runs", f"{comparison.a.runs} in A, {comparison.b.runs} in B"),
        ("intervals hold", "from run to run" if comparison.run_to_run else "within these runs only"),
        ("load and machine", "differ" if questionable else "the same"),
        ("runs are valid", "no" if not_valid else "yes")
        if comparison.of == "runs"
        else ("cells left out", formatting.count(left_out) if left_out else "none"),
    ]
    return _TRUSTED.decide(
        facts,
        (questionable or not_valid or not comparison.run_to_run, "With care", "caution"),
        (True, "No objection", "good"),
    )


def _name(comparison: Comparison, change: Change) -> str:
    return (BATCH_METRICS if comparison.batch else METRICS)[change.metric].lower()


def bounds(change: Change) -> str:
    """By how much a figure changed, and the interval of that."""
    if change.change is None:
        return "not known"
    amount = formatting.signed(change.change)
    if change.low is None or change.high is None:
        return f"{amount}, no interval"
    return f"{amount} ({formatting.signed(change.low)} to {formatting.signed(change.high)})"


def _both(a: str, b: str) -> str:
    return f"{a} → {b}"
