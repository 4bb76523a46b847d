"""A policy: a Python function that picks each action from the last observation."""

import hashlib
import importlib
import importlib.util
import inspect
import os
import random
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from loadtests.errors import LoadTestError
from reports.page.words import printable
from reports.records.schema import PolicyJson

FOLDER = "LOADTEST_POLICY_FOLDER"
"""The environment variable with the folder in which the modules of policies are looked up too.

It is where the harness was started; Locust runs elsewhere.
"""

Act = Callable[[dict[str, Any], float | None, int, random.Random], Mapping[str, Any]]
"""`act(observation, reward, step, rng)` returns the next action.

`observation` is that of the last reset or step, `reward` what that step earned, None after a reset; `step` is
0, 1, 2 … within the episode, and `rng` a source of chance of each user's own.
"""

_DEFAULT_FUNCTION = "act"
_SIGNATURE = "act(observation, reward, step, rng)"
_HOW = "give my_policy.py, my_policy.py:function or module:function"


@dataclass(frozen=True)
class Policy:
    """A policy that was found and can be called."""

    text: str
    """Names it wherever it is started from: an absolute path or a module, and the function."""
    act: Act | None
    """None: the users' own class picks their actions."""
    name: str
    """As reports show it: without the folders above its file."""
    source: Path | None
    """The file that it was read from."""

    def described(self) -> PolicyJson:
        """What run.json says about it."""
        try:
            digest = hashlib.sha256(self.source.read_bytes()).hexdigest() if self.source else None
        except OSError:
            digest = None
        return PolicyJson(name=self.name, sha256=digest)


class PolicyError(Exception):
    """A policy that failed while it played: the message says how, and in which line."""


def load_policy(text: str) -> Policy:
    """The policy that POLICY names: `file.py`, `file.py:function` or `module:function`.

    Raises LoadTestError where there is none, or where it cannot be called as a policy is.
    """
    where, function = _parts(text)
    if where.endswith(".py") or os.sep in where:
        path = Path(where).expanduser().absolute()
        module = _module_of_file(text, path)
        where, name = str(path), path.name
    else:
        module = _module_of_name(text, where)
        name = where
    act = getattr(module, function, None)
    if act is None:
        raise LoadTestError(
            f"POLICY={text}: {name} has no function {function}: define {_SIGNATURE}, or name another: {_HOW}"
        )
    _check_call(text, function, act)
    source = inspect.getsourcefile(module)
    return Policy(f"{where}:{function}", act, f"{name}:{function}", Path(source) if source else None)


def policy_of_class(users: type) -> Policy:
    """The policy of a class of users whose own method `act` picks their actions."""
    source = inspect.getsourcefile(users)
    file = Path(source) if source else None
    prefix = f"{file.name}:" if file else ""
    return Policy("", None, f"{prefix}{users.__qualname__}.act", file)


def policy_failure(error: Exception, act: Callable[..., Any]) -> PolicyError:
    """The error of a policy as one line: the exception, and where in the policy it was raised."""
    code = getattr(inspect.unwrap(act), "__code__", None)
    own = code.co_filename if code is not None else None
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((each for each in reversed(frames) if each.filename == own), frames[-1] if frames else None)
    said = printable(str(error))
    what = f"the policy raised {type(error).__name__}{f': {said}' if said else ''}"
    return PolicyError(f"{what} ({Path(frame.filename).name}, line {frame.lineno})" if frame else what)


def checked(action: Any) -> dict[str, Any]:
    """An action as a policy returned it. Raises PolicyError where it is none."""
    if not isinstance(action, dict):
        raise PolicyError(
            f"the policy returned {printable(repr(action), 100)}, not a dict: return the action to send"
        )
    return action


def not_json(action: Any, error: Exception) -> PolicyError:
    """The error of an action that cannot be sent."""
    return PolicyError(f"the policy returned {printable(repr(action), 100)}, which is not JSON: {error}")


def _parts(text: str) -> tuple[str, str]:
    where, separator, function = text.rpartition(":")
    if not separator:
        where, function = text, _DEFAULT_FUNCTION
    if not where or not function.isidentifier():
        raise LoadTestError(f"POLICY={text} does not name a function: {_HOW}")
    return where, function


def _module_of_file(text: str, path: Path) -> ModuleType:
    try:
        changed_at = path.stat().st_mtime_ns
        if not path.is_file():
            raise LoadTestError(f"POLICY={text} is not a file: {_HOW}")
    except OSError as error:
        raise LoadTestError(f"POLICY={text} cannot be read ({error.strerror}): {_HOW}") from None
    if path.suffix != ".py":
        raise LoadTestError(f"POLICY={text} is not a Python file: {_HOW}")
    try:
        return _run_file(path, changed_at)
    except (Exception, SystemExit) as error:
        raise _unloadable(text, error, str(path)) from None


@lru_cache(maxsize=8)
def _run_file(path: Path, _changed_at: int) -> ModuleType:
    """The module that a file makes; a file that has changed is read again. Raises what it raises."""
    name = f"policy_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    _look_in(path.parent)
    sys.modules[name] = module  # where dataclasses and pickle look it up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _module_of_name(text: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadTestError(f"POLICY={text} is neither a file nor a module: {_HOW}")
    folder = Path(os.environ.get(FOLDER) or Path.cwd())
    _look_in(folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise LoadTestError(
                f"POLICY={text}: there is no module {error.name} in {folder} or installed: {_HOW}"
            ) from None
        raise _unloadable(text, error, None) from None
    except (Exception, SystemExit) as error:
        raise _unloadable(text, error, None) from None


def _look_in(folder: Path) -> None:
    """Lets modules be imported from a folder, after all others: its names hide none."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _unloadable(text: str, error: BaseException, file: str | None) -> LoadTestError:
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((each for each in reversed(frames) if each.filename == file), None)
    where = f" ({Path(frame.filename).name}, line {frame.lineno})" if frame else ""
    return LoadTestError(f"POLICY={text} cannot be loaded: {type(error).__name__}: {error}{where}")


def _check_call(text: str, function: str, act: Any) -> None:
    """Raises LoadTestError where `act` cannot be called as a policy is."""
    if not callable(act):
        raise LoadTestError(f"POLICY={text}: {function} is not a function: define {_SIGNATURE}")
    if inspect.iscoroutinefunction(act) or inspect.isgeneratorfunction(act):
        raise LoadTestError(f"POLICY={text}: {function} is asynchronous or yields: write a plain function")
    try:
        signature = inspect.signature(act)
    except (TypeError, ValueError):  # one of C: only a call tells
        return
    try:
        signature.bind({}, None, 0, None)
    except TypeError:
        raise LoadTestError(
            f"POLICY={text}: {function}{signature} cannot take what a policy is given: define {_SIGNATURE}"
        ) from None
