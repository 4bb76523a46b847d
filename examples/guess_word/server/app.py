"""The application that a server serves."""

from openenv.core.env_server.http_server import create_app

try:
    from ..models import Feedback, Guess
    from .guess_word_environment import GuessWordEnvironment
except ImportError:
    from models import Feedback, Guess
    from server.guess_word_environment import GuessWordEnvironment

app = create_app(GuessWordEnvironment, Guess, Feedback, env_name="guess_word", max_concurrent_envs=1024)
