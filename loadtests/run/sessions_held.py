"""Environments that hold one session a process, as `openenv init` writes them: found out before the load."""

from dataclasses import replace

from loadtests.deployments import Deployment, Progress
from loadtests.protocol.access import Access
from loadtests.protocol.replies import OperationError
from loadtests.protocol.websocket import RESET, WebSocketSession
from loadtests.run.config import LoadTestConfig
from reports.page.words import count
from reports.records.schema import expected_workers

ANSWER_S = 30.0
ADVICE = (
    "to hold more, raise max_concurrent_envs in its server/app.py (the environment's class must say "
    "SUPPORTS_CONCURRENT_SESSIONS = True)"
)


def fitted(config: LoadTestConfig, deployment: Deployment, say: Progress) -> LoadTestConfig:
    """The load test with no more users than sessions, where each process of the server holds only one.

    A number of users that was asked for stays, and is warned about with what to change.
    """
    if config.transport != "ws" or config.users < 2 or _is_ours(config, deployment):
        return config
    topology = deployment.topology()
    processes = expected_workers(topology) or 1
    if config.users <= processes:
        return config
    held = sessions_held(deployment.url, config.options.access, processes + 1)
    if held is None or held > processes:
        return config
    known = deployment.kind != "url"
    each = "each worker holds one session" if known else f"the server holds {count(held, 'session')}"
    most = processes if known else max(held, 1)
    if config.users_given:
        say(f"{each}: most of the {config.users} users will be turned away; {ADVICE}")
        return config
    chance = ""
    if known and (topology["workers"] or 1) > 1:
        chance = f", which find a free worker by chance, and at once with REPLICAS={processes} WORKERS=1"
    say(f"{each}: {count(most, 'user')} instead of {config.users}{chance}; {ADVICE}")
    return replace(config, users=most, spawn_rate=min(config.spawn_rate, max(1.0, most / 2)))


def sessions_held(url: str, access: Access, most: int) -> int | None:
    """How many sessions the server held when it turned the next one away; None where it held `most`.

    Sessions are opened one after another, and closed at the end. None too where the server fails otherwise,
    which the load will show.
    """
    sessions: list[WebSocketSession] = []
    try:
        for _ in range(most):
            session = WebSocketSession(url, access, ANSWER_S)
            sessions.append(session)
            session.request(RESET, ANSWER_S)
    except OperationError as error:
        return len(sessions) - 1 if error.category == "capacity" else None
    finally:
        for session in sessions:
            session.close()
    return None


def _is_ours(config: LoadTestConfig, deployment: Deployment) -> bool:
    """Whether it serves the Benchmark environment, which holds thousands."""
    return deployment.kind != "url" and config.deployment.environment.is_benchmark
