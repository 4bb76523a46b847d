import argparse

import pytest

from loadtests.errors import LoadTestError
from loadtests.settings import Setting, add_settings, choice, number, whole


def parsed(setting: Setting, *arguments: str) -> str:
    parser = argparse.ArgumentParser()
    add_settings(parser, [setting])
    return str(vars(parser.parse_args(arguments))[setting.name])


def test_the_command_line_comes_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = Setting("SOME_THING", "1", "at least 50 %")
    monkeypatch.delenv("SOME_THING", raising=False)
    assert parsed(setting) == "1"
    monkeypatch.setenv("SOME_THING", "2")
    assert parsed(setting) == "2"
    assert parsed(setting, "--some-thing", "3") == "3"
    monkeypatch.setenv("SOME_THING", "")
    assert parsed(setting) == "1"


def test_an_option_may_stand_alone_where_the_setting_says_what_that_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = Setting("SOME_THING", "", "which", alone="the last")
    monkeypatch.delenv("SOME_THING", raising=False)
    assert parsed(setting) == ""
    assert parsed(setting, "--some-thing") == "the last"
    assert parsed(setting, "--some-thing", "this") == "this"


def test_what_is_a_variable_only_has_no_option_but_stands_in_the_help() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, [Setting("SECRET", "", "never shown", "server", has_option=False)])
    assert "SECRET" not in vars(parser.parse_args([]))
    assert "server:\n  variables only: SECRET (never shown)\n" in parser.format_help()


@pytest.mark.parametrize("text", ["", "x", "1.5", "1e3", "-1", "11", "٣", "9" * 30])
def test_what_is_no_whole_number_in_range_is_named(text: str) -> None:
    with pytest.raises(LoadTestError, match=r"N=.* give a whole number from 0 to 10"):
        whole({"N": text}, "N", 0, 10)


@pytest.mark.parametrize("text", ["", "x", "nan", "inf"])
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(LoadTestError, match=f"N={text} is not a number"):
        number({"N": text}, "N")


def test_what_is_no_choice_is_named_with_the_choices() -> None:
    with pytest.raises(LoadTestError, match="N=c is not known: give a or b"):
        choice({"N": "c"}, "N", ("a", "b"))
