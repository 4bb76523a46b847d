"""Which settings there are, and which command and target of make has which."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from loadtests.places import is_installed
from loadtests.settings import Setting

Table = Mapping[str, Sequence[Setting]]
"""The settings of each command, or of each target of make."""


def _about(topic: str, *settings: Setting) -> tuple[Setting, ...]:
    return tuple(replace(setting, topic=topic) for setting in settings)


def _variables(topic: str, **helps: str) -> tuple[Setting, ...]:
    return tuple(Setting(name, "", text, topic, has_option=False) for name, text in helps.items())


ENVIRONMENT_SETTINGS = _about(
    "environment",
    Setting("ENV", "", "an OpenEnv environment directory to deploy (default: the Benchmark environment)"),
    Setting("IMAGE", "", "an image that serves an OpenEnv environment, to deploy in containers"),
    Setting("IMAGE_PORT", "8000", "the port that IMAGE serves on"),
    Setting(
        "ENV_PYTHON", "", "a python that has what ENV needs (default: a virtual environment is made for it)"
    ),
)

DEPLOYMENT_SETTINGS = ENVIRONMENT_SETTINGS + _about(
    "deployment",
    Setting("TARGET", "auto", "auto, compose, local, stack, or the URL of a server that is already running"),
    Setting("REPLICAS", "2", "environment servers behind the balancer"),
    Setting("WORKERS", "2", "worker processes of each replica"),
    Setting("BALANCING", "round_robin", "round_robin, least_conn, ip_hash or random"),
    Setting("REUSE_PORT", "1", "0: the workers of a replica share one listening socket"),
    Setting("PORT", "8000", "where the balancer listens on 127.0.0.1; 0: any free port"),
    Setting("ACCESS_LOG", "0", "1: the balancer writes an access log"),
)

ACCESS_SETTINGS = _about(
    "the server",
    Setting(
        "TLS_VERIFY", "1", "0: accept any certificate of an https or wss server, for example one of your own"
    ),
    Setting(
        "UPSTREAM_HEADER", "X-Upstream", "the response header in which a balancer names the server behind it"
    ),
)

USER_SETTINGS = (
    *_about(
        "what is sent",
        Setting(
            "WAIT",
            "0.1",
            "seconds each step waits, in the Benchmark environment: a number, uniform:LOW:HIGH, "
            "exponential:MEAN or lognormal:MEDIAN:SIGMA",
        ),
        Setting(
            "ACTION", "", 'the action of every step as JSON, for other environments: {"message": "hello"}'
        ),
        Setting(
            "ACTIONS",
            "",
            "a JSONL file of actions; schema: made from the server's action schema; wait: the Benchmark "
            "environment's waits (default: as the schema says)",
        ),
        Setting(
            "POLICY",
            "",
            "a Python file or module:function that picks each action from the last observation: "
            "my_policy.py, with def act(observation, reward, step, rng)",
        ),
        Setting(
            "ACTION_ORDER", "cycle", "cycle: each user takes a file's actions in turn; sample: at random"
        ),
    ),
    *_about(
        "load",
        Setting("THINK_TIME", "0", "seconds that a user thinks between steps, written like WAIT"),
        Setting(
            "STEPS_PER_EPISODE",
            "",
            "steps before the next reset, if the episode is not done before; 0: no such limit "
            "(default: 50, with a policy 0)",
        ),
        Setting(
            "ARRIVALS",
            "",
            "the open model, in which replies are not waited for: constant:RATE or poisson:RATE, a second "
            "(default: USERS take turns with the server)",
        ),
        Setting(
            "ARRIVALS_OF",
            "sessions",
            "sessions: each lives for an episode; steps: over a pool of USERS sessions",
        ),
        Setting(
            "SHAPE",
            "",
            "how USERS or ARRIVALS change meanwhile: ramp:FROM:TO, steps:COUNT, spike:LEVEL:AT:LENGTH, "
            "soak:RAMP or sine:AMPLITUDE:PERIOD; trace:FILE: the steps recorded there, at their times",
        ),
        Setting("GROUP", "8", "of SCENARIO=rollouts: sessions of a group, which start together"),
        Setting("STEPS", "50", "of SCENARIO=rollouts: the steps of each episode, written like WAIT"),
        Setting("CONNECT_TIMEOUT", "10", "seconds until a connection that is not open counts as failed"),
        Setting("STEP_TIMEOUT", "60", "seconds until a reset or step without reply counts as failed"),
    ),
    *ACCESS_SETTINGS,
)
"""What each simulated user does, which Locust has options for too."""

LOAD_SETTINGS = (
    *_about(
        "load",
        Setting(
            "USERS",
            "",
            "simulated users; over WebSocket each holds one session (default: 64; with ARRIVALS, as many as "
            "are in flight where the objective is just met, and half as many more; likewise with a trace)",
        ),
        Setting(
            "SCENARIO",
            "sustained",
            "sustained: users step for a while; batch: all step once, together; rollouts: groups of sessions "
            "play an episode each and are done with their slowest",
        ),
        Setting("GROUPS", "8", "of SCENARIO=rollouts: groups at a time; USERS are GROUP × GROUPS"),
        Setting("SPAWN_RATE", "", "users started a second (default: all within 2 s, 100 a second at most)"),
        Setting(
            "DURATION", "", "how long the load lasts: 20, 90s, 5m or 1h (default: 20; a trace until its end)"
        ),
        Setting("TRANSPORT", "ws", "ws or http"),
        Setting("PROCESSES", "1", "Locust processes that generate the load; auto: one for each core"),
    ),
    *USER_SETTINGS,
    *_about(
        "objective",
        Setting(
            "SLO_SUCCESS_RATE",
            "0.95",
            "the minimum share of operations that succeed, and of users that get to step",
        ),
        Setting(
            "SLO_P99",
            "",
            "the bound on the 99th percentile of total time in seconds (default: 2 × (wait + 0.5))",
        ),
    ),
    *_about(
        "results",
        Setting("RESULTS", "results", "the folder that gets a run directory for each run"),
        Setting("TAG", "", "words by which the run is found again, with commas between them: nightly,main"),
    ),
)

GENERATOR_SETTINGS = _about(
    "load",
    Setting(
        "GENERATORS",
        "0",
        "containers inside the network of compose or stack that generate the load; 0: PROCESSES do it",
    ),
)

FAULT_SETTINGS = _about(
    "faults",
    Setting(
        "FAULT",
        "",
        "what is broken while the load goes on, with compose and local: kill-worker@10s, kill-replica, "
        "pause-replica:3s@15s, restart-nginx, add-replica, remove-replica or slow-network:50ms:5s, with "
        "commas between them",
    ),
)

_OF_A_RUN_WITH_FAULTS = {
    "DURATION": "40",
    "FAULT": "kill-worker@4s,pause-replica:3s@9s,restart-nginx@16s,slow-network:100ms:3s@20s,add-replica@24s,"
    "kill-replica@30s,remove-replica@35s",
}

_OF_A_STACK = {
    "GENERATORS": ("2", "containers that generate the load, spread over the nodes like the replicas"),
    "PORT": ("8000", "where the balancer listens, if PUBLISH=1"),
}

STACK_SETTINGS = (
    *(
        Setting(each.name, *_OF_A_STACK.get(each.name, (each.default, each.help)), each.topic)
        for each in DEPLOYMENT_SETTINGS + LOAD_SETTINGS + GENERATOR_SETTINGS
        if each.name not in ("TARGET", "PROCESSES", "ENV_PYTHON")
    ),
    *_about(
        "deployment",
        Setting(
            "PUBLISH",
            "0",
            "1: the balancer is open at PORT on all addresses of this machine, to whoever asks",
        ),
    ),
)
"""Of a load test on a stack of a Docker Swarm."""

OUTPUT_SETTINGS = _about(
    "results",
    Setting("JUNIT", "", "a file that gets the verdict as JUnit XML, which CI systems show as tests"),
    Setting("SUMMARY", "", "a file that gets a summary in Markdown, for example for the page of a CI job"),
)
"""Files that other programs read; no part of what a run or an experiment was."""

METRICS_SETTINGS = _about(
    "while it runs",
    Setting("METRICS_PORT", "", "where metrics for Prometheus are served on 127.0.0.1 (default: nowhere)"),
    Setting("OTLP", "", "a collector that gets them over OpenTelemetry's protocol: http://127.0.0.1:4318"),
)

WEB_SETTINGS = (
    *_about(
        "web page",
        Setting("WEB_PORT", "8089", "where Locust's page is served on 127.0.0.1"),
        Setting("WEB_LOGIN", "0", "1: the page asks for the user and password in WEB_USER and WEB_PASSWORD"),
    ),
    *_variables(
        "web page",
        WEB_USER="who may use the page, where WEB_LOGIN=1",
        WEB_PASSWORD="their password, 8 characters or more",  # noqa: S106 - a description
    ),
)

_MASTER_PORT = Setting("MASTER_PORT", "5557", "the port on which workers join Locust's master")
_JOIN_WAIT = Setting(
    "JOIN_WAIT", "5m", "how long the master waits for its workers, and a worker for its master"
)

MASTER_SETTINGS = _about(
    "workers",
    Setting("WORKERS_EXPECTED", "1", "Locust worker processes that make the load, of all machines together"),
    Setting(
        "MASTER_BIND",
        "127.0.0.1",
        "the address on which workers join, unencrypted and unasked; 0.0.0.0: all of this machine's",
    ),
    replace(_MASTER_PORT, help=f"{_MASTER_PORT.help}; 0: any free one"),
    _JOIN_WAIT,
)

WORKER_SETTINGS = _about(
    "workers",
    Setting("MASTER", "", "the name or address of the machine with the master"),
    _MASTER_PORT,
    Setting("PROCESSES", "1", "worker processes to start; auto: one for each core"),
    _JOIN_WAIT,
    Setting("TARGET", "", "where HEADERS are set: the URL of the one server that they are for"),
)

_OF_AN_EXPERIMENT = {
    "TARGET": (
        "auto",
        "what to load: auto, compose, local, stack or a URL; several with commas, named as name=URL",
    ),
    "REPLICAS": ("1,2", "numbers of environment servers behind the balancer"),
    "WORKERS": ("1,2", "numbers of worker processes of each replica"),
    "BALANCING": ("round_robin", "policies: round_robin, least_conn, ip_hash, random"),
    "REUSE_PORT": ("1", "0: the workers of a replica share one listening socket; 1,0 compares both"),
    "PORT": ("0", "where the balancer listens on 127.0.0.1; 0: any free port"),
    "USERS": ("1,8,32,128,256", "numbers of simulated users"),
    "ARRIVALS": (
        "",
        "the open model: rates in place of numbers of users, such as poisson:50,100,200 or constant:50,100",
    ),
    "GROUPS": ("1,2,4,8", "of SCENARIO=rollouts: numbers of groups at a time"),
    "FAULT": (
        "",
        "what is broken in a cell, as in loadtest; several plans with / between: none/kill-worker@3s",
    ),
    "WAIT": ("0.01", "seconds each step waits: numbers, or uniform:LOW:HIGH and others"),
    "TRANSPORT": ("ws", "ws, http or ws,http"),
    "DURATION": ("4", "how long each sustained cell is measured, ramp-up and warm-up not counted"),
    "SPAWN_RATE": ("", "users started a second (default: all within 1 s, 200 a second at most)"),
}

EXPERIMENT_SETTINGS = (
    *(
        Setting(each.name, *_OF_AN_EXPERIMENT.get(each.name, (each.default, each.help)), each.topic)
        for each in DEPLOYMENT_SETTINGS + LOAD_SETTINGS + GENERATOR_SETTINGS + FAULT_SETTINGS
    ),
    *_about(
        "grid",
        Setting(
            "WARMUP", "1", "seconds of each sustained cell, after all users are there, that do not count"
        ),
        Setting("REPETITIONS", "2", "how often each cell runs"),
        Setting("SEED", "", "of the random order of the cells (default: drawn, and recorded)"),
    ),
)
"""What a TOML file may set, and experiment.json records."""

GRID_SETTINGS = _about(
    "grid",
    Setting("GRID", "", "a TOML file of settings, such as users = [1, 8, 64]; options and variables win"),
    Setting(
        "RESUME",
        "",
        "resume an experiment, results/<experiment_id>; last: the last unfinished one",
        alone="last",
    ),
)

NOT_OF_A_BATCH = {
    *("USERS", "SPAWN_RATE", "DURATION", "THINK_TIME", "STEPS_PER_EPISODE"),
    *("ARRIVALS", "ARRIVALS_OF", "SHAPE", "SCENARIO", "GROUP", "GROUPS", "STEPS"),
}
"""Settings of a load test that mean nothing where batches of growing size step once."""

_ONLY_OF_RATES = {"DURATION", "THINK_TIME", "STEPS_PER_EPISODE", "ARRIVALS", "ARRIVALS_OF"}
NOT_OF_RATES = NOT_OF_A_BATCH - _ONLY_OF_RATES
"""The same where steps or sessions arrive at rates that grow."""

_OF_A_SEARCH = {
    "PORT": ("0", "where the balancer listens on 127.0.0.1; 0: any free port"),
    "WAIT": (
        "",
        "seconds each step waits, in the Benchmark environment (default: 1; with ARRIVALS 0.01)",
    ),
    "STEP_TIMEOUT": ("30", "seconds until a reset or step without reply counts as failed"),
    "DURATION": ("", "with ARRIVALS: how long each try is measured (default: 8, longer where few arrive)"),
    "ARRIVALS": (
        "",
        "search the highest rate, not the largest batch: constant or poisson, or poisson:50 to begin there",
    ),
}

CAPACITY_SETTINGS = (
    *(
        Setting(each.name, *_OF_A_SEARCH.get(each.name, (each.default, each.help)), each.topic)
        for each in DEPLOYMENT_SETTINGS + LOAD_SETTINGS + GENERATOR_SETTINGS
        if each.name not in NOT_OF_RATES
    ),
    *_about(
        "search",
        Setting(
            "START",
            "",
            "users of the first batch, or the first rate; the next is twice as large, until one fails "
            "(default: 16)",
        ),
        Setting("MOST", "16384", "the largest batch, or rate, to try"),
        Setting("TRIES", "3", "the most tries that decide one on the way; more confirm the answer"),
        Setting(
            "PRECISION",
            "",
            "how near to the next that fails the answer is to come, in % (default: 2.5; with ARRIVALS 5)",
        ),
        Setting("BUDGET", "10m", "how long the search may take: 600, 90s, 10m or 1h"),
    ),
)

RESULTS_SETTINGS = (
    Setting("TAG", "", "only what has these tags, with commas between them"),
    Setting("LAST", "", "only the last so many"),
)

CALIBRATE_SETTINGS = (
    Setting("USERS", "8,64,200,512", "numbers of simulated users; larger ones only until a run warns"),
    Setting("DURATION", "5", "how long each load lasts once its users are there"),
    Setting("RESULTS", "results", "the folder that gets a directory for the calibration"),
)

SERVER_VARIABLES = _variables(
    "environment servers",
    MAX_CONCURRENT_ENVS="sessions that one worker holds",
    MAX_WAIT_SECONDS="the longest wait that an action may ask for",
    MAX_STEPS_IN_FLIGHT="steps that wait in one worker at the same time, further ones queue; 0: no limit",
    SESSION_IDLE_TIMEOUT="seconds until a silent session is closed, 0: never",
    REQUEST_TIMEOUT="seconds that a client has to send a request, 0: for ever",
    PING_INTERVAL="seconds between pings of sessions, 0: never",
    GRACEFUL_TIMEOUT="seconds that a stopping worker waits for steps in flight",
    WORKER_TIMEOUT="seconds until a stuck worker is replaced",
    BACKLOG="connections that may wait to be accepted",
    MAX_MESSAGE_BYTES="the longest message",
    LOG_LEVEL="debug, info, warning, error or critical",
    ENABLE_WEB_INTERFACE="1: OpenEnv's web page, from local processes",
)
"""What the environment servers are told, beyond what the harness itself sets."""

_CONTAINER_VARIABLES = _variables(
    "containers",
    ENV_IMAGE="the environment's image",
    NGINX_IMAGE="the balancer's image",
    PYTHON_IMAGE="what the environment's image is built from",
    ENV_MEMORY="what a replica may use, such as 2g",
    NGINX_MEMORY="the same for the balancer",
    NOFILE="open files that a container may have",
    DOCKER_HOST="the Docker engine",
    DOCKER_CONTEXT="the same by the name of its context",
    DOCKER_TLS_VERIFY="1: the engine's certificate is checked",
    DOCKER_CERT_PATH="where the certificates for it are",
)
_GENERATOR_VARIABLES = _variables(
    "containers",
    LOCUST_IMAGE="the load generators' image (default: built here)",
    LOCUST_MEMORY="what a load generator may use, such as 2g",
)
_BALANCER_VARIABLES = _variables("deployment", NGINX_WORKERS="the balancer's processes")
_ACCESS_VARIABLES = _variables(
    "the server",
    HEADERS="headers for a private server, one Name: value a line, or @ and a file of them; never recorded",
    SSL_CERT_FILE="certificates of the authorities to trust",
)

_TO_BRING_UP = _BALANCER_VARIABLES + SERVER_VARIABLES + _CONTAINER_VARIABLES
_TO_LOAD = _ACCESS_VARIABLES + _TO_BRING_UP
_TO_LOAD_FROM_CONTAINERS = _TO_LOAD + _GENERATOR_VARIABLES

_RUN_SETTINGS = (
    DEPLOYMENT_SETTINGS
    + LOAD_SETTINGS
    + GENERATOR_SETTINGS
    + FAULT_SETTINGS
    + OUTPUT_SETTINGS
    + METRICS_SETTINGS
    + _TO_LOAD_FROM_CONTAINERS
)

COMMANDS: Table = {
    "run": _RUN_SETTINGS,
    "faults": tuple(
        replace(each, default=_OF_A_RUN_WITH_FAULTS.get(each.name, each.default)) for each in _RUN_SETTINGS
    ),
    "master": (
        *DEPLOYMENT_SETTINGS,
        *(each for each in LOAD_SETTINGS if each.name != "PROCESSES"),
        *MASTER_SETTINGS,
        *FAULT_SETTINGS,
        *OUTPUT_SETTINGS,
        *METRICS_SETTINGS,
        *_TO_LOAD,
    ),
    "worker": WORKER_SETTINGS + _ACCESS_VARIABLES,
    "webui": DEPLOYMENT_SETTINGS + LOAD_SETTINGS + WEB_SETTINGS + METRICS_SETTINGS + _TO_LOAD,
    "scaling": EXPERIMENT_SETTINGS
    + GRID_SETTINGS
    + OUTPUT_SETTINGS
    + METRICS_SETTINGS
    + _TO_LOAD_FROM_CONTAINERS,
    "capacity": CAPACITY_SETTINGS + OUTPUT_SETTINGS + METRICS_SETTINGS + _TO_LOAD_FROM_CONTAINERS,
    "stack": STACK_SETTINGS + OUTPUT_SETTINGS + METRICS_SETTINGS + _TO_LOAD_FROM_CONTAINERS,
    "up": DEPLOYMENT_SETTINGS + _TO_BRING_UP,
    "down": (),
    "report": OUTPUT_SETTINGS,
    "csv": (),
    "trace": (Setting("FILE", "", "where the trace goes (default: trace.jsonl in the run's directory)"),),
    "compare": (
        Setting("FAIL_ON_REGRESSION", "", "fail where B is shown to be worse by more per cent than this"),
        Setting("OUTPUT", "", "where the report goes"),
        *OUTPUT_SETTINGS,
    ),
    "results": RESULTS_SETTINGS,
}

TARGETS: Table = {
    "loadtest": COMMANDS["run"],
    **{name: settings for name, settings in COMMANDS.items() if name != "run"},
    "report": (*_variables("", RUN="the run or experiment, results/<id>"), *COMMANDS["report"]),
    "csv": _variables("", RUN="the run, results/<run_id>"),
    "trace": (*_variables("", RUN="the run, results/<run_id>"), *COMMANDS["trace"]),
    "compare": (
        *_variables("", A="the baseline, results/<id>", B="what is held against it"),
        *COMMANDS["compare"],
    ),
    "results": (
        Setting("RESULTS", "results", "the folder to look into", has_option=False),
        *RESULTS_SETTINGS,
    ),
    "test": _variables("", TESTS="arguments for pytest", REQUIRE_ALL="1: nothing may be left out"),
    "bench": _variables(
        "", BENCH="names of benchmarks, all by default", K6="k6's program (default: that on the PATH)"
    ),
    "truth": (),
    "calibrate": CALIBRATE_SETTINGS,
    "soak": (
        Setting("DURATION", "10m", "how long it is loaded: 600, 90s, 10m or 1h", has_option=False),
        Setting("RESULTS", "results", "the folder that gets the samples and the runs", has_option=False),
    ),
    "kills": _variables(
        "", KILLS="how many (default: 50)", SEED="of the moments and choices (default: drawn, and told)"
    ),
    "fuzz": _variables("", FUZZ="how many examples of each kind of bad input (default: 2000)"),
    "push": _variables("", PUSH="arguments for openenv push"),
}
_NOT_ON_COMMAND_LINES = {"WEB_USER", "WEB_PASSWORD"}
OF_ALL_TARGETS = _variables("", PYTHON="the Python that .venv is made with", SHELL="make's own")

_NEAR = 0.7
"""How alike two names are, 0 to 1, of which one may be meant as the other."""


def invocation(target: str, **settings: object) -> str:
    """How people start a target with settings: by make in a checkout, else by the installed command."""
    if not is_installed():
        return " ".join(("make", target, *(f"{name}={value}" for name, value in settings.items())))
    options = {each.name: each.option for each in COMMANDS[target]}
    words = [
        f"{options[name]} {value}" if name in options else str(value) for name, value in settings.items()
    ]
    return " ".join(("openenv-loadtest", target, *words))


def refusal_of_variable(name: str, targets: Sequence[str]) -> str | None:
    """What is wrong with a variable on make's command line; None where one of the targets has it."""
    own = [each.name for target in targets for each in (*TARGETS[target], *OF_ALL_TARGETS)]
    if name in own and name in _NOT_ON_COMMAND_LINES:
        return f"{name} is not taken from the command line, which others can read: export it"
    if name in own:
        return None
    return f"{name} is no setting of {_listed(targets, 'or')}" + _advice(name.upper(), own, TARGETS)


