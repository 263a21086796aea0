"""Putting arrays together and taking tuples apart: concatenate, stack, block, split …"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear
from wengert.primitives.samples import call, normal


def _part(parts: Any, *, position: int) -> Any:
    return parts[position]


def _in_place(adjoint: Any, *, position: int) -> Any:
    raise NotImplementedError("the backward sweep gathers the adjoints of parts itself")


# One part of a tuple-valued entry (eigh, svd, qr …). Only tapes make it, so it has no samples of its own.
part = linear(_part, name="part", operands=("parts",), transpose=_in_place, formula="the part's adjoint")


def _concatenate(*arrays: Any, axis: int) -> Any:
    return np.concatenate(arrays, axis=axis)


def _piece(adjoint: Any, likes: Any, position: Any, *, axis: int) -> Any:
    start = sum(like.shape[axis] for like in likes[:position])
    key = (slice(None),) * axis + (slice(start, start + likes[position].shape[axis]),)
    return adjoint[key]


join = linear(
    _concatenate,
    name="join",
    operands=("array",),
    variadic=True,
    transpose=_piece,
    formula="the adjoint's piece that came from this operand",
    batch="axis",
    samples=[
        call(normal(2, 3), normal(4, 3), axis=0),
        call(normal(2, 3), normal(2, 0), normal(2, 1), axis=1),
    ],
)


@derived(np.concatenate, samples=[call([normal(2, 3), normal(4, 3)]), call([normal(2, 3), normal(2)], axis=None)])
def concatenate(arrays: Any, /, axis: Any = 0, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    arrays = [a if hasattr(a, "shape") else np.asarray(a) for a in arrays]
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    if dtype is not None:
        arrays = [a.astype(dtype, casting=casting) for a in arrays]
    ndim = arrays[0].ndim
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return join(*arrays, axis=axis % ndim)


@derived(np.stack, samples=[call([normal(2, 3), normal(2, 3)], axis=1)])
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    arrays = [a if hasattr(a, "shape") else np.asarray(a) for a in arrays]
    if len({a.shape for a in arrays}) != 1:
        raise ValueError("all input arrays must have the same shape")
    ndim = arrays[0].ndim + 1
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return np.concatenate(
        [np.expand_dims(a, axis % ndim) for a in arrays], axis=axis % ndim, dtype=dtype, casting=casting
    )
