"""The outcome of a comparison in a few lines of plain text, for a terminal."""

from collections.abc import Sequence

from reports.comparison.report import ALL_CELLS, Comparison
from reports.comparison.rows import Row
from reports.comparison.sections.changes import Change, in_words, verdict_of
from reports.page.words import listing, printable, share, signed_percent


def verdict_lines(comparison: Comparison, regressions: Sequence[str] = ()) -> list[str]:
    """A line with its verdict for each row, then what to know before relying on it, then the regressions."""
    lines = [f"A: {printable(comparison.a.path)}", f"B: {printable(comparison.b.path)}"]
    width = min(max((len(row.name) for row in comparison.rows), default=0), 60)
    lines += [f"{row.name:<{width}}  {_row(row)}" for row in comparison.rows]
    if comparison.together:
        lines.append(
            f"{ALL_CELLS:<{width}}  {_figures(verdict_of(comparison.together), comparison.together)}"
        )
    lines += [f"  left out: {each.side} {each.name}: {each.reason}" for each in comparison.unmatched]
    lines += [f"  note: {notice}" for notice in comparison.notices]
    lines += [f"REGRESSION: {sentence}" for sentence in regressions]
    return lines


def _row(row: Row) -> str:
    parts = [_figures(row.verdict_in_words, row.changes)]
    success = row.success
    if success.verdict != "no difference shown" and success.a is not None and success.b is not None:
        word = in_words(success.verdict, row.run_to_run)
        parts.append(f"success {word}: {share(success.a)} → {share(success.b)}")
    if row.errors.new:
        parts.append(f"new errors: {listing(row.errors.new)}")
    if row.spread.verdict in ("more even", "less even"):
        parts.append(f"load spread {row.spread.verdict}ly")
    reasons = [change.reason for change in row.changes if change.reason]
    if row.verdict == "no difference shown" and reasons and len(reasons) == len(row.changes):
        parts.append(f"({reasons[0]})")
    return "; ".join(parts)


def _figures(verdict: str, changes: Sequence[Change]) -> str:
    """The verdict, its first word in capitals where a difference is shown, and the change of each figure."""
    word = verdict.replace("slower", "SLOWER").replace("faster", "FASTER")
    figures = [
        f"{change.metric} {signed_percent(change.change)}" for change in changes if change.change is not None
    ]
    return f"{word}; {', '.join(figures)}" if figures else word
