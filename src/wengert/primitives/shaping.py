"""Shapes: reshape, transpose, broadcasting, and all that is made of them; conversion of dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import cast, derived, linear
from wengert.primitives.samples import call, normal

reshape_to = linear(
    lambda a, *, shape: np.reshape(a, shape),
    name="reshape",
    operands=("a",),
    transpose=lambda adjoint, like, *, shape: np.reshape(adjoint, like.shape),
    formula="the adjoint in the operand's shape",
    batch="rule",
    samples=[call(normal(3, 4), shape=(2, 6)), call(normal(3, 0), shape=(0, 5)), call(normal(1), shape=())],
)

permute = linear(
    lambda a, *, axes: np.transpose(a, axes),
    name="transpose",
    operands=("a",),
    transpose=lambda adjoint, *, axes: np.transpose(adjoint, tuple(np.argsort(axes).tolist())),
    formula="the adjoint with its axes back in place",
    batch="rule",
    samples=[call(normal(2, 3, 4), axes=(2, 0, 1))],
)

broadcast = linear(
    lambda a, *, shape: np.broadcast_to(a, shape),
    name="broadcast_to",
    operands=("a",),
    transpose=lambda adjoint, *, shape: adjoint,  # the family sums over broadcast axes
    formula="the adjoint summed over the new axes",
    batch="rule",
    samples=[call(normal(3, 1), shape=(2, 3, 4)), call(normal(), shape=(3,))],
)

convert = linear(
    lambda a, *, dtype: cast(a, a.dtype, np.dtype(dtype)),
    name="astype",
    operands=("a",),
    transpose=lambda adjoint, *, dtype: adjoint,  # the family brings dtypes back
    formula="the adjoint in the operand's dtype",
    batch="leading",
    samples=[call(normal(3, 4), dtype=np.complex128)],
)


@derived(np.expand_dims, samples=[call(normal(3, 4), 1), call(normal(3), (0, 2))])
def expand_dims(a: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = a.ndim + len(axes)
    if any(not -ndim <= k < ndim for k in axes):
        raise np.exceptions.AxisError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    new = {k % ndim for k in axes}
    sizes = iter(a.shape)
    return np.reshape(a, tuple(1 if k in new else next(sizes) for k in range(ndim)))
