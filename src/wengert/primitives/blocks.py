"""Large elementwise work in blocks: shared by threads, each block small enough for a core's cache.

A ufunc of a million numbers is limited by one core, a rule made of several by memory: its
intermediate results leave the cache before they are read again. Results are those of one call, to
the last bit: elements do not know of each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.threads import WORKERS

LARGE = 2**18  # elements; below it, handing a part to another thread takes longer than computing it
BLOCK = 2**14  # elements: five arrays of them fit into the smallest second-level caches in use

_FLOATS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


def apply(function: Callable[..., Any], *operands: Any) -> Any:
    """``function(*operands)`` of arrays of equal form and numbers, at least one of them large.

    Parameters
    ----------
    function : ufunc or operator
        Elementwise; gives the dtype that its floating operands have. An operator is not its ufunc:
        ``x**2`` is a multiplication, and ``np.power(x, 2)`` is not.
    """
    form = common_form(operands)
    if form is None or WORKERS.count < 2 or not _keeps_dtype(function, form[1].char):
        return function(*operands)
    out = np.empty(*form)
    flat, whole = out.reshape(-1), [_flat(x) for x in operands]

    def compute(start: int, stop: int) -> None:
        if isinstance(function, np.ufunc):
            function(*[_part(x, start, stop) for x in whole], out=flat[start:stop])
            return
        for first in range(start, stop, BLOCK):
            last = min(first + BLOCK, stop)
            flat[first:last] = function(*[_part(x, first, last) for x in whole])

    WORKERS.share(compute, _ranges(flat.size))
    return out


@functools.cache
def _keeps_dtype(function: Any, char: str) -> bool:
    """True for operators, and for ufuncs that give of one real dtype the same."""
    return not isinstance(function, np.ufunc) or f"{char * function.nin}->{char}" in function.types


def scaled(
    adjoint: np.ndarray, partial: Callable[..., Any], operands: Sequence[Any], out: Any
) -> Any:
    """``adjoint * partial(*operands)``, block by block; None if they are not of one form.

    Parameters
    ----------
    out : ndarray or None
        Where to write it: the adjoint itself if nobody needs it again.
    """
    same = uniform(adjoint)
    form = common_form((adjoint, *operands) if same is None else operands)
    if form is None or form != (adjoint.shape, adjoint.dtype):
        return None
    made = np.empty(*form) if out is None else out
    flat, whole = made.reshape(-1), [_flat(x) for x in operands]
    factor = adjoint.reshape(-1) if same is None else same

    def compute(start: int, stop: int) -> None:
        for first in range(start, stop, BLOCK):
            last = min(first + BLOCK, stop)
            found = partial(*[_part(x, first, last) for x in whole])
            np.multiply(_part(factor, first, last), found, out=flat[first:last])

    WORKERS.share(compute, _ranges(flat.size))
    return made


def add_into(held: np.ndarray, part: np.ndarray) -> None:
    """``held += part`` of equal shape."""
    if held.size < LARGE or common_form((held, part)) is None:
        held += part
        return
    flat, other = held.reshape(-1), part.reshape(-1)

    def compute(start: int, stop: int) -> None:
        flat[start:stop] += other[start:stop]

    WORKERS.share(compute, _ranges(flat.size))


def uniform(array: np.ndarray) -> Any:
    """The one number of an array that is a broadcast number: a large sum's adjoint; None else."""
    if any(array.strides):
        return None
    return array[(0,) * array.ndim]


def common_form(operands: Sequence[Any]) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and dtype of contiguous arrays and Python numbers, if all arrays agree in them."""
    form = None
    for x in operands:
        if type(x) is np.ndarray:
            if form is None:
                form = x.shape, x.dtype
            if x.shape != form[0] or x.dtype != form[1] or not x.flags.c_contiguous:
                return None
        elif type(x) not in _WEAK:
            return None
    return form if form is not None and form[1] in _FLOATS else None


_WEAK = frozenset({float, int})


def _flat(x: Any) -> Any:
    return x.reshape(-1) if type(x) is np.ndarray else x


def _part(x: Any, start: int, stop: int) -> Any:
    return x[start:stop] if type(x) is np.ndarray else x


def _ranges(size: int) -> list[tuple[int, int]]:
    """Equal ranges, one for each thread, that begin where cache lines do."""
    count = max(1, min(WORKERS.count, size // (LARGE // 2)))
    step = -(-size // count // 16) * 16
    return [(start, min(start + step, size)) for start in range(0, size, step)]
