"""Indices: brought to plain parts, sorted into basic and fancy, composed where one follows another.

``x[i][j]`` and ``x[1:][::2]`` are one index into `x`, so that loops over rows, and arrays cut down
piece by piece, cost no more than the elements they read. Indices that a program computes stay
Arrays, as those that differ along a vmapped axis do: it reads where they say when it runs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.tape.array import Array, concrete, is_batched, of_program


class Key(NamedTuple):
    """An index with plain parts."""

    key: Any
    is_basic: bool
    is_element: bool
    is_batched: bool = False  # holds indices that are Arrays: of a batch, or of a program
    is_row: bool = False  # and NumPy would make a view, as they are single numbers


def plain_key(key: Any, ndim: int) -> Key:
    """The index of an array of `ndim` axes with plain parts."""
    kind = type(key)
    if kind is int:
        return Key(key, True, ndim == 1)
    if kind is slice:
        return Key(_plain_slice(key), True, False)
    if key is Ellipsis or key is None:
        return Key(key, True, False)
    if kind is not tuple:
        plain = _plain_part(key)
        is_basic = type(plain) is int
        is_array = isinstance(plain, Array)
        is_row = is_array and _is_single(plain)
        return Key(plain, is_basic, is_basic and ndim == 1, is_array, is_row)
    parts = tuple([part if type(part) is int else _plain_part(part) for part in key])
    is_basic = is_element = is_row = True
    is_batched = False
    for part in parts:
        if type(part) is int:
            continue
        is_element = False
        if not (type(part) is slice or part is None or part is Ellipsis):
            is_basic = False
            is_batched = is_batched or isinstance(part, Array)
            is_row = is_row and _is_single(part)
    is_row = is_row and is_batched
    return Key(parts, is_basic, is_element and len(parts) == ndim, is_batched, is_row)


def _is_single(part: Any) -> bool:
    """True for an index of a program that NumPy would take for an integer."""
    if not isinstance(part, Array) or part.shape or part.dtype.kind == "b":
        return False
    return not is_batched(part)


def _plain_part(part: Any) -> Any:
    kind = type(part)
    if kind is int or part is None or part is Ellipsis:
        return part
    if kind is slice:
        return _plain_slice(part)
    if isinstance(part, np.integer):
        return int(part)
    if isinstance(part, Array):
        part = part.current()
        if part.dtype.kind in "iub" and (is_batched(part) or isinstance(of_program(part), Array)):
            return part
    if not isinstance(part, np.ndarray):
        part = np.asarray(concrete(part))
        if part.size == 0 and part.dtype.kind == "f":
            part = part.astype(np.intp)  # x[[]]: an empty list
    if part.dtype == object:
        part = np.array([entry.__index__() for entry in part.ravel()], np.intp).reshape(part.shape)
    if part.dtype.kind not in "iub":
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or "
            f"boolean arrays are valid indices, not {part.dtype}"
        )
    if part.ndim == 0 and part.dtype.kind in "iu":
        return int(part)
    return part.copy()  # the caller may change an index array later


def _plain_slice(part: slice) -> slice:
    ends = (part.start, part.stop, part.step)
    if all(end is None or type(end) is int for end in ends):
        return part
    return slice(*[None if end is None else end.__index__() for end in ends])


def composed(first: Any, second: Any, shape: tuple[int, ...]) -> Any:
    """One basic index for ``x[first][second]``, `x` of that shape; None if it is not simply one."""
    if type(first) is int:
        if type(second) is int:
            return (first, second)
        first = (first,)
    elif type(first) is not tuple:
        first = (first,)
    rest = list(second) if type(second) is tuple else [second]
    if any(type(part) not in (int, slice) for part in (*first, *rest)) or len(first) > len(shape):
        return None
    parts: list[Any] = []
    for part, length in zip(
        (*first, *(slice(None),) * (len(shape) - len(first))), shape, strict=True
    ):
        if type(part) is slice and rest:
            part = _within(range(*part.indices(length)), rest.pop(0))
        parts.append(part)
    if rest:
        return None
    while len(parts) > 1 and parts[-1] == slice(None):
        parts.pop()
    return tuple(parts) if len(parts) > 1 else parts[0]


def _within(taken: range, part: Any) -> Any:
    if type(part) is int:
        return taken[part]
    left = taken[part]
    if not left:
        return slice(0, 0)
    stop = left.stop if left.step > 0 or left.stop >= 0 else None
    return slice(left.start, stop, left.step)
