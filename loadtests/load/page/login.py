"""Lets only those use Locust's page who know its user and password, with Locust's own login form."""

import secrets

import gevent
from flask import Blueprint, redirect, request, session, url_for
from flask_login import login_user
from locust.web import WebUI
from werkzeug.wrappers import Response

from loadtests.load.page.credentials import Credentials

_AFTER_A_WRONG_ONE_S = 1.0


class PageUser:
    """The one user of the page, as flask-login wants to see users."""

    is_authenticated = is_active = True
    is_anonymous = False

    def __init__(self, name: str) -> None:
        self._name = name

    def get_id(self) -> str:
        """The name under which the session keeps the user."""
        return self._name


def require_login(web_ui: WebUI, who: Credentials, base_path: str) -> None:
    """Sets up what `--web-login` needs. A restart logs everyone out."""
    app = web_ui.app
    assert app is not None
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME=f"loadtest-{web_ui.port}",  # cookies of one machine's ports are not kept apart
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=bool(web_ui.tls_cert),
    )

    web_ui.login_manager.user_loader(lambda name: PageUser(name) if name == who.user else None)
    login = Blueprint("loadtest_login", __name__, url_prefix=base_path or None)

    @login.post("/loadtest/login")
    def log_in() -> Response:
        if who.match(request.form.get("username", ""), request.form.get("password", "")):
            login_user(PageUser(who.user))
            return redirect(url_for("locust.index"))
        gevent.sleep(_AFTER_A_WRONG_ONE_S)
        session["auth_error"] = "This user and password are not right"
        return redirect(url_for("locust.login"))

    app.register_blueprint(login)
    web_ui.auth_args = {"username_password_callback": f"{base_path}/loadtest/login"}
