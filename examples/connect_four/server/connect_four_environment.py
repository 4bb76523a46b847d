"""Connect four: the agent moves first, and the environment answers with its opponent's move."""

import random
from typing import Any
from uuid import uuid4

from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import State

try:
    from ..models import ConnectFourAction, ConnectFourObservation
    from .game import AGENT, OPPONENT, Game
except ImportError:
    from models import ConnectFourAction, ConnectFourObservation
    from server.game import AGENT, OPPONENT, Game

_REWARDS = {"won": 1.0, "drawn": 0.5}


class ConnectFourEnvironment(Environment[ConnectFourAction, ConnectFourObservation, State]):
    """One game at a time: 1 for a win, 0.5 for a draw, else 0. A full column ends the game as illegal."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._begin(None, None)

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **_: Any
    ) -> ConnectFourObservation:
        """Clears the board; the opponent's chance comes from `seed`."""
        self._begin(seed, episode_id)
        return self._observation("")

    def step(self, action: ConnectFourAction, **_: Any) -> ConnectFourObservation:
        """Plays the agent's disc and, if the game goes on, the opponent's."""
        self._state.step_count += 1
        if not self._result:
            self._result = self._play(action.column)
        return self._observation(self._result)

    @property
    def state(self) -> State:
        """The episode and its steps."""
        return self._state

    def _begin(self, seed: int | None, episode_id: str | None) -> None:
        self._state = State(episode_id=episode_id or str(uuid4()), step_count=0)
        self._game = Game()
        self._rng = random.Random(seed)
        self._result = ""

    def _play(self, column: int) -> str:
        game = self._game
        if column not in game.legal_columns():
            return "illegal"
        if game.drop(column, AGENT):
            return "won"
        if game.legal_columns() and game.drop(game.opponents_choice(self._rng), OPPONENT):
            return "lost"
        return "" if game.legal_columns() else "drawn"

    def _observation(self, result: str) -> ConnectFourObservation:
        return ConnectFourObservation(
            board=self._game.board,
            legal_columns=self._game.legal_columns(),
            result=result,
            done=bool(result),
            reward=_REWARDS.get(result, 0.0),
            metadata={"step_count": self._state.step_count},
        )
