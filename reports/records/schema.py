"""The file formats of run and experiment directories: the keys of JSON files, and the words that they use.

Kept light: every command imports this module, so it needs nothing but the standard library. The columns of
the tables are in `reports.records.columns`.
"""

import math
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

SCHEMA_VERSION = 1

Op = Literal["connect", "reset", "step"]

LONGEST_RETRY_PAUSE_S = 3.2
"""How long users pause at most after an operation that failed."""

USERS_A_PROCESS = 1_000_000_000
"""Users of the n-th generator process have numbers from n times this on."""

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
UNASKED_REPLY = "the server sent a reply that nothing asked for"
"""The detail of a protocol error: a request found that its connection already held a reply."""
Role = Literal["replica", "nginx", "generator", "others"]
RunStatus = Literal["running", "completed", "interrupted", "failed"]
Scenario = Literal["sustained", "batch", "rollouts"]
ActionOrder = Literal["cycle", "sample"]
ArrivalUnit = Literal["sessions", "steps"]
CapacityUnit = Literal["sessions", "steps/s", "sessions/s"]
CellStatus = Literal["pending", "running", "completed", "failed"]


class Slo(TypedDict):
    """The service level objective of a run."""

    success_rate: float
    """The smallest share of operations that must succeed, and of users that must get to step, 0…1."""
    total_p99_s: float | None
    """The bound on the 99th percentile of total time in seconds; None: 2 × (wait + 0.5 s)."""


class Topology(TypedDict):
    """What was under load. None stands for what the harness cannot know, for example behind a bare URL."""

    replicas: int | None
    workers: int | None
    """Workers of each replica."""
    hosts: list[str]
    """One `host` value for each replica, as the steps table names them; empty where unknown."""
    names: dict[str, str]
    """A friendlier name for a host, such as the container's."""


def expected_workers(topology: Topology) -> int | None:
    """Workers of all replicas; None where unknown."""
    replicas, workers = topology["replicas"], topology["workers"]
    return None if replicas is None or workers is None else replicas * workers


class ActionsJson(TypedDict):
    """The actions of a run that sends several, other than the Benchmark environment's waits."""

    source: Literal["schema", "tools", "file"]
    """Generated from the server's action schema or its MCP tools' schemas, or read from a JSONL file."""
    order: ActionOrder
    """cycle: each user sends them one after another; sample: each step draws one."""
    count: int
    """How many there are."""
    example: dict[str, Any]
    """The first of them."""
    file: NotRequired[str]
    """The name of the file that they were read from."""


class PolicyJson(TypedDict):
    """What picks each action from the last observation."""

    name: str
    """Its file or module, and its function: `policy.py:act`."""
    sha256: str | None
    """Of its source file; None where there is none."""


class PolicyTime(TypedDict):
    """How long the calls of a policy took, in seconds, over all generator processes."""

    calls: int
    mean_s: float
    p50_s: float
    """As exact as p99_s: within 1 %."""
    p99_s: float
    max_s: float


class TraceJson(TypedDict):
    """The recorded steps that a run replayed."""

    file: str
    """The name of their file."""
    sha256: str
    """Of that file."""
    sessions: int
    steps: int
    length_s: float
    """Seconds from its start to its last step."""
    with_action: int
    """Steps that have an action of their own, rather than a wait."""
    unnamed: int
    """Steps that have neither: they sent what the run says."""


class EnvironmentJson(TypedDict):
    """The environment that a deployment of ours served."""

    name: str
    """As its openenv.yaml has it; of an image that was given, the image's."""
    version: NotRequired[str]
    directory: NotRequired[str]
    """Where it was read from; missing for the Benchmark environment."""
    content: NotRequired[str]
    """A hash of the directory's files."""
    image: NotRequired[str]
    digest: NotRequired[str]
    """The image's: what the registry knows it by, or its id."""


