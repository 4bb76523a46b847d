"""Results as JUnit XML, which CI systems show as tests: one suite, one case for each thing that was judged.

The form is that of Jenkins' schema junit-10.xsd, which others follow too.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree as Xml

from reports.page.formatting import showable

Result = Literal["passed", "failure", "error", "skipped"]
"""A failure speaks against what was tested, an error against the test."""


@dataclass(frozen=True)
class Case:
    """One thing that was judged."""

    name: str
    result: Result = "passed"
    sentences: Sequence[str] = ()
    """Why it did not pass, or what there is to know; the first is what a list of tests shows."""
    kind: str = ""
    """Of the failure, the error or the reason for skipping it."""
    group: str = ""
    """What it is about, where a suite has cases of one name about several things."""


@dataclass(frozen=True)
class Suite:
    """What one command judged."""

    name: str
    of: str
    """What the cases belong to: run, comparison or experiment."""
    cases: Sequence[Case]
    started_at: float
    duration_s: float
    hostname: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    def count(self, result: Result) -> int:
        return sum(case.result == result for case in self.cases)


def to_xml(suite: Suite) -> str:
    """The suite as the text of a JUnit file."""
    counts = {
        "tests": str(len(suite.cases)),
        "failures": str(suite.count("failure")),
        "errors": str(suite.count("error")),
        "time": f"{suite.duration_s:.3f}",
    }
    root = Xml.Element("testsuites", {"name": "openenv-loadtest", **counts})
    element = Xml.SubElement(
        root,
        "testsuite",
        {
            "name": _text(suite.name),
            **counts,
            "skipped": str(suite.count("skipped")),
            "timestamp": _moment(suite.started_at),
            "hostname": _text(suite.hostname),
        },
    )
    properties = Xml.SubElement(element, "properties")
    for name, value in suite.properties.items():
        Xml.SubElement(properties, "property", {"name": _text(name), "value": _text(value)})
    for case in suite.cases:
        _add(element, case, f"openenv_loadtest.{suite.of}")
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _add(suite: Xml.Element, case: Case, classname: str) -> None:
    name = f"{case.group}: {case.name}" if case.group else case.name
    element = Xml.SubElement(suite, "testcase", {"name": _text(name), "classname": classname, "time": "0"})
    sentences = list(dict.fromkeys(map(_text, case.sentences)))
    if case.result == "passed":
        if sentences:
            Xml.SubElement(element, "system-out").text = "\n".join(sentences)
        return
    message = sentences[0] if sentences else case.result
    why = Xml.SubElement(element, case.result, {"type": _text(case.kind or case.result), "message": message})
    why.text = "\n".join(sentences)


def _moment(unix_seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_seconds))
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00"


def _text(text: str) -> str:
    """Text on one line, without the characters that no XML may hold."""
    return " ".join(showable(text).split())
