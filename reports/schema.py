"""The file formats of a run directory: the columns of its tables and the keys of run.json.

Light on purpose: the load generator imports this module, so it needs pyarrow and nothing heavier.
"""

from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

import pyarrow as pa

SCHEMA_VERSION = 1

Op = Literal["connect", "reset", "step"]
Transport = Literal["ws", "http"]
ErrorCategory = Literal[
    "refused",
    "connect_timeout",
    "handshake",
    "capacity",
    "timeout",
    "connection_lost",
    "protocol",
    "validation",
    "http_4xx",
    "http_5xx",
    "server_error",
]
Role = Literal["replica", "nginx", "generator"]
RunStatus = Literal["running", "completed", "interrupted", "failed"]

STEPS = pa.schema(
    [
        pa.field("started_at", pa.float64(), nullable=False),
        pa.field("intended_at", pa.float64()),
        pa.field("op", pa.string(), nullable=False),
        pa.field("transport", pa.string(), nullable=False),
        pa.field("latency_s", pa.float64(), nullable=False),
        pa.field("wait_s", pa.float64()),
        pa.field("waited_s", pa.float64()),
        pa.field("host", pa.string()),
        pa.field("pid", pa.int64()),
        pa.field("session_hash", pa.string()),
        pa.field("step_count", pa.int64()),
        pa.field("server_timestamp", pa.float64()),
        pa.field("user", pa.int64(), nullable=False),
        pa.field("generator", pa.string(), nullable=False),
        pa.field("error", pa.string()),
        pa.field("error_detail", pa.string()),
    ]
)
"""The steps table: one row for every operation, failed ones too. Times in seconds, clocks in Unix time."""

RESOURCES = pa.schema(
    [
        pa.field("at", pa.float64(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("cpu_cores", pa.float64()),
        pa.field("memory_bytes", pa.int64()),
        pa.field("open_files", pa.int64()),
    ]
)
"""CPU (cores kept busy since the sample before), memory and open files of every part, each second."""


class Slo(TypedDict):
    """The service level objective of a run."""

    success_rate: float
    """The least share of operations that must succeed, 0…1."""
    total_p99_s: float | None
    """The bound on the 99th percentile of total time in seconds; None: 2 × (wait + 0.5 s)."""


class Topology(TypedDict):
    """What was under load. None stands for what the harness cannot know, as behind a bare URL."""

    replicas: int | None
    workers: int | None
    """Workers of each replica."""
    hosts: list[str]
    """One `host` value for each replica, as the steps table names them; empty where unknown."""
    names: dict[str, str]
    """A friendlier name for a host, for instance the container's."""


class RunConfig(TypedDict):
    """The configuration of a run. Further keys may stand beside these."""

    deployment: Literal["compose", "local", "url"]
    url: str
    transport: Transport
    users: int
    spawn_rate: float
    duration_s: float | None
    wait: str
    """The wait asked of each step, as written: `0.5`, `uniform:0:1`, `exponential:0.5`, `lognormal:0.5:1`."""
    think_time: str
    steps_per_episode: int
    """Steps between two resets; 0: one reset only."""
    connect_timeout_s: float
    step_timeout_s: float
    action: dict[str, Any] | None
    balancing: str | None
    processes: int
    slo: Slo


class RunJson(TypedDict):
    """run.json: written when a run starts, completed when it ends."""

    kind: Literal["run"]
    schema_version: int
    run_id: str
    status: RunStatus
    status_detail: NotRequired[str | None]
    """Why a run was interrupted or failed, in words."""
    incidents: NotRequired[list[str]]
    """What happened to the deployment while the run went on, a sentence each."""
    started_at: float
    ended_at: float | None
    config: RunConfig
    topology: Topology
    versions: dict[str, str]
    machine: dict[str, Any]
    """hostname, platform, cpu_model, cores, memory_bytes."""


def fault_in_run_json(value: Any) -> str | None:
    """What keeps `value` from being a RunJson, in words; None where it is one. Further keys are no fault."""
    return _fault(value, RunJson, "it")


def _fault(value: Any, kind: Any, where: str) -> str | None:
    if kind is Any or _is_one_of(value, kind):
        return None
    if not is_typeddict(kind) or not isinstance(value, dict):
        return f"{where} is {value!r:.60}"
    inside = "" if where == "it" else f"{where}."
    for key, inner in get_type_hints(kind).items():
        if key not in value:
            if key in kind.__required_keys__:
                return f"{inside}{key} is missing"
        elif fault := _fault(value[key], inner, f"{inside}{key}"):
            return fault
    return None


def _is_one_of(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a type that the classes above use for anything but a TypedDict."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_is_one_of(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(_is_one_of(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is_one_of(item, arguments[1]) for item in value.values())
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (str, NoneType):
        return isinstance(value, kind)
    return kind is Any
