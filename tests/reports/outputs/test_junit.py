from reports.outputs.junit import Case, Suite, to_xml
from tests.reports.outputs.junit_schema import checked, results

NASTY = 'a\x00\x1b"<b>\ud800\uffff]]>&\nc'


def test_every_result_has_its_element_and_its_sentences() -> None:
    cases = [
        Case("a", sentences=["fine"]),
        Case("b", "failure", ["too slow", "by far", "by far"], "slow"),
        Case("b", "error", ["no data"], group="other"),
        Case("c", "skipped"),
    ]
    suite = checked(to_xml(Suite("s", "run", cases, 0.0, 1234.5, "here", {"run_id": "x"})))
    assert results(suite) == {"a": "passed", "b": "failure", "other: b": "error", "c": "skipped"}
    failure = suite.find(".//failure")
    assert failure is not None
    assert failure.attrib == {"type": "slow", "message": "too slow"}
    assert failure.text == "too slow\nby far"
    assert suite.findtext(".//system-out") == "fine"
    assert (suite.attrib["time"], suite.attrib["timestamp"]) == ("1234.500", "1970-01-01T00:00:00")


def test_text_from_outside_stays_text_and_the_file_xml() -> None:
    case = Case(NASTY, "failure", [NASTY], NASTY, NASTY)
    suite = checked(to_xml(Suite(NASTY, "run", [case], 1e300, 0.0, NASTY, {NASTY: NASTY})))
    assert suite.attrib["name"] == 'a��"<b>��]]>& c'
