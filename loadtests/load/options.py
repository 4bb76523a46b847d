"""What each simulated user does: its settings, and their values checked."""

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from loadtests.actions.choice import LONGEST_WAIT_S, Actions, actions_of_file, one_action
from loadtests.actions.from_server import actions_of_server
from loadtests.actions.policy import Policy, load_policy
from loadtests.durations import Duration, parse_duration
from loadtests.errors import LoadTestError
from loadtests.load.arrivals import Arrivals, parse_arrivals
from loadtests.load.shapes import Shape, parse_shape
from loadtests.load.trace import Trace, is_trace, load_trace
from loadtests.protocol.access import OPEN, Access, headers_text, server_access
from loadtests.settings import Values, above_zero, choice, whole
from reports.records.schema import ActionOrder, Scenario

ActionChoice = Literal["given", "policy", "wait", "schema", "as the schema says"]

_STEPS_PER_EPISODE, _NO_LIMIT = 50, 0
_STEPS = parse_duration("50", "STEPS")


@dataclass(frozen=True)
class LoadOptions:
    """What each simulated user does."""

    wait: Duration
    """What each step asks the Benchmark environment to wait; with given actions, the longest such wait."""
    think_time: Duration
    steps_per_episode: int
    """Steps before the next reset, if the episode is not done before; 0: no such limit."""
    connect_timeout_s: float
    step_timeout_s: float
    actions: Actions | None = None
    """None: steps wait, or the server has not been asked yet."""
    action_choice: ActionChoice = "wait"
    policy: Policy | None = None
    """What picks the actions, where their choice is that of a policy."""
    access: Access = OPEN
    arrivals: Arrivals | None = None
    """None: the closed model, in which users wait for replies and go on."""
    shape: Shape | None = None
    """How the load changes; None: not at all."""
    trace: Trace | None = None
    """What is replayed; None: users make the load."""
    group: int = 1
    """Of rollouts: the sessions that start together."""
    rollout_steps: Duration = _STEPS
    """Of rollouts: the steps of each."""

    @property
    def stay_s(self) -> float:
        """Seconds that an episode's waits and thinking take on average; where steps have no number, of 50."""
        steps = self.steps_per_episode or _STEPS_PER_EPISODE
        return steps * (self.wait.mean + self.think_time.mean)

    @property
    def longest_wait_s(self) -> float:
        """Seconds that hardly any step asks the environment to wait beyond."""
        of_trace_s = self.trace.longest_wait_s if self.trace is not None else 0.0
        return max(self.wait.longest, of_trace_s)


def load_options(values: Values) -> LoadOptions:
    """Reads the user settings, and headers from the environment.

    Raises LoadTestError with the bad value and what is allowed.
    """
    policy = _policy(values)
    actions, action_choice = _actions(values)
    wait = parse_duration(values["WAIT"], "WAIT")
    if actions is not None:
        wait = parse_duration(f"{actions.longest_wait_s:g}", "WAIT")
    if wait.longest > LONGEST_WAIT_S:
        raise LoadTestError(
            f"WAIT={values['WAIT']} is longer than the Benchmark environment waits, {LONGEST_WAIT_S:g} s"
        )
    trace = _trace(values)
    if trace is not None and not trace.unnamed:
        wait = parse_duration(f"{trace.longest_wait_s:g}", "WAIT")
    shape = parse_shape(values["SHAPE"]) if trace is None else None
    options = LoadOptions(
        wait=wait,
        think_time=parse_duration(values["THINK_TIME"], "THINK_TIME"),
        steps_per_episode=whole(values, "STEPS_PER_EPISODE", 0, 10**9)
        if values["STEPS_PER_EPISODE"]
        else _STEPS_PER_EPISODE,
        connect_timeout_s=above_zero(values, "CONNECT_TIMEOUT"),
        step_timeout_s=above_zero(values, "STEP_TIMEOUT"),
        actions=actions,
        action_choice=action_choice,
        access=server_access(values, headers_text()),
        arrivals=parse_arrivals(values, shape),
        group=whole(values, "GROUP", 1, 100_000),
        rollout_steps=_steps(values),
        shape=shape,
        trace=trace,
    )
    return played_by(options, policy, values["STEPS_PER_EPISODE"]) if policy else options


def _trace(values: Values) -> Trace | None:
    shape, arrivals = values["SHAPE"], values["ARRIVALS"]
    if not is_trace(shape):
        return None
    if arrivals:
        raise LoadTestError(
            f"SHAPE={shape} and ARRIVALS={arrivals} are both given: a trace says itself when steps are due: "
            "leave ARRIVALS out"
        )
    return load_trace(shape)


def _steps(values: Values) -> Duration:
    try:
        steps = parse_duration(values["STEPS"], "STEPS")
    except LoadTestError as error:
        raise LoadTestError(str(error).replace("a duration in seconds", "a number of steps")) from None
    if steps.longest < 1:
        raise LoadTestError(f"STEPS={values['STEPS']} is less than one step")
    return steps


def check_when(options: LoadOptions, scenario: Scenario, run_time_s: float | None) -> None:
    """Raises LoadTestError where the load cannot be given when the options say, in a test of that length."""
    asked = [f"ARRIVALS={options.arrivals.text}"] if options.arrivals is not None else []
    shape = options.shape or options.trace
    asked += [f"SHAPE={shape.text}"] if shape is not None else []
    if scenario == "batch" and asked:
        raise LoadTestError(f"{asked[0]} is not for batches, whose users start together: leave it out")
    if scenario == "rollouts" and asked:
        raise LoadTestError(f"{asked[0]} is not for rollouts, whose groups follow each other: leave it out")
    if shape is not None and not run_time_s:
        raise LoadTestError(f"{asked[-1]} needs an end: give the load a run time")


def played_by(options: LoadOptions, policy: Policy, steps_per_episode: str) -> LoadOptions:
    """The options with a policy, which plays until the episode is done unless a limit was given."""
    return replace(
        options,
        action_choice="policy",
        policy=policy,
        wait=parse_duration("0", "WAIT"),
        steps_per_episode=options.steps_per_episode if steps_per_episode else _NO_LIMIT,
    )


def settled(options: LoadOptions, base_url: str) -> LoadOptions:
    """The options with actions that the server at `base_url` takes, where none were given.

    Raises LoadTestError where none can be made from its schema.
    """
    if options.action_choice in ("given", "policy", "wait"):
        return options
    if options.trace is not None and not options.trace.unnamed:
        return replace(options, action_choice="wait")
    actions = actions_of_server(base_url, options.access, waits=options.action_choice != "schema")
    if actions is None:
        return replace(options, action_choice="wait")
    wait = parse_duration(f"{actions.longest_wait_s:g}", "WAIT")
    return replace(options, actions=actions, action_choice="given", wait=wait)


def _policy(values: Values) -> Policy | None:
    text = values["POLICY"]
    if not text:
        return None
    for name in ("ACTION", "ACTIONS"):
        if values[name]:
            raise LoadTestError(
                f"POLICY={text} and {name}={values[name]} are both given: leave one of them out"
            )
    return load_policy(text)


def _actions(values: Values) -> tuple[Actions | None, ActionChoice]:
    order = cast(ActionOrder, choice(values, "ACTION_ORDER", get_args(ActionOrder)))
    one, several = values["ACTION"], values["ACTIONS"]
    if one and several:
        raise LoadTestError(f"ACTION={one} and ACTIONS={several} are both given: leave one of them out")
    if one:
        return one_action(one), "given"
    match several:
        case "":
            return None, "as the schema says"
        case "wait" | "schema":
            return None, several
    return actions_of_file(several, order), "given"
