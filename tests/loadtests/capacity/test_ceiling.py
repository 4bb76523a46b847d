import pytest

from loadtests.capacity.ceiling import ceiling
from loadtests.capacity.config import capacity_config
from loadtests.commands import CAPACITY_SETTINGS
from loadtests.deployments.url import UrlDeployment


def test_no_batch_is_larger_than_asked_for_or_than_open_files_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {setting.name: setting.default for setting in CAPACITY_SETTINGS}
    server = UrlDeployment("http://127.0.0.1:9")
    asked = ceiling(capacity_config(settings | {"MOST": "50"}), server)
    assert (asked.load, asked.kind) == (50, "cap")
    monkeypatch.setattr("loadtests.capacity.ceiling.raise_open_file_limit", lambda: 1024)
    files = ceiling(capacity_config(settings | {"PROCESSES": "2"}), server)
    assert files.kind == "open_files"
    assert 1024 < files.load < 2048
    assert "1,024 open files" in files.explanation
    monkeypatch.setattr(server, "most_sessions", lambda: 700)
    assert ceiling(capacity_config(settings), server).load == 700
    assert capacity_config(settings | {"MOST": "50"}).load.deployment.sessions == 50
    assert ceiling(capacity_config(settings | {"TRANSPORT": "http"}), server).load > 700


def test_open_files_bound_a_rate_by_the_sessions_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {setting.name: setting.default for setting in CAPACITY_SETTINGS}
    rates = settings | {"ARRIVALS": "poisson", "ARRIVALS_OF": "steps", "SLO_P99": "0.5"}
    server = UrlDeployment("http://127.0.0.1:9")
    asked = ceiling(capacity_config(rates | {"MOST": "50"}), server)
    assert (asked.load, asked.kind) == (50, "cap")
    assert asked.explanation == "50 steps/s, the most to be tried, meets the objective"
    monkeypatch.setattr("loadtests.capacity.ceiling.raise_open_file_limit", lambda: 1100)
    files = ceiling(capacity_config(rates), server)
    assert files.kind == "open_files"
    assert 1.5 * 0.5 * files.load <= 1000 < 1.5 * 0.5 * (files.load + 1)
    assert f"1,000 sessions, enough for {files.load:,} steps/s" in files.explanation
