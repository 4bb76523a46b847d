"""What Jenkins' junit-10.xsd allows, as far as our files go: elements, their attributes and children."""

import re
from xml.etree import ElementTree as Xml

_OUTCOME: tuple[set[str], set[str], set[str]] = (set(), {"type", "message"}, set())
_ELEMENTS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "hostname", "id", "package", "group", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "failure": _OUTCOME,
    "error": _OUTCOME,
    "skipped": _OUTCOME,
    "system-out": (set(), set(), set()),
}
"""Required attributes, further attributes, children."""


def checked(text: str) -> Xml.Element:
    """The one suite of a JUnit file, which must follow the schema and count its cases rightly."""
    root = Xml.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        required, further, children = _ELEMENTS[element.tag]
        assert required <= set(element.attrib) <= required | further, element.tag
        assert {child.tag for child in element} <= children, element.tag
    [suite] = root
    assert re.fullmatch(r"\d+\.\d{3}", suite.attrib["time"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    counted = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for attribute, tag in counted.items():
        assert int(suite.attrib[attribute]) == len(list(suite.iter(tag))), attribute
        assert root.attrib.get(attribute, suite.attrib[attribute]) == suite.attrib[attribute]
    names = [case.attrib["name"] for case in suite.iter("testcase")]
    assert names
    assert len(set(names)) == len(names)
    return suite


def results(suite: Xml.Element) -> dict[str, str]:
    """How each case of a suite ended, by its name."""
    return {
        case.attrib["name"]: next((child.tag for child in case if child.tag != "system-out"), "passed")
        for case in suite.iter("testcase")
    }
