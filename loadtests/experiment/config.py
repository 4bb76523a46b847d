"""The configuration of an experiment: settings and a TOML file become a checked grid of cells."""

import math
import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args
from urllib.parse import urlsplit

from loadtests.commands import EXPERIMENT_SETTINGS, refusal_of_key
from loadtests.deployments.url import base_url
from loadtests.errors import LoadTestError
from loadtests.experiment.grid import Axes, Load, cells_in_random_order
from loadtests.load.arrivals import parse_arrivals
from loadtests.load.options import load_options
from loadtests.run.config import LoadTestConfig, faults, load_test_config, whole_seconds
from loadtests.settings import Values, choice, whole
from reports.records.schema import CellJson, ExperimentConfig, Scenario

AXES = (
    *("REPLICAS", "WORKERS", "BALANCING", "REUSE_PORT", "TRANSPORT", "WAIT", "USERS"),
    *("ARRIVALS", "GROUPS"),
)
"""Settings that may have several values, with commas between them."""

_MOST_CELLS = 10_000
_SPAWNS_A_SECOND = 200.0
_WAIT_OF_A_BATCH = "1"
"""So long that all sessions of a batch are open at once."""

_NAMES = {setting.name for setting in EXPERIMENT_SETTINGS}
_OF_ONE_PLACE = {"RESULTS", "PORT"}
"""Settings that may differ when an experiment is resumed."""


@dataclass(frozen=True)
class ExperimentPlan:
    """What an experiment does: settings that hold for all cells, and the cells in their order."""

    settings: dict[str, str]
    config: ExperimentConfig
    cells: list[CellJson]


def resolve_settings(given: Mapping[str, str | None], file: Path | None) -> dict[str, str]:
    """Each setting's text: as given, else from the TOML file, else its default. Raises LoadTestError."""
    written = _read_toml(file) if file else {}
    chosen = {name: text for name in _NAMES if (text := given.get(name) or written.get(name))}
    defaults = {setting.name: setting.default for setting in EXPERIMENT_SETTINGS}
    if chosen.get("SCENARIO") == "batch":
        defaults["WAIT"] = _WAIT_OF_A_BATCH
    if chosen.get("SCENARIO") == "rollouts" or chosen.get("ARRIVALS"):
        defaults["USERS"] = ""
    for name, text in chosen.items():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise LoadTestError(f"{name}={text!r} holds bytes that are no UTF-8") from None
    return defaults | chosen


def experiment_plan(
    settings: Mapping[str, str], targets: Mapping[str, str], server_settings: Mapping[str, str]
) -> ExperimentPlan:
    """Checks every value and every cell, and draws the order. Raises LoadTestError with the bad value.

    `targets` are those that TARGET names, with `auto` resolved; `server_settings` is what environment servers
    get from the environment.
    """
    seed = whole(settings, "SEED", 0, 2**32 - 1) if settings["SEED"] else random.randrange(2**32)
    repetitions = whole(settings, "REPETITIONS", 1, 1000)
    scenario = cast(Scenario, choice(settings, "SCENARIO", get_args(Scenario)))
    axes = _axes(settings, targets, scenario, repetitions)
    if axes.size > _MOST_CELLS:
        raise LoadTestError(
            f"the grid has {axes.size:,} cells; {_MOST_CELLS:,} are allowed: take values away"
        )
    cells = cells_in_random_order(axes, seed)
    if settings["ARRIVALS"] and not settings["USERS"]:
        for cell in cells:
            cell["users"] = _cell_config(settings, targets, cell, users="").users
    first = _cell_config(settings, targets, cells[0])
    if first.options.trace is not None:
        raise LoadTestError(
            f"SHAPE={settings['SHAPE']} is one load that was recorded, and a grid varies the load: replay it "
            "in a load test for each deployment"
        )
    fixed = dict(settings) | {"SEED": str(seed)}
    config = ExperimentConfig(
        scenario=scenario,
        targets=dict(targets),
        seed=seed,
        repetitions=repetitions,
        duration_s=None if scenario == "batch" else float(whole_seconds(settings, "DURATION")),
        slo=first.slo,
        settings=fixed,
        server_settings=dict(server_settings),
    )
    if first.tags:
        config["tags"] = list(first.tags)
    plan = ExperimentPlan(fixed, config, cells)
    for cell in cells:
        cell_config(plan, cell)
    return plan


