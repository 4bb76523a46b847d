"""The ASGI application: OpenEnv's routes for connect four."""

import argparse
import os

from openenv.core.env_server.http_server import create_app

try:
    from ..models import ConnectFourAction, ConnectFourObservation
    from .connect_four_environment import ConnectFourEnvironment
except ImportError:
    from models import ConnectFourAction, ConnectFourObservation
    from server.connect_four_environment import ConnectFourEnvironment

app = create_app(
    ConnectFourEnvironment,
    ConnectFourAction,
    ConnectFourObservation,
    env_name="connect_four",
    max_concurrent_envs=int(os.environ.get("MAX_CONCURRENT_ENVS", "1000")),
)


def main() -> None:
    """Serves from one process, for development."""
    import uvicorn

    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvicorn.run(app, host=options.host, port=options.port)


if __name__ == "__main__":
    main()
