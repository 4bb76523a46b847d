"""What is said, and what is answered."""

from openenv.core.env_server.types import Action, Observation
from pydantic import Field


class Guess(Action):
    """A word of five letters."""

    word: str = Field(pattern="^[a-z]{5}$", description="five letters, a to z", examples=["crane", "mango"])


class Feedback(Observation):
    """What is known of the word."""

    text: str
    """Of each letter: `+` right, `?` elsewhere in the word, `-` not in it; at first what to do."""
    tries_left: int