def cell_config(plan: ExperimentPlan, cell: CellJson) -> LoadTestConfig:
    """The load test that makes a cell. Raises LoadTestError for values that no load test may have."""
    config = _cell_config(plan.settings, plan.config["targets"], cell)
    if plan.config["scenario"] == "batch":
        if cell.get("fault"):
            raise LoadTestError(
                f"FAULT={plan.settings['FAULT']} needs a load that goes on: leave FAULT or SCENARIO=batch out"
            )
        return replace(config, scenario="batch", duration_s=math.ceil(config.options.wait.longest) + 2)
    rate = config.spawn_rate
    if not plan.settings["SPAWN_RATE"]:
        rate = max(1.0, min(float(config.users), _SPAWNS_A_SECOND * config.processes))
    ramp_s = math.ceil(config.users / rate)
    options = config.options
    if options.arrivals is not None and options.arrivals.of == "sessions":
        rate, ramp_s = config.spawn_rate, math.ceil(options.stay_s)
    warmup_s = whole(plan.settings, "WARMUP", 0, 86400)
    duration_s = ramp_s + warmup_s + whole_seconds(plan.settings, "DURATION")
    return replace(
        config,
        spawn_rate=rate,
        warmup_s=warmup_s,
        duration_s=duration_s,
        faults=faults({"FAULT": cell.get("fault", ""), "TARGET": config.target}, duration_s),
    )


def differing_setting(given: Mapping[str, str | None], settings: Mapping[str, str]) -> str | None:
    """A setting given anew that an experiment to be resumed has otherwise, as NAME=value."""
    for name in sorted(_NAMES - _OF_ONE_PLACE):
        if (text := given.get(name)) and text != settings.get(name):
            return f"{name}={text}"
    return None


def named_targets(text: str) -> dict[str, str]:
    """The targets in `TARGET`, by their names within the experiment. Raises LoadTestError."""
    targets: dict[str, str] = {}
    for item in _items("TARGET", text):
        name, separator, target = item.partition("=")
        if not separator or "://" in name:
            target = item
            name = urlsplit(base_url(item)).netloc if "://" in item else item
        if "://" in target:
            target = base_url(target)
        elif target not in ("auto", "compose", "local", "stack"):
            raise LoadTestError(
                f"TARGET={target} is not known: give auto, compose, local or a URL such as http://…"
            )
        if not name or name in targets:
            raise LoadTestError(f"TARGET={text}: each target needs a name of its own, as in new=http://…")
        targets[name] = target
    return targets


def _cell_config(
    settings: Values, targets: Mapping[str, str], cell: CellJson, users: str | None = None
) -> LoadTestConfig:
    values = {
        **settings,
        "TARGET": targets[cell["deployment"]],
        "REPLICAS": str(cell["replicas"] or 1),
        "WORKERS": str(cell["workers"] or 1),
        "BALANCING": cell["balancing"] or "round_robin",
        "REUSE_PORT": "0" if cell["reuse_port"] is False else "1",
        "TRANSPORT": cell["transport"],
        "WAIT": cell["wait"],
        "USERS": str(cell["users"]) if users is None else users,
        "ARRIVALS": cell.get("arrivals", ""),
        "GROUPS": str(cell.get("groups", 1)),
        # Its times are those of the whole cell, ramp-up and warm-up included.
        "FAULT": "",
    }
    return load_test_config(values)


