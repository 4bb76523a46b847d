"""Plays connect four: wins where it can, prevents the opponent's win, and else prefers the middle.

make loadtest ENV=examples/connect_four POLICY=examples/connect_four/policy.py
"""

import random
from collections.abc import Iterator
from typing import Any

Board = list[list[int]]

OWN, OTHER = 1, -1
_MIDDLE = 3
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def act(observation: dict[str, Any], reward: float | None, step: int, rng: random.Random) -> dict[str, Any]:
    """The column to play; `observation` is what the last reset or step returned."""
    board, legal = observation["board"], observation["legal_columns"]
    for disc in (OWN, OTHER):
        for column in legal:
            if completes_four(board, column, disc):
                return {"column": column}
    return {"column": min(legal, key=lambda column: (abs(column - _MIDDLE), rng.random()))}


def completes_four(board: Board, column: int, disc: int) -> bool:
    """Whether a disc dropped into a column that is not full makes four in a row."""
    row = max(row for row in range(len(board)) if board[row][column] == 0)
    for down, right in _DIRECTIONS:
        ahead = _same(board, row, column, (down, right), disc)
        behind = _same(board, row, column, (-down, -right), disc)
        if sum(1 for _ in ahead) + sum(1 for _ in behind) >= 3:
            return True
    return False


def _same(board: Board, row: int, column: int, direction: tuple[int, int], disc: int) -> Iterator[int]:
    """One item for each neighbouring disc of one kind in a direction."""
    down, right = direction
    row, column = row + down, column + right
    while 0 <= row < len(board) and 0 <= column < len(board[0]) and board[row][column] == disc:
        yield disc
        row, column = row + down, column + right
