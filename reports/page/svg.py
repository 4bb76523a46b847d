"""Fits the SVG that matplotlib writes into a page: colours become variables, ids become unique."""

import re
from xml.etree import ElementTree as ET

from reports.page import formatting
from reports.page.palette import as_variables
from reports.page.readings import marked

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)|^#(.+)$")
_FRACTION = re.compile(r"(\d+\.\d)\d+")
_BREAK = re.compile(r"\s*\n\s*|\s+$")
_FONT = re.compile(r"font-family:[^;]*;?\s*")


def inline(document: str, prefix: str, title: str) -> str:
    """The drawing as an element of a page. Its ids begin with `prefix`; screen readers read `title`."""
    root = ET.fromstring(document)  # noqa: S314 - reads only what matplotlib has just written
    for child in list(root):
        if child.tag == f"{_SVG}metadata" or child.find(f"{_SVG}style") is not None:
            root.remove(child)
    used = {
        one or other
        for element in root.iter()
        for value in element.attrib.values()
        for one, other in _REFERENCE.findall(value)
    }
    for element in root.iter():
        element.attrib = _attributes(element, prefix, used)
        element.tag = element.tag.removeprefix(_SVG)
        if not (element.text or "").strip():
            element.text = None
        element.tail = None
    root.attrib = {
        "class": "drawing",
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{prefix}-title",
    }
    heading = ET.Element("title", {"id": f"{prefix}-title"})
    heading.text = formatting.showable(title)
    root.insert(0, heading)
    return ET.tostring(root, encoding="unicode")


def _attributes(element: ET.Element, prefix: str, used: set[str]) -> dict[str, str]:
    """The attributes of an element that a page needs, in the page's terms, with fewer digits."""
    attributes: dict[str, str] = {}
    for key, value in element.attrib.items():
        if key == "id":
            if value in used:
                attributes["id"] = f"{prefix}-{value}"
            elif toggle := marked(value):
                attributes["data-series"] = toggle
        elif key == _LINK:
            attributes["href"] = f"#{prefix}-{value[1:]}" if value.startswith("#") else value
        elif key == "d":
            attributes["d"] = _BREAK.sub("", _FRACTION.sub(r"\1", value))
        elif key == "style":
            style = as_variables(_FONT.sub("", value)).strip()
            attributes["style"] = style.replace("url(#", f"url(#{prefix}-")
        elif key in {"x", "y"} or (key == "transform" and element.tag.endswith("text")):
            attributes[key] = _FRACTION.sub(r"\1", value)
        else:
            attributes[key] = value.replace("url(#", f"url(#{prefix}-")
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    return attributes
