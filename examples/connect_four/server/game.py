"""The rules of connect four, and a simple opponent."""

import random
from dataclasses import dataclass, field

ROWS, COLUMNS = 6, 7
AGENT, OPPONENT, EMPTY = 1, -1, 0
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass
class Game:
    """A board; row 0 is the top."""

    board: list[list[int]] = field(default_factory=lambda: [[EMPTY] * COLUMNS for _ in range(ROWS)])

    def legal_columns(self) -> list[int]:
        """The columns that are not full."""
        return [column for column in range(COLUMNS) if self.board[0][column] == EMPTY]

    def drop(self, column: int, disc: int) -> bool:
        """Drops a disc into a column that is not full; whether that makes four in a row."""
        row = max(row for row in range(ROWS) if self.board[row][column] == EMPTY)
        self.board[row][column] = disc
        return any(self._length(row, column, direction) >= 4 for direction in _DIRECTIONS)

    def opponents_choice(self, rng: random.Random) -> int:
        """A column that wins at once, or that the agent would win with, if there is one, else any."""
        legal = self.legal_columns()
        for disc in (OPPONENT, AGENT):
            for column in legal:
                if self._would_win(column, disc):
                    return column
        return rng.choice(legal)

    def _would_win(self, column: int, disc: int) -> bool:
        trial = Game([row[:] for row in self.board])
        return trial.drop(column, disc)

    def _length(self, row: int, column: int, direction: tuple[int, int]) -> int:
        """How many discs of one kind stand in a line through a place."""
        disc, length = self.board[row][column], 1
        for sign in (1, -1):
            r, c = row + sign * direction[0], column + sign * direction[1]
            while 0 <= r < ROWS and 0 <= c < COLUMNS and self.board[r][c] == disc:
                length += 1
                r, c = r + sign * direction[0], c + sign * direction[1]
        return length
