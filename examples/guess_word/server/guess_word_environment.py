"""The game: it remembers a word and how often one has guessed."""

import random
from typing import Any
from uuid import uuid4

from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import State

try:
    from ..models import Feedback, Guess
except ImportError:
    from models import Feedback, Guess

WORDS = ("apple", "beach", "chair", "dance", "eagle", "flame", "grape", "house", "jelly", "knife", "lemon")
TRIES = 6


class GuessWordEnvironment(Environment):
    """One game after another; the reward is the share of letters that are right."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = State(episode_id=str(uuid4()), step_count=0)
        self._word = WORDS[0]

    def reset(self, seed: int | None = None, episode_id: str | None = None, **_: Any) -> Feedback:
        """A new word."""
        self._word = random.Random(seed).choice(WORDS)
        self._state = State(episode_id=episode_id or str(uuid4()), step_count=0)
        return Feedback(text="guess a word of five letters", tries_left=TRIES)

    def step(self, action: Guess, **_: Any) -> Feedback:
        """Says of each letter whether it is right."""
        self._state.step_count += 1
        marks = "".join(
            "+" if letter == right else "?" if letter in self._word else "-"
            for letter, right in zip(action.word, self._word, strict=True)
        )
        left = TRIES - self._state.step_count
        return Feedback(
            text=marks,
            tries_left=left,
            reward=marks.count("+") / len(marks),
            done=marks == "+++++" or left <= 0,
        )

    @property
    def state(self) -> State:
        """How far the game has come."""
        return self._state
