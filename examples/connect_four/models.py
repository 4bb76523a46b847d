"""What an agent of the connect four environment sends and sees."""

from openenv.core.env_server.types import Action, Observation
from pydantic import Field


class ConnectFourAction(Action):
    """Drops one of the agent's discs."""

    column: int = Field(ge=0, le=6, description="the column, 0 is the leftmost")


class ConnectFourObservation(Observation):
    """The board after the opponent's move: the agent's discs are 1, the opponent's -1, and 0 is empty."""

    board: list[list[int]] = Field(default_factory=list, description="six rows of seven, the top row first")
    legal_columns: list[int] = Field(default_factory=list, description="the columns that are not full")
    result: str = Field(default="", description="won, lost, drawn or illegal; empty while the game goes on")
