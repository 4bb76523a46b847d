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
