"""Functions that call functions: apply_along_axis, apply_over_axes, piecewise."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.indexing import write
from wengert.primitives.reductions import normalized_axis
from wengert.primitives.samples import call, normal
from wengert.primitives.shaping import as_array


@derived(
    np.apply_along_axis,
    samples=[
        call(lambda row: row[1:] * row[0], 1, normal(2, 3)),
        call(lambda row: np.sum(row**2), 0, normal(2, 3)),
        call(lambda row, factor: np.outer(row, row) * factor, -1, normal(2, 2), 0.5),
    ],
)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of 1-d slices, applied to each."""
    arr = as_array(arr)
    axis = normalized_axis(axis, arr.ndim)
    rows = np.moveaxis(arr, axis, -1)
    shape = rows.shape[:-1]
    if 0 in shape:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [as_array(func1d(rows[index], *args, **kwargs)) for index in np.ndindex(*shape)]
    out = np.reshape(np.stack(results), (*shape, *results[0].shape))
    # What a slice became stands where the slice stood.
    made = range(len(shape), out.ndim)
    return np.moveaxis(out, tuple(made), tuple(range(axis, axis + len(made))))


@derived(np.apply_over_axes, samples=[call(np.sum, normal(2, 3, 2), (0, 2))])
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """A reduction applied over several axes, one after the other; dimensions stay."""
    out = as_array(a)
    ndim = out.ndim
    for axis in np.atleast_1d(axes).tolist():
        axis = axis + ndim if axis < 0 else axis
        reduced = func(out, axis)
        out = reduced if reduced.ndim == out.ndim else np.expand_dims(reduced, axis)
        if out.ndim != ndim:
            raise ValueError("function is not returning an array of the correct shape")
    return out


@derived(
    np.piecewise,
    samples=[
        call(normal(6), [np.arange(6) < 2, np.arange(6) > 3], [np.sin, lambda x: x**2, 0.5]),
        call(normal(3), np.array([True, False, True]), [np.exp]),
    ],
)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Each function, or number, applied to the elements of which its condition holds."""
    x = as_array(x)
    conditions = _conditions(x, condlist)
    if len(conditions) == len(funclist) - 1:
        otherwise = True
        for condition in conditions:
            otherwise = otherwise & ~condition
        conditions = [*conditions, otherwise]
    elif len(conditions) != len(funclist):
        count = len(conditions)
        raise ValueError(
            f"with {count} condition(s), either {count} or {count + 1} functions are expected"
        )
    out = np.zeros(x.shape, x.dtype)
    for condition, function in zip(conditions, funclist, strict=True):
        out = _piece(out, x, condition, function, args, kw)
    return out


def _conditions(x: Any, condlist: Any) -> list[Any]:
    """One array of truth values for each piece; a single one may stand without a list."""
    is_single = np.ndim(condlist) == 0 or (
        not isinstance(condlist[0], list) and np.ndim(condlist[0]) == 0 and x.ndim != 0
    )
    parts = [condlist] if is_single else list(condlist)
    return [
        part if hasattr(part, "dtype") and part.dtype == bool else as_array(part) != 0
        for part in parts
    ]


def _piece(out: Any, x: Any, condition: Any, function: Any, args: Any, kw: Any) -> Any:
    is_known = isinstance(condition, np.ndarray | np.generic)
    if is_known and not condition.any():
        return out
    if not callable(function):
        return _cast(np.where(condition, function, out), x.dtype)
    if not is_known:  # under vmap the condition differs from sample to sample
        return _cast(np.where(condition, function(x, *args, **kw), out), x.dtype)
    values = function(x[condition], *args, **kw)
    return write(out, as_array(values), path=(("getitem", condition),), add=False)


def _cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else x.astype(dtype)