class RunConfig(TypedDict):
    """The configuration of a run. There may be additional keys."""

    deployment: Literal["compose", "local", "stack", "url"]
    url: str
    transport: Transport
    users: int
    spawn_rate: float
    duration_s: float | None
    wait: str
    """The wait of each step, as written: `0.5`, `uniform:0:1`, `exponential:0.5`, `lognormal:0.5:1`."""
    think_time: str
    steps_per_episode: int
    """Steps between two resets, where the episode is not done before; 0: no such limit."""
    connect_timeout_s: float
    step_timeout_s: float
    action: dict[str, Any] | None
    """The one action of every step; None where there are several."""
    actions: NotRequired[ActionsJson]
    policy: NotRequired[PolicyJson]
    """What picks the actions, where a policy does."""
    tls_verified: NotRequired[bool]
    """Whether the server's certificate was verified; missing where it has none."""
    balancing: str | None
    reuse_port: NotRequired[bool | None]
    """Whether each worker of a replica listens on a socket of its own; False: they share one."""
    environment: NotRequired[EnvironmentJson]
    """What the deployment served; missing where a server was given by its URL."""
    server_settings: NotRequired[dict[str, str]]
    """Additional environment variables of the environment servers: MAX_CONCURRENT_ENVS …"""
    scenario: NotRequired[Scenario]
    """What the users do; sustained if it is missing."""
    arrivals: NotRequired[str]
    """In the open model, how sessions or steps arrive: `constant:50` or `poisson:50`, a second; `trace`."""
    arrivals_of: NotRequired[ArrivalUnit]
    """What arrives: sessions, each living for an episode, or steps over a pool of sessions."""
    group: NotRequired[int]
    """Of rollouts: the sessions that start together."""
    rollout_steps: NotRequired[str]
    """Of rollouts: the steps of each, a number or a distribution, written like waits."""
    fault: NotRequired[str]
    """What was to be broken meanwhile: `kill-worker@10s,pause-replica:3s@15s`."""
    shape: NotRequired[str]
    """How the load changes over the run, as a multiple of users or rate: `ramp:0:1`, `spike:5:10:3` …

    `trace:NAME`: it is what the file of that name has recorded.
    """
    trace: NotRequired[TraceJson]
    """What was replayed, where the shape is a trace."""
    warmup_s: NotRequired[float]
    """Seconds after the arrival of all users that do not count."""
    processes: int
    """Locust processes that generated the load."""
    generators: NotRequired[int]
    """The same number, where each of them was a container beside the replicas."""
    slo: Slo
    tags: NotRequired[list[str]]
    """Words by which runs are found again."""


class ArrivalsJson(TypedDict):
    """What became of the arrivals of an open-model run, over all generator processes."""

    due: int
    """Arrivals that the schedule had until the load ended."""
    begun: int
    """Those of them that a user took; the others waited for one until the end."""
    late: int
    """Those for which no user was free when they were due."""
    longest_wait_s: float
    """The longest that one which was begun had waited for a user."""
    done: NotRequired[int]
    """Those of which the step, or the session, was over before the load ended."""
    in_system_s: NotRequired[float]
    """From when each of these was due until it was over, summed: their number in the system over time."""
    held_up: NotRequired[int]
    """Of a trace's steps those that were due and not begun, since their session waited for a reply."""


class FaultJson(TypedDict):
    """Something that was broken on purpose while the load went on."""

    name: str
    """What was done: `kill-worker`, `pause-replica` …"""
    asked: str
    """As it was asked for: `pause-replica:3s@15s`."""
    target: str | None
    """What it was done to: a container, a host, `host pid`; None where nothing was."""
    at: float
    """When it began, in Unix time by the harness's clock; where it was left out, when it was to begin."""
    ended_at: float | None
    """When it was taken back, such as a pause; None where it was not, or is over at once."""
    outcome: Literal["done", "left out", "failed"]
    detail: str | None
    """Why it was left out or failed, in words."""


class ClockJson(TypedDict):
    """A generator's clock beside that of the master."""

    offset_s: float
    """The generator's minus the master's, right within half of the round trip."""
    round_trip_s: float
    """Of the messages that it was measured with."""


class LostJson(TypedDict):
    """What is known of a generator that did not stay to the end."""

    heard_at: float | None
    """When it last gave a sign of life, in Unix time by the master's clock; None: never."""
    users: int
    """That it had then."""
    counted: dict[str, int]
    """Its operations by op as far as Locust's statistics have them, which come every three seconds."""
    recorded: dict[str, int]
    """Its rows by op."""
    last_row_at: float | None
    """When the last of them started; None where there is none."""


class GeneratorJson(TypedDict):
    """A Locust worker process that took part in a run."""

    name: str
    """As the column `generator` has it: `host:pid`."""
    clock: NotRequired[ClockJson]
    """As measured up to the start of the load."""
    clock_at_end: NotRequired[ClockJson]
    lost: NotRequired[LostJson]


