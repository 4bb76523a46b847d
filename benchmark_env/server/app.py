"""The ASGI application: OpenEnv's routes for the Benchmark environment.

`/ws` holds a session; `/reset`, `/step` and `/state` are stateless; `/schema`, `/metadata`, `/health` and
`/docs` describe it; `/web` is a page to try it out, if `ENABLE_WEB_INTERFACE=true`.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    # Run as a file. The package comes first: it imports OpenEnv without what is not served.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    __package__ = "server"
    importlib.import_module(__package__)

from fastapi import FastAPI
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.types import ConcurrencyConfig
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from . import errors
from .benchmark_environment import BenchmarkEnvironment
from .inline import sessions_made_inline
from .lifecycle import Lifecycle, LifecycleMiddleware

if TYPE_CHECKING or "." in __package__:
    from ..models import BenchmarkAction, BenchmarkObservation
    from ..settings import Settings
else:
    from models import BenchmarkAction, BenchmarkObservation
    from settings import Settings

DIRECTORY = Path(__file__).resolve().parent.parent


def build(settings: Settings) -> FastAPI:
    """The application for these settings; its `state.lifecycle` lets a worker drain it before it stops."""
    # The page's description comes from there, which it finds without help only in the container.
    os.environ.setdefault("ENV_README_PATH", str(DIRECTORY / "README.md"))
    idle_timeout = settings.session_idle_timeout
    with sessions_made_inline():
        app: FastAPI = create_app(
            BenchmarkEnvironment.limited_to(settings.max_steps_in_flight),
            BenchmarkAction,
            BenchmarkObservation,
            env_name="benchmark_env",
            concurrency_config=ConcurrencyConfig(
                max_concurrent_envs=settings.max_concurrent_envs,
                # OpenEnv's own reaper, for sessions made over HTTP, does not see that a step is in flight.
                session_timeout=idle_timeout + settings.max_wait_seconds if idle_timeout else None,
            ),
        )
    errors.install(app)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_message_bytes)
    app.state.lifecycle = Lifecycle()
    app.add_middleware(LifecycleMiddleware, lifecycle=app.state.lifecycle, idle_timeout=idle_timeout)
    return app


app = build(Settings.from_environ(os.environ))


def main() -> None:
    """Serve from one process, without gunicorn: for development, with `--reload` on every change."""
    import uvicorn

    parser = argparse.ArgumentParser(description="Serve the Benchmark environment from one process.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--reload", action="store_true", help="restart whenever a source file changes")
    args = parser.parse_args()
    settings = Settings.from_environ(os.environ)
    uvicorn.run(
        f"{__package__}.app:app",
        host=args.host,
        port=args.port,
        reload=args.reload,
        access_log=settings.access_log,
        log_level=settings.log_level,
        ws_max_size=settings.max_message_bytes,
    )


if __name__ == "__main__":
    main()