def _axes(settings: Values, targets: Mapping[str, str], scenario: Scenario, repetitions: int) -> Axes:
    values = {name: _items(name, settings[name]) for name in AXES if settings[name]}
    if settings["POLICY"] or settings["ACTION"] or settings["ACTIONS"] not in ("", "wait"):
        # The actions that are given ask for their own waits.
        values["WAIT"] = [load_options({**settings, "WAIT": "0", "ARRIVALS": ""}).wait.text]

    def numbers(name: str, most: int) -> list[int]:
        return list(dict.fromkeys(whole({name: text}, name, 1, most) for text in values[name]))

    def loads() -> list[Load]:
        if scenario == "rollouts":
            group = whole(settings, "GROUP", 1, 100_000)
            return [Load(group * groups, groups=groups) for groups in numbers("GROUPS", 100_000)]
        users = numbers("USERS", 1_000_000) if settings["USERS"] else [1]
        if not settings["ARRIVALS"]:
            return [Load(number) for number in users]
        if len(users) > 1:
            raise LoadTestError(
                f"USERS={settings['USERS']} and ARRIVALS={settings['ARRIVALS']} are both given: of the open "
                "model only arrivals vary: leave USERS out, or give one number"
            )
        return [Load(users[0], arrivals=each) for each in _streams(settings, values["ARRIVALS"])]

    return Axes(
        targets=dict(targets),
        replicas=numbers("REPLICAS", 256),
        workers=numbers("WORKERS", 256),
        balancing=values["BALANCING"],
        reuse_port=[choice({"REUSE_PORT": t}, "REUSE_PORT", ("0", "1")) == "1" for t in values["REUSE_PORT"]],
        transport=values["TRANSPORT"],
        wait=list(dict.fromkeys(map(_plain, values["WAIT"]))),
        loads=loads(),
        repetitions=repetitions,
        faults=_plans(settings["FAULT"]),
    )


def _plans(text: str) -> tuple[str, ...]:
    """The faults of each cell, with `/` between the plans; `none` for a run without."""
    plans = [plan.strip() for plan in text.split("/")]
    if len(plans) > 1 and not all(plans):
        raise LoadTestError(f"FAULT={text} has an empty plan: write none for a run without faults")
    return tuple(dict.fromkeys("" if plan == "none" else plan for plan in plans))


def _streams(settings: Values, items: list[str]) -> list[str]:
    """The arrivals of each cell; a number alone is a rate of the process before it."""
    found: list[str] = []
    for item in items:
        text = item if ":" in item or not found else f"{found[-1].partition(':')[0]}:{item}"
        arrivals = parse_arrivals({**settings, "ARRIVALS": text}, None)
        assert arrivals is not None
        found.append(arrivals.text)
    return list(dict.fromkeys(found))


def _plain(wait: str) -> str:
    """A constant as it is shortest, `0.1` for `0.10`, so that none is tried twice."""
    try:
        return f"{float(wait):.12g}"
    except ValueError:
        return wait


def _items(name: str, text: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise LoadTestError(f"{name}={text} has an empty value: write values with commas between them")
    return list(dict.fromkeys(items))


def _read_toml(file: Path) -> dict[str, str]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LoadTestError(
            f"GRID={file} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise LoadTestError(f"GRID={file} is not TOML: {error}") from None
    return {name: text for key, value in values.items() for name, text in [_setting(file, key, value)]}


def _setting(file: Path, key: str, value: Any) -> tuple[str, str]:
    name = {"TARGETS": "TARGET"}.get(key.upper(), key.upper())
    if name not in _NAMES:
        raise LoadTestError(f"GRID={file}: {refusal_of_key(key)}")
    if name == "TARGET" and isinstance(value, dict):
        return name, ",".join(f"{_text(file, key, k)}={_text(file, key, v)}" for k, v in value.items())
    if isinstance(value, list) and name in {*AXES, "TARGET", "FAULT"}:
        return name, ("/" if name == "FAULT" else ",").join(_text(file, key, item) for item in value)
    if name == "ACTION" and isinstance(value, dict):
        raise LoadTestError(f"GRID={file}: action is a table: write it as a string of JSON")
    return name, _text(file, key, value)


def _text(file: Path, key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str | int | float):
        text = str(value)
        if re.search(r"[\r\n]", text):
            raise LoadTestError(f"GRID={file}: {key} has a line break in it")
        return text
    raise LoadTestError(f"GRID={file}: {key} = {value!r} is not a value or a list of values")


def settings_of(config: ExperimentConfig) -> dict[str, str]:
    """The settings that an experiment was started with; those that are newer than it have their defaults.

    Raises LoadTestError if they were not recorded.
    """
    if not (recorded := config.get("settings")):
        raise LoadTestError("the experiment did not record its settings, so it cannot be resumed")
    return {setting.name: recorded.get(setting.name, setting.default) for setting in EXPERIMENT_SETTINGS}
