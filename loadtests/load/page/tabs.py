"""Two tabs of Locust's own page, Distribution and Runs: their routes, and what the recording tells them."""

import subprocess
from pathlib import Path
from typing import Any

import gevent
import pyarrow as pa
from flask import Blueprint, Flask, abort, jsonify, request, send_file
from flask import Response as FlaskResponse
from gevent.queue import Queue
from locust.env import Environment
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_SPAWNING

from loadtests.load.page.distribution import Distribution
from loadtests.load.page.pulse import Pulse
from loadtests.load.page.pulses import Pulses
from loadtests.load.page.runs import StartedRun, StartedRuns
from loadtests.load.recorder import keep_pandas_out
from reports.page.palette import COLOURS
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunJson

TABS = [{"title": "Distribution", "key": "distribution"}, {"title": "Runs", "key": "runs"}]

_FOLDER = Path(__file__).parent
_SLICE_ROWS = 500
_SCRIPT = '<script type="module" src="./loadtest/tabs.js"></script>'


class Tabs:
    """Watches the recording of each test, and serves what it has seen."""

    def __init__(self, environment: Environment, pulses: Pulses) -> None:
        self._environment = environment
        self._pulses = pulses
        self._runs = StartedRuns()
        self._distribution: Distribution | None = None
        self._last_pulses: list[Pulse] = []
        self._unfolded: Queue[tuple[Distribution, pa.RecordBatch]] = Queue()
        assert environment.web_ui is not None
        assert environment.web_ui.app is not None
        environment.web_ui.template_args["extended_tabs"] = TABS
        self._add_routes(environment.web_ui.app)
        keep_pandas_out()
        gevent.spawn(self._fold)

    def begin(self, directory: RunDirectory, run: RunJson) -> None:
        """A test starts, recorded in `directory`."""
        self._runs.begin(directory)
        self._distribution = Distribution(run)

    def add(self, batch: pa.RecordBatch) -> None:
        """Rows were recorded. They are folded later, between operations of the users."""
        if self._distribution is not None:
            self._last_pulses = self._pulses.latest()
            self._unfolded.put((self._distribution, batch))

    def end(self, directory: RunDirectory, reporting: "subprocess.Popen[bytes] | None") -> None:
        """The test is over, and its report is being written by `reporting`, if it can be."""
        self._runs.end(directory, reporting)

    def _fold(self) -> None:
        while True:
            distribution, batch = self._unfolded.get()
            for start in range(0, batch.num_rows, _SLICE_ROWS):
                distribution.update(batch.slice(start, _SLICE_ROWS))
                gevent.sleep(0)

    def _add_routes(self, app: Flask) -> None:
        options = self._environment.parsed_options
        base_path = options.web_base_path if options is not None else None
        routes = Blueprint("loadtest", __name__, url_prefix=base_path or None)
        for path, view in (
            ("tabs.js", self._script),
            ("tabs.css", self._style),
            ("distribution", self._distribution_json),
            ("runs", self._runs_json),
            ("runs/<run_id>/report", self._report),
            ("runs/<run_id>/<file>", self._file),
        ):
            assert self._environment.web_ui is not None
            guarded = self._environment.web_ui.auth_required_if_enabled(view)
            routes.add_url_rule(f"/loadtest/{path}", view.__name__.strip("_"), guarded)
        app.register_blueprint(routes)
        app.after_request(_with_our_script)

    def _script(self) -> FlaskResponse:
        return _fresh(send_file(_FOLDER / "tabs.js", mimetype="text/javascript"))

    def _style(self) -> FlaskResponse:
        colours = "".join(f"--{each.name}: light-dark({each.light}, {each.dark}); " for each in COLOURS)
        style = f":host {{ {colours}}}\n" + (_FOLDER / "tabs.css").read_text(encoding="utf-8")
        return _fresh(FlaskResponse(style, mimetype="text/css"))

    def _distribution_json(self) -> FlaskResponse:
        runner, distribution = self._environment.runner, self._distribution
        state = runner.state if runner is not None else STATE_MISSING
        form: dict[str, Any] = {"state": state}
        if distribution is not None:
            live = state in (STATE_SPAWNING, STATE_RUNNING)
            form |= distribution.form(self._pulses.latest() if live else self._last_pulses)
        return _fresh(jsonify(form))

    def _runs_json(self) -> FlaskResponse:
        return _fresh(jsonify(self._runs.form()))

    def _report(self, run_id: str) -> FlaskResponse:
        run = self._run(run_id)
        if not run.directory.report_html.is_file():
            abort(404)
        response = _fresh(send_file(run.directory.report_html.absolute(), mimetype="text/html"))
        response.headers["Content-Security-Policy"] = f"{run.report_policy()}; frame-ancestors 'none'"
        return response

    def _file(self, run_id: str, file: str) -> FlaskResponse:
        run = self._run(run_id)
        path = run.files.get(file)
        if path is None:
            abort(404)
        name = f"{run_id}-{file}"
        if file != "steps.csv":
            return _fresh(send_file(path.absolute(), as_attachment=True, download_name=name))
        response = FlaskResponse(run.csv(), mimetype="text/csv")
        response.headers.set("Content-Disposition", "attachment", filename=name)
        return _fresh(response)

    def _run(self, run_id: str) -> StartedRun:
        run = self._runs.get(run_id)
        return run if run is not None else abort(404)


def _with_our_script(response: FlaskResponse) -> FlaskResponse:
    """Locust's page with the script that fills the tabs."""
    if request.endpoint == "locust.index" and response.status_code == 200:
        response.set_data(response.get_data(as_text=True).replace("</head>", f"{_SCRIPT}</head>", 1))
    return response


def _fresh(response: FlaskResponse) -> FlaskResponse:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
