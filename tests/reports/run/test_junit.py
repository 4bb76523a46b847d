from dataclasses import replace

import pytest

from reports.outputs.junit import to_xml
from reports.run.junit import suite
from reports.run.report import RunReport
from tests.reports import sample_reports
from tests.reports.outputs.junit_schema import checked, results

CRITERIA = {"success rate": "passed", "p99 of total time": "passed"}
INVALID = replace(
    sample_reports.normal(),
    validity=sample_reports.cautions("generator_saturated", "The generator was the limit."),
)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (sample_reports.normal(), {**CRITERIA, "isolation": "passed", "validity": "passed"}),
        (
            sample_reports.with_errors(),
            {**CRITERIA, "success rate": "failure", "isolation": "failure", "validity": "error"},
        ),
        (INVALID, {**CRITERIA, "isolation": "passed", "validity": "error"}),
        (sample_reports.unknown_hosts(), {**CRITERIA, "isolation": "skipped", "validity": "passed"}),
        (
            sample_reports.without_steps(),
            {
                "success rate": "failure",
                "p99 of total time": "failure",
                "isolation": "skipped",
                "validity": "error",
            },
        ),
    ],
    ids=["passed", "failed and cut short", "invalid", "not checked", "no data"],
)
def test_there_is_a_case_for_each_criterion_isolation_and_validity(
    report: RunReport, expected: dict[str, str]
) -> None:
    found = results(checked(to_xml(suite(report))))
    assert found == expected
    assert report.passed == (not {"failure", "error"} & set(found.values()))


def test_an_incident_speaks_against_the_deployment() -> None:
    report = replace(
        sample_reports.normal(),
        validity=sample_reports.cautions("incident", "env-1 ended before the load did."),
    )
    found = checked(to_xml(suite(report)))
    assert results(found)["validity"] == "failure"
    assert found.find(".//failure[@message='env-1 ended before the load did.']") is not None


def test_a_failure_says_what_failed_and_the_suite_how_fast_it_was() -> None:
    found = checked(to_xml(suite(sample_reports.with_errors())))
    assert "220 × step timeout: no reply within 30 s" in (found.findtext(".//failure") or "")
    properties = {each.attrib["name"]: each.attrib["value"] for each in found.iter("property")}
    assert properties["throughput_steps_per_s"] == "1043.2"
    assert properties["status"] == "interrupted"


def test_text_from_outside_stays_text() -> None:
    found = checked(to_xml(suite(sample_reports.hostile())))
    assert "<script>" in (found.findtext(".//failure") or "")
