from pathlib import Path

import pytest

from loadtests import places
from tests.conftest import ROOT


def test_in_a_checkout_everything_is_beside_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert not places.is_installed()
    assert places.compose_folder() == ROOT / "compose"
    assert places.ENVIRONMENT == ROOT / "benchmark_env"
    assert places.state_folder() == ROOT / ".deployments"


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("/state", "/state/openenv-loadtest"),
        ("", "/home/me/.local/state/openenv-loadtest"),
        # As the XDG Base Directory Specification says of relative paths: ignored.
        ("state", "/home/me/.local/state/openenv-loadtest"),
    ],
)
def test_deployments_of_an_installed_package_are_noted_in_the_folder_of_the_user(
    variable: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "is_installed", lambda: True)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_STATE_HOME", variable)
    assert places.state_folder() == Path(folder)
