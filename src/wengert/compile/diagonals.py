"""Constant arrays with one number on a diagonal and zeros elsewhere, as parts of an identity are.

The rows of ``np.eye``, over which a Jacobian is vectorised, stay in its program as such arrays,
whole or with zeros around them. An element of one is a condition on its index: it need not be read
from memory, where a large one would take more time than all arithmetic.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.compile.views import Affine, Index
from wengert.tape.columns import Constant

_SMALLEST = 256  # elements from which on a condition is better than memory


class Diagonal(NamedTuple):
    """`number` where ``index[column] - index[row] == offset`` in some rows, else zero.

    Attributes
    ----------
    row, column : int
        The two axes that are longer than one.
    first, last : int
        The rows in which the number stands: `last` is the first without it.
    is_whole : bool
        True if these are all the rows that the diagonal has.
    """

    row: int
    column: int
    offset: int
    number: Any
    first: int
    last: int
    is_whole: bool

    def ranges(self, index: Index) -> list[tuple[Affine, int, int]]:
        """Numbers made of an index, with what they lie between (low, and high or more) on it."""
        distance = index[self.column] + index[self.row].times(-1) + -self.offset
        rows = [] if self.is_whole else [(index[self.row], self.first, self.last)]
        return [(distance, 0, 1), *rows]


def diagonal(constant: Constant) -> Diagonal | None:
    """The diagonal that a constant is; None if it is another array."""
    array = constant.value
    if (
        not isinstance(array, np.ndarray)
        or array.size < _SMALLEST
        or array.dtype.kind not in "biuf"
    ):
        return None
    long = [k for k, n in enumerate(array.shape) if n > 1]
    if len(long) != 2:
        return None
    row, column = long
    matrix = array.reshape(array.shape[row], array.shape[column])
    offset = _offset(matrix)
    if offset is None:
        return None
    along = matrix.diagonal(offset)
    (places,) = along.nonzero()
    first, last = int(places[0]), int(places[-1]) + 1
    number = along[first]
    if not np.all(along[first:last] == number) or _count(matrix) != last - first:
        return None
    start = max(0, -offset)  # the first row that the diagonal has
    is_whole = last - first == len(along)
    return Diagonal(row, column, offset, number, start + first, start + last, is_whole)


def _offset(matrix: np.ndarray) -> int | None:
    """On which diagonal the number must stand; None if there is none, or no one."""
    middle = matrix[len(matrix) // 2]  # most often there is one here
    (places,) = middle.nonzero()
    if len(places) > 1:
        return None
    if len(places):
        return int(places[0]) - len(matrix) // 2
    rows, columns = matrix.nonzero()
    return int(columns[0] - rows[0]) if len(rows) else None


def _count(matrix: np.ndarray) -> int:
    """How many elements are no zeros; a negative zero is none."""
    if matrix.dtype.kind != "f":
        return int(np.count_nonzero(matrix))
    return int(np.count_nonzero(matrix) + np.count_nonzero(np.signbit(matrix) & (matrix == 0)))
