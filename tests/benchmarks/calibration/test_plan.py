from benchmarks.calibration.plan import KINDS, cells_of, settings_of
from benchmarks.calibration.reply_times import parse_reply_times
from loadtests.run.config import load_test_config


def test_every_kind_runs_at_every_load_the_lightest_first() -> None:
    cells = cells_of([64, 8])
    assert [cell["users"] for cell in cells] == [8] * len(KINDS) + [64] * len(KINDS)
    assert {cell["name"] for cell in cells} == {kind.name for kind in KINDS}
    assert all(parse_reply_times(cell["reply_times"]) for cell in cells)


def test_the_settings_are_those_of_a_load_test_whatever_the_environment_says() -> None:
    for cell in cells_of([512]):
        config = load_test_config(settings_of(cell, "http://127.0.0.1:1", 5, "results"))
        assert (config.users, config.duration_s, config.spawn_rate) == (512, 5 + 3, 200)
        assert config.options.steps_per_episode == 0
        arrivals = config.options.arrivals
        assert (arrivals.of if arrivals else None) == ("steps" if cell["arrivals"] else None)
