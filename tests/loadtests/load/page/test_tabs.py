"""The routes behind the tabs, on Locust's own application, in a process of its own: Locust patches Python."""

import json
from pathlib import Path

import pytest

from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamWriter
from tests.loadtests.batches import run_json
from tests.loadtests.locust_python import locust_python
from tests.loadtests.rows import batch

_ROUTES = """
import json, sys
from pathlib import Path
from locust import User
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.web import WebUI
import gevent
from loadtests.load.page.credentials import Credentials
from loadtests.load.page.login import require_login
from loadtests.load.page.pulses import Pulses
from loadtests.load.page.tabs import Tabs
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamReader

login, path, base, *requests = json.loads(sys.argv[1])
environment = Environment(user_classes=[User], parsed_options=get_parser().parse_args([]), host="http://x")
environment.parsed_options.web_base_path = base
environment.create_local_runner()
page = WebUI(environment, "127.0.0.1", 0, web_base_path=base, web_login=login, delayed_start=True)
if login:
    require_login(page, Credentials("ada", "correct horse"), base)
tabs = Tabs(environment, Pulses(environment))
directory = RunDirectory(Path(path))
tabs.begin(directory, directory.read())
for recorded in StreamReader(directory.steps.stream).read():
    tabs.add(recorded)
directory.compact()
tabs.end(directory, None)
gevent.sleep(0.01)
client = page.app.test_client()
answers = []
for method, where, form in requests:
    answer = client.open(where, method=method, data=form)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    answers.append([answer.status_code, answer.get_data().decode(errors="replace"), headers])
heavy = [name for name in ("pandas", "matplotlib", "scipy", "openenv") if name in sys.modules]
print(json.dumps([heavy, answers]))
"""

POLICY = "default-src 'none'; script-src 'sha256-x'"

Request = tuple[str, str, dict[str, str]]
Answer = tuple[int, str, dict[str, str]]


@pytest.fixture
def recorded(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory.create(tmp_path / "results", "ws", at=0)
    directory.write(run_json(directory.path.name, users=4, workers=2))
    writer = StreamWriter(directory.steps.stream, STEPS)
    writer.append(batch({"user": 1}, {"error": "timeout", "error_detail": "<script>alert(1)</script>"}))
    writer.close()
    page = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><h1>A report</h1>'
    directory.report_html.write_text(page)
    (tmp_path / "secret").write_text("not yours")
    (directory.path / "locust.log").write_text("not yours")
    RunDirectory.create(tmp_path / "results", "other", at=0).report_html.write_text("not yours")
    return directory


def ask(
    directory: RunDirectory, *requests: Request | str, login: bool = False, base: str = ""
) -> list[Answer]:
    whole = [("GET", each, {}) if isinstance(each, str) else each for each in requests]
    done = locust_python("-c", _ROUTES, json.dumps([login, str(directory.path), base, *whole]))
    assert done.returncode == 0, done.stderr
    heavy, answers = json.loads(done.stdout.splitlines()[-1])
    assert heavy == []
    return [(status, text, headers) for status, text, headers in answers]


def test_the_tabs_and_the_files_of_started_tests_are_served(recorded: RunDirectory) -> None:
    run = f"/loadtest/runs/{recorded.path.name}"
    index, script, style, distribution, runs, report, parquet, csv = ask(
        recorded,
        "/",
        *(f"/loadtest/{name}" for name in ("tabs.js", "tabs.css", "distribution", "runs")),
        f"{run}/report",
        f"{run}/steps.parquet",
        f"{run}/steps.csv",
    )
    assert 'src="./loadtest/tabs.js"' in index[1]
    assert '"extended_tabs": [{"key": "distribution", "title": "Distribution"}' in index[1]
    assert "MutationObserver" in script[1]
    assert "light-dark(" in style[1]
    form = json.loads(distribution[1])
    assert (form["workers"][0]["steps"], form["errors"][0]["category"]) == (1, "timeout")
    assert json.loads(runs[1])["runs"][0]["files"] == ["steps.csv", "steps.parquet"]
    assert "<h1>A report</h1>" in report[1]
    assert report[2]["content-security-policy"] == f"{POLICY}; frame-ancestors 'none'"
    assert parquet[1].startswith("PAR1")
    assert recorded.path.name in parquet[2]["content-disposition"]
    assert csv[1].count("\n") == 3
    for status, _, headers in (script, style, distribution, runs, report, parquet, csv):
        assert (status, headers["x-content-type-options"], headers["cache-control"]) == (
            200,
            "nosniff",
            "no-store",
        )


def test_nothing_else_is_served(recorded: RunDirectory) -> None:
    run = f"/loadtest/runs/{recorded.path.name}"
    (other,) = (path.name for path in recorded.path.parent.iterdir() if path != recorded.path)
    answers = ask(
        recorded,
        f"{run}/locust.log",
        f"{run}/../../secret",
        f"{run}/..%2f..%2fsecret",
        f"/loadtest/runs/{other}/report",
        "/loadtest/runs/..%2fsecret/report",
        f"{run}/report.json",
    )
    assert [status for status, *_ in answers] == [404] * 6
    assert not any("not yours" in text for _, text, _ in answers)


def test_who_has_not_logged_in_sees_nothing(recorded: RunDirectory) -> None:
    run = f"/loadtest/runs/{recorded.path.name}"
    guarded = ["tabs.js", "tabs.css", "distribution", "runs"]
    paths = [
        "/",
        "/stats/requests",
        *(f"/loadtest/{each}" for each in guarded),
        f"{run}/report",
        f"{run}/steps.csv",
    ]
    right = {"username": "ada", "password": "correct horse"}
    answers = ask(
        recorded,
        *paths,
        ("POST", "/loadtest/login", right | {"password": "wrong horse"}),
        "/login",
        "/loadtest/runs",
        ("POST", "/loadtest/login", right),
        "/loadtest/runs",
        login=True,
    )
    for status, _, headers in answers[: len(paths)]:
        assert (status, headers["location"].partition("?")[0]) == (302, "/login")
    wrong, form, still_out, logged_in, seen = answers[len(paths) :]
    assert (wrong[0], wrong[2]["location"]) == (302, "/login")
    assert "This user and password are not right" in form[1]
    assert "/loadtest/login" in form[1]
    assert still_out[0] == 302
    assert (logged_in[0], logged_in[2]["location"]) == (302, "/")
    assert "HttpOnly" in logged_in[2]["set-cookie"]
    assert "SameSite=Lax" in logged_in[2]["set-cookie"]
    assert (seen[0], len(json.loads(seen[1])["runs"])) == (200, 1)


def test_below_a_base_path_everything_is_below_it(recorded: RunDirectory) -> None:
    index, runs, outside = ask(recorded, "/load/", "/load/loadtest/runs", "/loadtest/runs", base="/load")
    assert (index[0], runs[0], outside[0]) == (200, 200, 404)
