"""The Benchmark environment with a fault: every step of a session says that it is the session's first."""

from openenv.core.env_server.http_server import create_app

from benchmark_env import BenchmarkAction, BenchmarkObservation
from benchmark_env.server.benchmark_environment import BenchmarkEnvironment


class ForgetfulEnvironment(BenchmarkEnvironment):
    async def step_async(
        self, action: BenchmarkAction, timeout_s: float | None = None, **kwargs: object
    ) -> BenchmarkObservation:
        observation = await super().step_async(action, timeout_s, **kwargs)
        observation.metadata["step_count"] = 1
        return observation


app = create_app(ForgetfulEnvironment, BenchmarkAction, BenchmarkObservation, max_concurrent_envs=64)