class RunJson(TypedDict):
    """run.json: written when a run starts, completed when it ends."""

    kind: Literal["run"]
    schema_version: int
    run_id: str
    status: RunStatus
    status_detail: NotRequired[str | None]
    """Why a run was interrupted or failed, in words."""
    stopped_on_page: NotRequired[bool]
    """Whether a person stopped it on Locust's page before its time."""
    incidents: NotRequired[list[str]]
    """What happened to the deployment during the run, a sentence each."""
    faults: NotRequired[list[FaultJson]]
    """What was broken on purpose, in the order of time."""
    policy_time: NotRequired[PolicyTime]
    """How long the policy took, where there is one and it was called."""
    arrivals: NotRequired[ArrivalsJson]
    """What became of the arrivals, in the open model."""
    generators: NotRequired[list[GeneratorJson]]
    """Locust's workers, where it has any; before the load those that have come so far."""
    refused_workers: NotRequired[list[str]]
    """Workers that could not take part, and why, a sentence each."""
    counted: NotRequired[dict[str, int]]
    """Operations by op as Locust's own statistics have them, without those of lost generators."""
    started_at: float
    ended_at: float | None
    config: RunConfig
    topology: Topology
    versions: dict[str, str]
    machine: dict[str, Any]
    """hostname, platform, cpu_model, cores, memory_bytes."""


def is_batch(run: RunJson) -> bool:
    """Whether all users of a run connected, reset and stepped once at the same time."""
    return run["config"].get("scenario") == "batch"


def processes_setting(config: RunConfig) -> str:
    """The setting that would give a run more load generator processes."""
    return "GENERATORS" if config.get("generators") else "PROCESSES"


class CellJson(TypedDict):
    """One cell of an experiment's grid: one run, done or still to do."""

    deployment: str
    """The name of the target within the experiment."""
    replicas: int | None
    """None, as below, where the harness cannot know: behind a bare URL."""
    workers: int | None
    balancing: str | None
    reuse_port: bool | None
    transport: Transport
    wait: str
    users: int
    arrivals: NotRequired[str]
    """In the open model, how sessions or steps arrive: `poisson:50`; `users` is then the most in flight."""
    groups: NotRequired[int]
    """Of rollouts: the groups at a time."""
    fault: NotRequired[str]
    """What is broken meanwhile: `kill-worker@3s`; missing or empty for nothing."""
    repetition: int
    """1, 2, 3 …"""
    status: CellStatus
    reason: str | None
    """Why it failed, in words."""
    run_id: str | None
    """Its run directory, `runs/<run_id>`, once it has started."""


class ExperimentConfig(TypedDict):
    """What an experiment holds fixed, and how its grid was specified. There may be additional keys."""

    scenario: Scenario
    targets: dict[str, str]
    """The name of each target within the experiment, and the target: auto, compose, local or a URL."""
    seed: int
    """Of the random order of the cells."""
    repetitions: int
    duration_s: float | None
    """How long each sustained cell is measured, without ramp-up and warm-up."""
    slo: Slo
    settings: NotRequired[dict[str, str]]
    """As given to `make scaling`, so that it can be resumed."""
    server_settings: NotRequired[dict[str, str]]
    """As in RunConfig."""
    search: NotRequired[dict[str, float]]
    """The settings of a capacity search: start, most, precision, budget_s."""
    arrivals_of: NotRequired[ArrivalUnit]
    """What arrives in a capacity search over rates."""
    tags: NotRequired[list[str]]
    """As in RunConfig."""


class CapacityTry(TypedDict):
    """The result of one try of a capacity search: a batch, or a run at one rate."""

    users: int
    """Of the batch; of a search over rates the arrivals a second."""
    run_id: str
    passed: bool
    succeeded: int
    """Sessions that connected, reset and stepped; of a search over rates the steps."""
    success_rate: float
    total_p99_s: float | None
    missed: NotRequired[str]
    """Of a search over rates, why it did not pass, in a few words."""


class CapacityJson(TypedDict):
    """The result of a capacity search."""

    unit: NotRequired[CapacityUnit]
    """What `sessions`, `max_batch`, `low`, `high` and the `users` of tries count: sessions at once if it is
    missing, or arrivals a second, of steps or of sessions."""
    total_p99_limit_s: NotRequired[float]
    """Of a search over rates: the bound on the 99th percentile of total time, from the intended time."""
    sessions: int
    """The largest number of sessions that the deployment carries within its objective; 0: none."""
    max_batch: int
    """The largest batch that met the objective in most of its tries."""
    low: int
    """The largest batch, up to `max_batch`, that met it in every try."""
    high: int | None
    """The smallest batch, above all that met it in any try, that missed it in every try; None: none."""
    confidence: float
    """The probability, given the tries, that `max_batch` meets the objective more often than not."""
    lower_bound: bool
    """Whether the deployment may carry more than `sessions`, because something else ended the search."""
    server_cap: int | None
    """How many sessions the server held when it turned others away; None if it turned none away."""
    cores: int | None
    """Cores of the machine that the deployment runs on; None where unknown."""
    limit: str
    """Which limit was reached first: errors, latency, throughput, open_files, generator, cap or time."""
    explanation: str
    remedy: str
    tries: list[CapacityTry]


