"""An environment whose actions are calls of tools, as those of OpenEnv's own echo environment are."""

from typing import Any

from fastmcp import FastMCP
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.mcp_environment import MCPEnvironment
from openenv.core.env_server.mcp_types import CallToolAction, CallToolObservation
from openenv.core.env_server.types import Action, Observation, State

tools = FastMCP("echo")


@tools.tool
def echo_message(message: str) -> str:
    """The message as it is."""
    return message


@tools.tool
def repeated(message: str, times: int) -> str:
    """The message several times."""
    return message * times


class ToolsEnvironment(MCPEnvironment):
    """Knows nothing but its tools."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__(tools)
        self._state = State(step_count=0)

    def reset(self, **_: Any) -> Observation:
        self._state = State(step_count=0)
        return Observation()

    def _step_impl(self, action: Action, **_: Any) -> Observation:
        raise ValueError(f"not a call of a tool: {action}")

    @property
    def state(self) -> State:
        return self._state


app = create_app(
    ToolsEnvironment, CallToolAction, CallToolObservation, env_name="tools", max_concurrent_envs=64
)