def refusal_of_option(option: str, command: str) -> str:
    """What is wrong with an option that a command does not have."""
    name = option.removeprefix("--").replace("-", "_").upper()
    own = {each.name: each.option for each in COMMANDS[command] if each.has_option}
    variables = [each.name for each in COMMANDS[command] if not each.has_option]
    return f"{option} is no option of {command}" + _advice(
        name, own, COMMANDS, variables=variables, written=own.__getitem__
    )


def refusal_of_key(key: str) -> str:
    """What is wrong with a key of a TOML file that no experiment has."""
    own = [each.name for each in EXPERIMENT_SETTINGS]
    variables = [each.name for each in COMMANDS["scaling"] if each.name not in own]
    return f"{key} is no setting of a grid" + _advice(
        key.upper(), own, COMMANDS, variables=variables, written=str.lower
    )


def _advice(
    name: str,
    own: Collection[str],
    table: Table,
    *,
    variables: Collection[str] = (),
    written: Callable[[str], str] = str,
) -> str:
    """How else the setting can be given, who else has it, or the nearest of one's own, if any of these."""
    if name in variables:
        return f"; set the variable {name}"
    others = [each for each, settings in table.items() if any(setting.name == name for setting in settings)]
    if others and name not in own:
        return f"; {_listed(others, 'and')} {'has' if len(others) == 1 else 'have'} it"
    near = get_close_matches(name, own, n=1, cutoff=_NEAR)
    return f"; did you mean {written(near[0])}?" if near else ""


def _listed(words: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1])))
