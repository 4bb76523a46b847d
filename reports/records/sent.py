"""What the steps of a run sent, in words: waits of the Benchmark environment, actions, or a policy's."""

from reports.page import formatting
from reports.page.words import count, printable
from reports.records.schema import ActionsJson, PolicyJson, RunConfig

_LONGEST = 60
_LONGEST_DIGEST = 16
_ORDERS = {"cycle": "in turn", "sample": "drawn at random"}


def has_actions(config: RunConfig) -> bool:
    """Whether a run sent actions of its own, not the Benchmark environment's waits."""
    return config["action"] is not None or "actions" in config or "policy" in config


def sent(config: RunConfig) -> str:
    """What each step of a run sent, in a few words: `wait 100 ms a step`, `action {"message": "hello"}` …"""
    if (trace := config.get("trace")) is not None and not trace["unnamed"]:
        return "what each step of the trace says"
    if policy := config.get("policy"):
        return f"actions of the policy {printable(policy['name'], _LONGEST)}"
    if actions := config.get("actions"):
        return f"{_which(actions)}, {_ORDERS[actions['order']]}"
    if config["action"] is not None:
        return f"action {printable(formatting.text(config['action']), _LONGEST)}"
    return f"wait {formatting.wait(config['wait'])} a step"


def rows(config: RunConfig) -> list[tuple[str, str]]:
    """Rows of a configuration table that say what was sent."""
    if (trace := config.get("trace")) is not None and not trace["unnamed"]:
        return [("action", "each step’s own, as the trace says")]
    if policy := config.get("policy"):
        return [("policy", printable(policy["name"], _LONGEST)), *_digest(policy)]
    if several := config.get("actions"):
        return [
            ("actions", _which(several)),
            ("order of actions", _ORDERS[several["order"]]),
            ("first action", formatting.text(several["example"])),
        ]
    return [("action", formatting.text(config["action"] if config["action"] is not None else "wait"))]


def _digest(policy: PolicyJson) -> list[tuple[str, str]]:
    digest = policy["sha256"]
    return [("policy’s SHA-256", printable(digest, _LONGEST_DIGEST))] if digest else []


def _which(actions: ActionsJson) -> str:
    number = count(actions["count"], "action")
    match actions["source"]:
        case "schema":
            return f"{number} made from the server’s schema"
        case "tools":
            return f"{number} made from the schemas of the server’s tools"
        case "file":
            return f"{number} from {printable(actions.get('file', 'a file'), _LONGEST)}"
