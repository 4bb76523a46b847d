"""What a calibration runs: each kind of reply times, in the closed model or the open one, at each load."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.commands import COMMANDS
from loadtests.settings import Values
from reports.records.schema import CalibrationCell

_SPAWNS_A_SECOND = 200
_OPEN_STEPS_A_USER = 2
"""Steps a second for each session of the open model: few enough that a stall finds sessions free."""


@dataclass(frozen=True)
class Kind:
    """Reply times under load."""

    name: str
    reply_times: str
    think_time: str
    """So that a user steps about 20 times a second, at moments that do not fall together."""
    is_open: bool = False
    transport: str = "ws"


KINDS = (
    Kind("constant 0 s", "constant:0", "uniform:0.03:0.07"),
    Kind("constant 20 ms", "constant:0.02", "uniform:0.01:0.05"),
    Kind("uniform", "uniform:0.005:0.05", "uniform:0.01:0.04"),
    Kind("lognormal", "lognormal:0.02:0.5", "uniform:0.01:0.05"),
    Kind("lognormal, HTTP", "lognormal:0.02:0.5", "uniform:0.01:0.05", transport="http"),
    Kind("bimodal", "bimodal:0.02:0.3:0.02", "uniform:0.01:0.05"),
    Kind("stalls", "stalls:0.02:2:0.2", "uniform:0.01:0.05"),
    Kind("stalls, open", "stalls:0.02:2:0.2", "0", is_open=True),
)
_BY_CELL = {(kind.name, kind.reply_times): kind for kind in KINDS}


def cells_of(users: Sequence[int], kinds: Sequence[Kind] = KINDS) -> list[CalibrationCell]:
    """The loads of a calibration, the lightest of all kinds first."""
    return [
        CalibrationCell(
            name=kind.name,
            reply_times=kind.reply_times,
            arrivals=f"poisson:{_OPEN_STEPS_A_USER * load}" if kind.is_open else None,
            users=load,
            status="pending",
            reason=None,
            run_id=None,
        )
        for load in sorted(users)
        for kind in kinds
    ]


def settings_of(cell: CalibrationCell, url: str, duration_s: int, results: str) -> Values:
    """The settings of `make loadtest` for a cell: the defaults, but for these."""
    kind = _BY_CELL[cell["name"], cell["reply_times"]]
    users = cell["users"]
    spawn_rate = min(users, _SPAWNS_A_SECOND)
    open_model = {"ARRIVALS": cell["arrivals"], "ARRIVALS_OF": "steps"} if cell["arrivals"] else {}
    return {
        **{setting.name: setting.default for setting in COMMANDS["run"]},
        "TARGET": url,
        "TRANSPORT": kind.transport,
        "USERS": str(users),
        "SPAWN_RATE": str(spawn_rate),
        "DURATION": str(duration_s + -(-users // spawn_rate)),
        "ACTION": '{"calibrate": true}',
        "THINK_TIME": kind.think_time,
        # A step's number is its own, as long as its session is never reset again.
        "STEPS_PER_EPISODE": "0",
        "RESULTS": results,
        **open_model,
    }
