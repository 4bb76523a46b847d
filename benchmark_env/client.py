"""The client of the Benchmark environment."""

from typing import Any

from openenv.core import EnvClient
from openenv.core.client_types import StepResult
from openenv.core.env_server.types import State

from .models import BenchmarkAction, BenchmarkObservation


class BenchmarkEnv(EnvClient[BenchmarkAction, BenchmarkObservation, State]):
    """One session on a Benchmark environment server, over one WebSocket connection.

    Works in synchronous code, awaited in asynchronous code, and as a context manager of either kind::

        with BenchmarkEnv(base_url="http://127.0.0.1:8000").sync() as env:
            print(env.reset().observation.session_hash)
            print(env.step(BenchmarkAction(wait_seconds=0.5)).observation.waited_seconds)
    """

    def _step_payload(self, action: BenchmarkAction) -> dict[str, Any]:
        payload: dict[str, Any] = action.model_dump(exclude_defaults=True)
        return payload

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[BenchmarkObservation]:
        reward = payload.get("reward")
        done = payload.get("done", False)
        observation = BenchmarkObservation(**payload["observation"], reward=reward, done=done)
        return StepResult(observation=observation, reward=reward, done=done, metadata=observation.metadata)

    def _parse_state(self, payload: dict[str, Any]) -> State:
        return State(**payload)
