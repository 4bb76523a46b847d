"""Rows that belong to groups, such as users and sessions, worked on piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

_RADIX = 1 << 16
_PIECE = 1 << 18
"""Rows that are worked on at once, few enough for what is made of them to stay in the processor's cache."""


def pieces(rows: int, size: int = _PIECE) -> Iterator[slice]:
    """Cuts `rows` rows into pieces of `size`, the last of which may be shorter."""
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def stable_order(groups: NDArray[Any], count: int) -> Indices:
    """The order that brings rows of one group (0 ≤ group < count) together and keeps theirs within it.

    A radix sort in digits of 16 bits, for which numpy sorts in linear time.
    """
    order = np.argsort((groups & (_RADIX - 1)).astype(np.uint16), kind="stable")
    if count > _RADIX:
        high = (groups >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


def counts_of(groups: NDArray[Any], count: int, among: Bools | None = None) -> NDArray[np.int64]:
    """How many rows each group 0 … count - 1 has, as numpy.bincount, which would make a larger copy of all.

    Only rows `among` count, all where it is None.
    """
    counts = np.zeros(count, dtype=np.int64)
    for piece in pieces(groups.size):
        group = groups[piece] if among is None else groups[piece][among[piece]]
        counts += np.bincount(group, minlength=count)
    return counts


def first_of_each(
    groups: NDArray[Any], values: NDArray[Any], count: int, missing: Any, among: Bools | None = None
) -> NDArray[Any]:
    """The value in the first row of every group 0 … count - 1; `missing` for a group without rows.

    Only rows `among` count, all where it is None.
    """
    first = np.full(count, missing, dtype=values.dtype)
    for piece in reversed(list(pieces(groups.size))):
        group, value = groups[piece], values[piece]
        if among is not None:
            group, value = group[among[piece]], value[among[piece]]
        first[group[::-1]] = value[::-1]
    return first


@dataclass(frozen=True)
class Together:
    """A piece of rows in the order that brings those of one group together."""

    order: Indices
    group: NDArray[Any]
    """Of each row, in that order."""
    begin: Indices
    """Where the rows of its group begin, for each row."""

    @classmethod
    def of(cls, groups: NDArray[Any], count: int) -> "Together":
        """Of rows whose groups are 0 … count - 1."""
        order = stable_order(groups, count)
        group = groups[order]
        begins = np.zeros(group.size, dtype=np.intp)
        changes = np.flatnonzero(group[1:] != group[:-1]) + 1
        begins[changes] = changes
        return cls(order, group, np.maximum.accumulate(begins))

    def last(
        self, marked: Bools, values: NDArray[Any], state: NDArray[Any], *, before: bool = False
    ) -> NDArray[Any]:
        """The value of the last marked row of its group up to each row, or before it; all in this order.

        `state` has that of each group before the piece, and after the call what it is for the next piece.
        """
        place = np.maximum.accumulate(np.where(marked, np.arange(marked.size), -1))
        until = np.where(place >= self.begin, values[place], state[self.group])
        result = until
        if before:
            result = np.concatenate([until[:1], until[:-1]])
            begins = self.begin == np.arange(marked.size)
            result[begins] = state[self.group[begins]]
        ends = np.flatnonzero(np.append(self.group[1:] != self.group[:-1], True))[: marked.size]
        state[self.group[ends]] = until[ends]
        return result
