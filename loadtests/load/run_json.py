"""run.json as it is when a run starts, whoever starts it: the harness, Locust's page or plain Locust."""

from typing import Literal, NotRequired, TypedDict
from urllib.parse import urlsplit

from loadtests.clock import now
from loadtests.load.options import LoadOptions
from loadtests.machine import machine, versions
from reports.records.schema import (
    SCHEMA_VERSION,
    EnvironmentJson,
    RunConfig,
    RunJson,
    Scenario,
    Slo,
    Topology,
    Transport,
)


class Target(TypedDict):
    """What the harness knows of the target and Locust does not; passed to Locust's page as JSON."""

    deployment: Literal["compose", "local", "stack", "url"]
    topology: Topology
    versions: dict[str, str]
    """Of what serves."""
    environment: EnvironmentJson | None
    balancing: str | None
    reuse_port: bool | None
    server_settings: dict[str, str]
    slo: Slo
    tags: NotRequired[list[str]]


UNKNOWN = Target(
    deployment="url",
    topology=Topology(replicas=None, workers=None, hosts=[], names={}),
    versions={},
    environment=None,
    balancing=None,
    reuse_port=None,
    server_settings={},
    slo=Slo(success_rate=0.95, total_p99_s=None),
)
"""A server that plain Locust was given by its URL."""


def starting_run(
    run_id: str,
    url: str,
    target: Target,
    options: LoadOptions,
    *,
    transport: Transport,
    users: int,
    spawn_rate: float,
    duration_s: float | None,
    scenario: Scenario,
    processes: int,
    generators: int = 0,
    warmup_s: float | None = None,
    fault: str = "",
) -> RunJson:
    """What is known of a run when it starts. `duration_s` is None where nothing but its users ends it."""
    config = RunConfig(
        deployment=target["deployment"],
        url=url,
        transport=transport,
        users=users,
        spawn_rate=spawn_rate,
        duration_s=None if scenario == "batch" else duration_s,
        wait=options.wait.text,
        think_time=options.think_time.text,
        steps_per_episode=options.steps_per_episode,
        connect_timeout_s=options.connect_timeout_s,
        step_timeout_s=options.step_timeout_s,
        action=options.actions.constant if options.actions else None,
        balancing=target["balancing"],
        reuse_port=target["reuse_port"],
        scenario=scenario,
        processes=processes,
        slo=target["slo"],
    )
    if generators:
        config["generators"] = generators
    if options.policy is not None:
        config["policy"] = options.policy.described()
    if options.actions and (described := options.actions.described()):
        config["actions"] = described
    if urlsplit(url).scheme in ("https", "wss"):
        config["tls_verified"] = options.access.verify_tls
    if target["environment"]:
        config["environment"] = target["environment"]
    if options.arrivals is not None:
        config["arrivals"] = options.arrivals.text
        config["arrivals_of"] = options.arrivals.of
    if scenario == "rollouts":
        config["group"] = options.group
        config["rollout_steps"] = options.rollout_steps.text
    if options.shape is not None:
        config["shape"] = options.shape.text
    if options.trace is not None:
        config["arrivals"] = "trace"
        config["arrivals_of"] = "steps"
        config["shape"] = options.trace.name
        config["trace"] = options.trace.described()
    if fault:
        config["fault"] = fault
    if warmup_s is not None:
        config["warmup_s"] = warmup_s
    if target["server_settings"]:
        config["server_settings"] = target["server_settings"]
    if tags := target.get("tags"):
        config["tags"] = tags
    return RunJson(
        kind="run",
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        status="running",
        started_at=now(),
        ended_at=None,
        config=config,
        topology=target["topology"],
        versions=_with_own(target["versions"]),
        machine=machine(),
    )


def _with_own(server: dict[str, str]) -> dict[str, str]:
    """Versions of generator and server together; where they differ, the server's has a name of its own."""
    own = versions()
    others = {name: version for name, version in server.items() if own.get(name) != version}
    return own | {f"server {name}" if name in own else name: version for name, version in others.items()}
