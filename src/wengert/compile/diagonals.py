"""Constant arrays with one number on a diagonal and zeros elsewhere, as parts of an identity are.

The rows of ``np.eye``, over which a Jacobian is vectorised, stay in its program as such arrays. An
element of one is a condition on its index: it need not be read from memory, where a large one would
take more time than all arithmetic.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.compile.views import Affine, Index
from wengert.tape.columns import Constant

_SMALLEST = 256  # elements from which on a condition is better than memory


class Diagonal(NamedTuple):
    """`number` where ``index[column] - index[row] == offset``, else zero.

    Attributes
    ----------
    row, column : int
        The two axes that are longer than one.
    """

    row: int
    column: int
    offset: int
    number: Any

    def distance(self, index: Index) -> Affine:
        """How far an element is from the diagonal: 0 on it."""
        return index[self.column] + index[self.row].times(-1) + -self.offset


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
    number = along[0]
    if not np.all(along == number) or _count(matrix) != len(along):
        return None
    return Diagonal(row, column, offset, number)


def _offset(matrix: np.ndarray) -> int | None:
    """Where the diagonal must begin, by the first row and column; None if nothing is in them."""
    for sign, edge in ((1, matrix[0]), (-1, matrix[:, 0])):
        (places,) = edge.nonzero()
        if len(places) > 1:
            return None
        if len(places):
            return sign * int(places[0])
    return None


def _count(matrix: np.ndarray) -> int:
    """How many elements are no zeros; a negative zero is none."""
    if matrix.dtype.kind != "f":
        return int(np.count_nonzero(matrix))
    return int(np.count_nonzero(matrix) + np.count_nonzero(np.signbit(matrix) & (matrix == 0)))
