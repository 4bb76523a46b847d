"""A comparison as a suite of tests: a case for each figure of each row, which fails on a regression."""

from collections.abc import Iterator, Sequence

from reports.comparison.masthead import bounds, headline
from reports.comparison.regressions import PRESENCE, SUCCESS_RATE, VALIDITY, Regression
from reports.comparison.report import ALL_CELLS, Comparison
from reports.comparison.rows import Row
from reports.comparison.sections.changes import Change
from reports.outputs.junit import Case, Suite
from reports.page import formatting

_NO_BOUND = "No bound was given from which on a change is a regression: --fail-on-regression PERCENT"


def suite(comparison: Comparison, regressions: Sequence[Regression] | None) -> Suite:
    """The suite of a comparison; without `regressions`, since no bound was given, its cases are skipped."""
    cases = list(_cases(comparison))
    if regressions is None:
        cases = [Case(case.name, "skipped", [_NO_BOUND], "no_bound", case.group) for case in cases]
    else:
        worse: dict[tuple[str, str], list[str]] = {}
        for each in regressions:
            worse.setdefault((each.row, each.figure), []).append(each.words)
        cases = [
            Case(case.name, "failure", [*words, *case.sentences], "regression", case.group)
            if (words := worse.get((case.group, case.name)))
            else case
            for case in cases
        ]
    return Suite(
        name=headline(comparison),
        of="comparison",
        cases=cases,
        started_at=comparison.b.started_at,
        duration_s=0.0,
        hostname=str(comparison.b.machine.get("hostname", "")),
        properties={"a": comparison.a.id, "b": comparison.b.id},
    )


def _cases(comparison: Comparison) -> Iterator[Case]:
    """What can be judged, as if nothing were worse."""
    for row in comparison.rows:
        yield from (_change(change, row.name) for change in row.changes)
        yield _success(row)
        yield _validity(row)
    yield from (_change(change, ALL_CELLS) for change in comparison.together)
    for name in dict.fromkeys(each.name for each in comparison.unmatched if each.regression):
        yield Case(PRESENCE, group=name)


def _change(change: Change, name: str) -> Case:
    if change.low is None or change.high is None:
        why = change.reason or "there is no interval"
        return Case(change.metric, "skipped", [f"{bounds(change)}: {why}"], "not_judged", name)
    return Case(change.metric, sentences=[f"{bounds(change)}: {change.verdict}"], group=name)


def _success(row: Row) -> Case:
    success = row.success
    words = f"{formatting.percent(success.a)} → {formatting.percent(success.b)}: {success.verdict}"
    return Case(SUCCESS_RATE, sentences=[words], group=row.name)


def _validity(row: Row) -> Case:
    if "A" in row.not_valid:
        return Case(VALIDITY, "skipped", row.notices or ["A is not valid"], "not_judged", row.name)
    return Case(VALIDITY, sentences=row.notices, group=row.name)
