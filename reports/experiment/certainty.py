"""How sure the answer of a capacity search is, in words."""

from reports.experiment.searched import searched
from reports.page.words import share
from reports.records.schema import CapacityJson


def how_sure(capacity: CapacityJson) -> tuple[str, str]:
    """How sure an answer is, in a word or two, and what that rests on."""
    if capacity["sessions"] and capacity["sessions"] == capacity["server_cap"]:
        return "measured", "the cap the server itself sets"
    return (
        sure(capacity["confidence"]),
        f"from the tries {searched(capacity).of_tries(capacity['max_batch'])}",
    )


def sure(probability: float) -> str:
    """`97 % sure`: two digits say enough, and tries make nothing certain."""
    return f"{share(min(round(probability, 2), 0.99))} sure"
