"""Lets the number of users follow a shape, in the closed model, through Locust's own load shapes."""

from typing import Any

from flask import request
from locust import LoadTestShape
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.errors import LoadTestError
from loadtests.load.shapes import parse_shape
from loadtests.load.trace import is_trace


class Shaping:
    """Gives one Locust environment its load shape before each test."""

    def __init__(self, environment: Environment) -> None:
        options: Any = environment.parsed_options
        self._environment = environment
        if isinstance(environment.runner, WorkerRunner):
            return
        self._set(options.shape, options.arrivals)
        if environment.web_ui is not None and environment.web_ui.app is not None:
            environment.web_ui.app.before_request(self._follow_form)

    def _follow_form(self) -> None:
        """The page decides between a shape and a fixed number of users before the test starts."""
        if request.method == "POST" and request.path.endswith("/swarm"):
            options: Any = self._environment.parsed_options
            form = request.form
            self._set(form.get("shape", options.shape), form.get("arrivals", options.arrivals))

    def _set(self, text: str, arrivals: str) -> None:
        try:
            shaped = not arrivals and not is_trace(text) and parse_shape(text) is not None
        except LoadTestError:  # is said when the test starts
            shaped = False
        self._environment.shape_class = _Shape(self._environment) if shaped else None


class _Shape(LoadTestShape):
    use_common_options = True

    def __init__(self, environment: Environment) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._environment = environment

    def tick(self) -> tuple[int, float] | None:
        """The users that should be there now, and how many may start or stop a second."""
        options: Any = self._environment.parsed_options
        shape, length_s = parse_shape(options.shape), options.run_time
        at_s: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if shape is None or (length_s and at_s >= length_s):
            return None
        most = options.num_users * shape.highest
        users = options.num_users * shape.level(at_s, length_s) if length_s else 1
        return max(1, round(users)), max(1.0, most)
