"""Reductions: sum, prod, max, min … along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear
from wengert.primitives.samples import call, normal


def normalized_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis` as NumPy takes it (None, a number, several) as a sorted tuple of numbers from 0."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(tuple(int(k) for k in axes), ndim)))


def spread(a: Any, like: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """A reduced array, broadcast back along the reduced axes."""
    if not keepdims:
        a = np.reshape(a, tuple(1 if k in axis else n for k, n in enumerate(like.shape)))
    return np.broadcast_to(a, like.shape)


add_up = linear(
    lambda a, *, axis, keepdims: np.add.reduce(a, axis=axis, keepdims=keepdims),
    name="sum",
    operands=("a",),
    transpose=lambda adjoint, like, *, axis, keepdims: spread(adjoint, like, axis, keepdims),
    formula="the adjoint for every element that was summed",
    lower="sum",
    batch="axis",
    samples=[
        call(normal(3, 4), axis=(0, 1), keepdims=False),
        call(normal(3, 4), axis=(1,), keepdims=True),
        call(normal(3, 0), axis=(1,), keepdims=False),
        call(normal(), axis=(), keepdims=False),
    ],
)


@derived(np.sum, samples=[call(normal(3, 4)), call(normal(3, 4), axis=1), call(normal(3, 4), axis=-1, keepdims=True)])
def sum(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, initial: Any = 0, where: Any = True) -> Any:
    if dtype is not None:
        a = a.astype(dtype)
    if where is not True:
        a = np.where(where, a, 0)
    out = add_up(a, axis=normalized_axes(axis, a.ndim), keepdims=bool(keepdims))
    return out if type(initial) is int and initial == 0 else out + initial
