"""Arrays with elements added or removed: append, insert, delete, trim_zeros.

Where NumPy's rules for positions are intricate, NumPy itself applies them to an array of positions, by
which elements are then taken.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.samples import call, normal
from wengert.primitives.shaping import as_array

_index = np.lib.array_utils.normalize_axis_index


@derived(
    np.append, samples=[call(normal(2, 3), normal(2)), call(normal(2, 3), normal(1, 3), axis=0)]
)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    arr, values = as_array(arr), as_array(values)
    if axis is None:
        return np.concatenate((np.ravel(arr), np.ravel(values)))
    return np.concatenate((arr, values), axis=axis)


@derived(
    np.insert,
    samples=[
        call(normal(2, 3), 1, normal()),
        call(normal(2, 3), 1, normal(2), axis=1),
        call(normal(2, 3), [0, 3], normal(2, 2), axis=1),
        call(normal(4), [3, 1, 1], normal(3)),
        call(normal(4), slice(1, 3), normal()),
    ],
)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    arr, values = as_array(arr), as_array(values)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = _index(axis, arr.ndim)
    size = arr.shape[axis]
    obj = _positions(obj)
    is_one = not isinstance(obj, slice) and np.ndim(obj) == 0
    values = np.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    if is_one:
        values = np.moveaxis(values, 0, axis)
        count = values.shape[axis]
    else:
        count = np.insert(np.arange(size), obj, -1).size - size
    values = np.broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    order = np.insert(np.arange(size), obj, np.arange(size, size + count))
    dtype = arr.dtype
    if values.dtype != dtype:
        values = values.astype(dtype)
    return np.take(np.concatenate((arr, values), axis=axis), order, axis=axis)


@derived(
    np.delete,
    samples=[
        call(normal(2, 3), 1),
        call(normal(2, 3), [0, -1], axis=1),
        call(normal(5), slice(1, 4, 2)),
        call(normal(3), [True, False, True]),
    ],
)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    arr = as_array(arr)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = _index(axis, arr.ndim)
    return np.take(arr, np.delete(np.arange(arr.shape[axis]), _positions(obj)), axis=axis)


def _positions(obj: Any) -> Any:
    """Which elements, as NumPy takes it: of traced integers or booleans each is a decision."""
    if not hasattr(type(obj), "__record__"):
        return obj
    decide = bool if obj.dtype.kind == "b" else operator.index
    return np.reshape([decide(x) for x in np.ravel(obj)], obj.shape).astype(obj.dtype)


@derived(np.trim_zeros, samples=[call(normal(4)), call(normal(4), "b")])
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    if any(letter not in "fb" for letter in trim.lower()):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    filt = as_array(filt)
    axes = (
        range(filt.ndim)
        if axis is None
        else np.lib.array_utils.normalize_axis_tuple(axis, filt.ndim)
    )
    found = np.nonzero(filt)
    key: list[Any] = [slice(None)] * filt.ndim
    for k in axes:
        if found[k].size == 0:
            key[k] = slice(0, 0)
            continue
        first = int(found[k].min()) if "f" in trim.lower() else None
        last = int(found[k].max()) + 1 if "b" in trim.lower() else None
        key[k] = slice(first, last)
    return filt[tuple(key)]
