import itertools

import numpy as np
import pytest

from loadtests.commands import USER_SETTINGS
from loadtests.errors import LoadTestError
from loadtests.load.arrivals import Arrivals, parse_arrivals
from loadtests.load.shapes import parse_shape


def arrivals(text: str, shape: str = "", of: str = "steps") -> Arrivals:
    values = {setting.name: setting.default for setting in USER_SETTINGS}
    found = parse_arrivals(values | {"ARRIVALS": text, "ARRIVALS_OF": of}, parse_shape(shape))
    assert found is not None
    return found


def test_constant_arrivals_are_evenly_spaced() -> None:
    times = list(itertools.islice(arrivals("constant:4").times(None), 4))
    assert times == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_poisson_arrivals_are_independent() -> None:
    times = np.array(list(itertools.islice(arrivals("poisson:50").times(None), 20_000)))
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 50, rel=0.03)
    assert np.corrcoef(gaps[:-1], gaps[1:])[0, 1] == pytest.approx(0, abs=0.03)
    a_second = np.bincount(times.astype(int))[:-1]
    assert a_second.var() == pytest.approx(a_second.mean(), rel=0.2)


def test_they_are_the_same_in_every_process_and_every_run() -> None:
    first, second = (list(itertools.islice(arrivals("poisson:9").times(None), 50)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("process", ["constant", "poisson"])
def test_processes_share_all_arrivals_among_them(process: str) -> None:
    given = arrivals(f"{process}:100")
    shares = [list(itertools.takewhile(lambda at: at < 30, given.share(None, part, 4))) for part in range(4)]
    assert sorted(itertools.chain(*shares)) == list(
        itertools.takewhile(lambda at: at < 30, given.times(None))
    )
    assert all(len(share) == pytest.approx(750, rel=0.2) for share in shares)


def test_a_process_that_is_not_among_those_that_share_gets_none() -> None:
    assert next(arrivals("constant:100").share(None, None, 4), None) is None


def test_poisson_arrivals_of_several_processes_stay_so_where_their_clocks_start_at_different_moments() -> (
    None
):
    given, parts, length_s = arrivals("poisson:400"), 4, 100
    starts_s = 0.2 * np.arange(parts)
    times = np.concatenate(
        [
            start_s
            + np.array(list(itertools.takewhile(lambda at: at < length_s, given.share(None, part, parts))))
            for part, start_s in enumerate(starts_s)
        ]
    )
    # Dealt out in turn, counts of pieces shorter than those differences would vary half as much or less.
    counted = np.histogram(times, np.arange(1, length_s, 0.05))[0]
    assert counted.var() == pytest.approx(counted.mean(), rel=0.15)


@pytest.mark.parametrize("process", ["constant", "poisson"])
@pytest.mark.parametrize("shape", ["ramp:0:2", "steps:5", "spike:3:5:2", "soak:4", "sine:1:5"])
def test_a_shape_changes_their_rate_and_keeps_their_number(process: str, shape: str) -> None:
    given = parse_shape(shape)
    assert given is not None
    times = np.array(list(arrivals(f"{process}:500", shape).times(20)))
    assert (np.diff(times) >= 0).all()
    edges = np.linspace(0, 20, 11)
    middles = np.linspace(0, 20, 2001)[:-1] + 0.005
    levels = np.array([given.level(at, 20) for at in middles]).reshape(10, 200).mean(axis=1)
    counted = np.histogram(times, edges)[0]
    assert counted == pytest.approx(1000 * levels, abs=2 if process == "constant" else 200)


def test_a_shape_needs_to_know_how_long_the_load_lasts() -> None:
    with pytest.raises(LoadTestError, match="SHAPE=ramp:0:1 needs an end"):
        next(arrivals("constant:4", "ramp:0:1").times(None))


def test_the_highest_rate_is_that_of_the_highest_level() -> None:
    assert arrivals("constant:4").highest_rate == 4
    assert arrivals("constant:4", "spike:5:1:1").highest_rate == 20


@pytest.mark.parametrize(
    "text",
    ["constant", "constant:", "constant:0", "constant:-1", "poisson:x", "uniform:5", "poisson:inf", "5"],
)
def test_what_is_no_stream_of_arrivals_is_refused(text: str) -> None:
    with pytest.raises(
        LoadTestError, match=rf"ARRIVALS={text} is no stream of arrivals: write constant:RATE"
    ):
        arrivals(text)


def test_only_sessions_or_steps_arrive() -> None:
    with pytest.raises(LoadTestError, match="ARRIVALS_OF=users is not known: give sessions or steps"):
        arrivals("constant:5", of="users")
