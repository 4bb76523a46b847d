"""Tools that a model calls, as OpenEnv's echo environment has them, and the application that serves them."""

from typing import Any
from uuid import uuid4

from fastmcp import FastMCP
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.mcp_environment import MCPEnvironment
from openenv.core.env_server.mcp_types import CallToolAction, CallToolObservation
from openenv.core.env_server.types import Action, Observation, State

tools = FastMCP("toolbox")


@tools.tool
def total(numbers: list[float]) -> float:
    """The sum of numbers."""
    return sum(numbers)


@tools.tool
def reversed_text(text: str) -> str:
    """The text, last letter first."""
    return text[::-1]


class ToolboxEnvironment(MCPEnvironment):
    """Knows its tools, and counts the calls."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__(tools)
        self._state = State(episode_id=str(uuid4()), step_count=0)

    def reset(self, **_: Any) -> Observation:
        """Begins to count anew."""
        self._state = State(episode_id=str(uuid4()), step_count=0)
        return Observation()

    def _step_impl(self, action: Action, **_: Any) -> Observation:
        raise ValueError(f"not a call of a tool: {action}")

    @property
    def state(self) -> State:
        """How many calls there were."""
        return self._state


app = create_app(
    ToolboxEnvironment, CallToolAction, CallToolObservation, env_name="toolbox", max_concurrent_envs=1024
)
