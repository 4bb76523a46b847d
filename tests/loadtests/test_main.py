import pytest

from loadtests.__main__ import main


@pytest.mark.parametrize("command", ["run", "up", "down", "webui", "capacity"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main([command, "--help"])
    assert raised.value.code == 0
    assert "usage: python -m loadtests" in capsys.readouterr().out


def test_help_shows_defaults_and_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--balancing BALANCING round_robin, least_conn, ip_hash or random (default: round_robin)" in shown
    assert "at least" not in shown or "%%" not in shown
