"""The user and password that Locust's page asks for, from the environment: others can read command lines."""

import hmac
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from loadtests.errors import LoadTestError

USER, PASSWORD = "WEB_USER", "WEB_PASSWORD"
_LOCUST = "LOADTEST_"
_SHORTEST = 8


@dataclass(frozen=True)
class Credentials:
    """Who may use the page."""

    user: str
    password: str = field(repr=False)

    def match(self, user: str, password: str) -> bool:
        """Whether both are right; how long it takes says nothing of either."""
        same_user = hmac.compare_digest(user.encode(), self.user.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and same_user

    def environ(self) -> dict[str, str]:
        """Environment variables that pass them to Locust."""
        return {f"{_LOCUST}{USER}": self.user, f"{_LOCUST}{PASSWORD}": self.password}


def credentials(environ: Mapping[str, str] = os.environ) -> Credentials:
    """The user and password in the environment. Raises LoadTestError where one is missing or too short."""
    found = {name: environ.get(f"{_LOCUST}{name}") or environ.get(name) or "" for name in (USER, PASSWORD)}
    if missing := [name for name, value in found.items() if not value]:
        raise LoadTestError(
            f"the page is to ask for a user and a password, but {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not set: export {USER} and {PASSWORD}"
        )
    if len(found[PASSWORD]) < _SHORTEST:
        raise LoadTestError(f"{PASSWORD} is too short: give at least {_SHORTEST} characters")
    return Credentials(found[USER], found[PASSWORD])


def taken_credentials(environ: MutableMapping[str, str] = os.environ) -> Credentials:
    """The same, removed from the environment, so that servers under load do not inherit them."""
    found = credentials(environ)
    for name in (USER, PASSWORD):
        environ.pop(name, None)
        environ.pop(f"{_LOCUST}{name}", None)
    return found
