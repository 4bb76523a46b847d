import re
from dataclasses import fields

import pytest

from benchmark_env.settings import Settings
from loadtests.commands import (
    COMMANDS,
    EXPERIMENT_SETTINGS,
    SERVER_VARIABLES,
    TARGETS,
    invocation,
    refusal_of_key,
    refusal_of_variable,
)
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("name", "targets", "refusal"),
    [
        ("USRES", ["loadtest"], "USRES is no setting of loadtest; did you mean USERS?"),
        ("users", ["loadtest"], "users is no setting of loadtest; did you mean USERS?"),
        ("header", ["webui"], "header is no setting of webui; did you mean HEADERS?"),
        ("LOG_LEVL", ["up"], "LOG_LEVL is no setting of up; did you mean LOG_LEVEL?"),
        ("COLOUR", ["loadtest"], "COLOUR is no setting of loadtest"),
        (
            "USERS",
            ["up"],
            "USERS is no setting of up; loadtest, faults, master, webui, scaling, stack and calibrate",
        ),
        (
            "users",
            ["up"],
            "users is no setting of up; loadtest, faults, master, webui, scaling, stack and calibrate",
        ),
        ("SEED", ["loadtest"], "SEED is no setting of loadtest; scaling and kills have it"),
        (
            "PORT",
            ["report", "compare"],
            "PORT is no setting of report or compare; loadtest, faults, master, webui",
        ),
        ("OUTPT", ["compare"], "OUTPT is no setting of compare; did you mean OUTPUT?"),
    ],
)
def test_a_variable_that_is_no_setting_of_a_target_is_refused(
    name: str, targets: list[str], refusal: str
) -> None:
    assert (refusal_of_variable(name, targets) or "").startswith(refusal)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("USERS", ["up", "loadtest", "down"]),
        ("PYTHON", ["down"]),
        ("HEADERS", ["capacity"]),
        ("LOG_LEVEL", ["up"]),
        ("PYTHON_IMAGE", ["scaling"]),
        ("TESTS", ["test"]),
    ],
)
def test_a_variable_that_one_of_the_targets_has_is_none_to_refuse(name: str, targets: list[str]) -> None:
    assert refusal_of_variable(name, targets) is None


@pytest.mark.parametrize(
    ("key", "refusal"),
    [
        ("usres", "usres is no setting of a grid; did you mean users?"),
        ("Repetition", "Repetition is no setting of a grid; did you mean repetitions?"),
        ("tries", "tries is no setting of a grid; capacity has it"),
        ("headers", "headers is no setting of a grid; set the variable HEADERS"),
        ("resume", "resume is no setting of a grid; set the variable RESUME"),
        ("colour", "colour is no setting of a grid"),
    ],
)
def test_a_key_of_a_grid_that_is_no_setting_is_refused(key: str, refusal: str) -> None:
    assert refusal_of_key(key) == refusal


def test_every_target_that_checks_its_settings_has_its_line_in_the_table() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"^([a-z]+): settings ", makefile, re.MULTILINE)) == set(TARGETS)


def test_every_variable_that_the_makefile_reads_is_a_setting_of_its_target() -> None:
    recipes = re.findall(
        r"^([a-z]+): settings .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    for target, recipe in recipes:
        for name in re.findall(r"\$\((?:or \$\(|if \$\()?([A-Z_]+)\b", recipe):
            assert name in ("BIN", "CURDIR") or refusal_of_variable(name, [target]) is None, (target, name)


def test_every_setting_that_servers_have_is_passed_on_or_the_harness_sets_it() -> None:
    read = {field.name.upper() for field in fields(Settings)}
    set_by_the_harness = {"WORKERS", "BIND", "HOST_URL", "REUSE_PORT", "ACCESS_LOG"}
    assert {each.name for each in SERVER_VARIABLES} == read - set_by_the_harness


def test_every_variable_of_the_compose_file_is_a_setting_or_the_harness_sets_it() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose" / "compose.yaml").read_text()))
    directives = {"ACCESS_LOG_DIRECTIVE", "BALANCING_DIRECTIVE"}
    set_by_the_harness = directives | {"DEPLOYMENT", "ENV_CONTEXT", "ENV_IMAGE_INPUTS"}
    generators_started_by_hand = {name for name in used if name.startswith("LOCUST_")}
    assert used - set_by_the_harness - generators_started_by_hand <= {each.name for each in TARGETS["up"]}


def test_no_command_has_a_setting_twice() -> None:
    for settings in (*COMMANDS.values(), *TARGETS.values()):
        names = [each.name for each in settings]
        assert len(names) == len(set(names))


def test_what_experiments_record_can_be_given_as_options() -> None:
    assert all(each.has_option for each in EXPERIMENT_SETTINGS)


def test_an_invocation_is_one_of_make_in_a_checkout_and_of_the_command_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert invocation("scaling", RESUME="results/x") == "make scaling RESUME=results/x"
    assert invocation("down") == "make down"
    monkeypatch.setattr("loadtests.commands.is_installed", lambda: True)
    assert invocation("scaling", RESUME="results/x") == "openenv-loadtest scaling --resume results/x"
    assert invocation("report", RUN="results/x") == "openenv-loadtest report results/x"
    assert invocation("down") == "openenv-loadtest down"
