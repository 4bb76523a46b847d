"""Who a worker is, and what has to be the same at it and at its master."""

import logging
from collections.abc import Mapping
from importlib.metadata import version

from loadtests.machine import code, process_name
from reports.page.words import printable

Introduction = Mapping[str, str]
"""The process's name, a hash of our code that it runs, and the version of Locust."""

logger = logging.getLogger(__name__)


def introduction() -> Introduction:
    """That of this process."""
    return {"name": process_name(), "code": code(), "locust": version("locust")}


def refusal(worker: Introduction, master: Introduction) -> str | None:
    """Why a worker cannot take part, in a sentence; None where it can.

    Rows and messages are those of one version. Locust keeps its own messages within a minor version.
    """
    name, theirs, locust = (
        printable(str(worker.get(key, "unknown")), 100) for key in ("name", "code", "locust")
    )
    if theirs != master["code"]:
        return (
            f"{name} runs another version of the load test ({theirs}, the master's is {master['code']}): "
            "install the same on both"
        )
    if locust.split(".")[:2] != master["locust"].split(".")[:2]:
        return f"{name} has Locust {locust}, the master {master['locust']}: install the same on both"
    if locust != master["locust"]:
        logger.warning("%s has Locust %s, the master %s", name, locust, master["locust"])
    return None
