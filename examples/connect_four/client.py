"""The client of the connect four environment."""

from typing import Any

from openenv.core import EnvClient
from openenv.core.client_types import StepResult
from openenv.core.env_server.types import State

from .models import ConnectFourAction, ConnectFourObservation


class ConnectFourEnv(EnvClient[ConnectFourAction, ConnectFourObservation, State]):
    """Plays on a server that is running."""

    def _step_payload(self, action: ConnectFourAction) -> dict[str, Any]:
        return {"column": action.column}

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[ConnectFourObservation]:
        reward, done = payload.get("reward"), payload.get("done", False)
        observation = ConnectFourObservation(**payload.get("observation", {}), reward=reward, done=done)
        return StepResult(observation=observation, reward=reward, done=done)

    def _parse_state(self, payload: dict[str, Any]) -> State:
        return State(episode_id=payload.get("episode_id"), step_count=payload.get("step_count", 0))