class ExperimentJson(TypedDict):
    """experiment.json: written when an experiment starts, and again when a cell starts or ends."""

    kind: Literal["experiment"]
    schema_version: int
    experiment_id: str
    purpose: Literal["scaling", "capacity"]
    status: RunStatus
    status_detail: NotRequired[str | None]
    started_at: float
    ended_at: float | None
    config: ExperimentConfig
    machine: dict[str, Any]
    further_machines: NotRequired[list[dict[str, Any]]]
    """Other machines on which it was resumed."""
    cells: list[CellJson]
    """In the order in which they run."""
    capacity: NotRequired[CapacityJson]


class CalibrationCell(TypedDict):
    """One load of a calibration: one run against a reference server, done or still to do."""

    name: str
    """Of the reply times, in words."""
    reply_times: str
    """As the reference server takes them: `lognormal:0.02:0.5`."""
    arrivals: str | None
    """In the open model, how steps arrive; None: the closed model."""
    users: int
    status: CellStatus
    reason: str | None
    """Why it failed, or was left out, in words."""
    run_id: str | None
    """Its run directory, `runs/<run_id>`, once it has started."""


class CalibrationJson(TypedDict):
    """calibration.json: written when a calibration starts, and again when a cell starts or ends."""

    kind: Literal["calibration"]
    schema_version: int
    calibration_id: str
    status: RunStatus
    status_detail: NotRequired[str | None]
    started_at: float
    ended_at: float | None
    duration_s: float
    """How long each load lasts once its users are there."""
    machine: dict[str, Any]
    versions: dict[str, str]
    cells: list[CalibrationCell]
    """In the order in which they run."""


_LARGEST = 2.0**63
_AT_LEAST_ONE = frozenset({"replicas", "workers", "users", "repetition"})
"""Of a cell."""


def too_large(value: Any) -> float | None:
    """A finite number of 2⁶³ or more somewhere in a JSON value; None where there is none."""
    inside = [value]
    while inside:
        inner = inside.pop()
        if isinstance(inner, dict):
            inside.extend(inner.values())
        elif isinstance(inner, list):
            inside.extend(inner)
        elif isinstance(inner, int | float) and _LARGEST <= abs(inner) < math.inf:
            return inner
    return None


def fault_in(value: Any, shape: type[RunJson | ExperimentJson | CalibrationJson]) -> str | None:
    """Why `value` is not of that shape, in words; None where it is.

    Additional keys are allowed.
    """
    if (number := too_large(value)) is not None:
        return f"it holds the number {number!r:.30}, which is too large"
    return _fault(value, shape, "it")


def _fault(value: Any, kind: Any, where: str) -> str | None:
    if get_origin(kind) is list and isinstance(value, list):
        faults = (_fault(item, get_args(kind)[0], f"{where}[{place}]") for place, item in enumerate(value))
        return next(filter(None, faults), None)
    if not is_typeddict(kind) or not isinstance(value, dict):
        return None if _is_one_of(value, kind) else f"{where} is {value!r:.60}"
    inside = "" if where == "it" else f"{where}."
    for key, inner in _types_of(kind).items():
        if key not in value:
            if key in kind.__required_keys__:
                return f"{inside}{key} is missing"
        elif fault := _fault(value[key], inner, f"{inside}{key}"):
            return fault
        elif (
            kind in (CellJson, CalibrationCell)
            and key in _AT_LEAST_ONE
            and value[key] is not None
            and value[key] < 1
        ):
            return f"{inside}{key} is {value[key]}, less than 1"
    return None


@cache
def _types_of(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_one_of(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of one of the simple types that the classes above use."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_is_one_of(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if origin is dict:
        return isinstance(value, dict) and all(_is_one_of(item, arguments[1]) for item in value.values())
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (str, bool, NoneType):
        return isinstance(value, kind)
    return kind is Any
