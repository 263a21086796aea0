"""Taking and putting by indices that are operands themselves: what vmap needs where indices differ along it.

`gather` and `scatter` are `read` and `write` with a template of an index, whose holes the index operands
fill. The one difficulty is where NumPy puts the axes of index arrays: `_Layout` knows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.primitives.family import derived, linear
from wengert.primitives.indexing import read, write
from wengert.primitives.samples import call, normal


class Hole:
    """Stands in a template for one of the index operands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "_"


HOLE = Hole()


def fill(template: tuple[Any, ...], indices: Any) -> tuple[Any, ...]:
    """The index that a template and its index operands make."""
    given = iter(indices)
    return tuple([next(given) if part is HOLE else part for part in template])


def is_traced(x: Any) -> bool:
    """True for what records: an Array."""
    return hasattr(type(x), "__record__")


def pick(a: Any, key: Any) -> Any:
    """``a[key]``, where parts of the key may be Arrays (indices that differ along a vmapped axis)."""
    key = key if isinstance(key, tuple) else (key,)
    if not any(is_traced(part) for part in key):
        return a[key]
    indices = [part for part in key if is_traced(part)]
    return gather(a, *indices, template=tuple([HOLE if is_traced(part) else part for part in key]))


# -------------------------------------------------------------------------------------------- batching


class _Layout(NamedTuple):
    """Where the axes of an index's result are, for an array of `ndim` axes."""

    key: tuple[Any, ...]  # no ellipsis, one part for each axis
    start: int  # first axis, in the result, of those of the index arrays
    count: int  # how many there are
    is_split: bool  # the index arrays are separated: NumPy puts their axes in front


def _layout(key: tuple[Any, ...], ndim: int, extra: int) -> _Layout:
    """Layout of a key whose batched parts have `extra` axes more than one example's."""
    full = _without_ellipsis(key, ndim)
    advanced = [k for k, part in enumerate(full) if not (part is None or isinstance(part, slice))]
    arrays = [np.ndim(full[k]) for k in advanced]
    count = max(arrays, default=0) - extra
    is_split = advanced != list(range(advanced[0], advanced[-1] + 1))
    before = 0 if is_split else advanced[0]
    return _Layout(full, before, count, is_split)


def _without_ellipsis(key: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    used = 0
    for part in key:
        if part is None or part is Ellipsis:
            continue
        used += part.ndim if getattr(part, "dtype", None) == bool else 1
    rest = (slice(None),) * (ndim - used)
    for position, part in enumerate(key):
        if part is Ellipsis:
            return (*key[:position], *rest, *key[position + 1 :])
    return (*key, *rest)


def _batched_key(
    key: tuple[Any, ...], batched: list[bool], ndim: int, size: int, own: bool
) -> tuple[tuple[Any, ...], _Layout]:
    """The key for an array with the batch in front (if `own`), and the layout for one example."""
    layout = _layout(key, ndim, 1)
    width = layout.count
    parts = []
    for part in layout.key:
        if is_traced(part) or isinstance(part, np.ndarray):
            is_batched = batched.pop(0) if batched and not _is_static(part) else False
            if is_batched:
                part = np.reshape(part, (size, *(1,) * (width - part.ndim + 1), *part.shape[1:]))
            elif isinstance(part, _Static):
                part = part.array
        parts.append(part)
    rows = np.arange(size).reshape(size, *(1,) * width)
    return ((rows, *parts) if own else tuple(parts)), layout


class _Static:
    pass


def _is_static(part: Any) -> bool:
    return isinstance(part, _Static)
