"""Shapes: reshape, transpose, broadcasting, and all that is made of them; conversion of dtypes.

Four primitives, strict about their parameters, do the work. The functions with NumPy's signatures bring
arguments to that form. On Arrays the primitives make views (tape/views.py), as NumPy does.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from wengert.primitives.adjoints import cast
from wengert.primitives.family import derived, linear, locally_constant
from wengert.primitives.samples import call, complex_normal, normal

_index = np.lib.array_utils.normalize_axis_index
_indices = np.lib.array_utils.normalize_axis_tuple


# ------------------------------------------------------------------------------------- batching rules


def _batch_reshape(primitive: Any, values: Any, batched: Any, size: int, *, shape: Any) -> Any:
    return primitive(values[0], shape=(size, *shape))


def _batch_permute(primitive: Any, values: Any, batched: Any, size: int, *, axes: Any) -> Any:
    return primitive(values[0], axes=(0, *[k + 1 for k in axes]))


def _batch_broadcast(primitive: Any, values: Any, batched: Any, size: int, *, shape: Any) -> Any:
    own = np.shape(values[0])[1:]
    aligned = np.reshape(values[0], (size, *(1,) * (len(shape) - len(own)), *own))
    return primitive(aligned, shape=(size, *shape))


# ----------------------------------------------------------------------------------------- primitives

reshape_to = linear(
    lambda a, *, shape: np.reshape(a, shape),
    name="reshape",
    operands=("a",),
    transpose=lambda adjoint, like, *, shape: np.reshape(adjoint, like.shape),
    formula="the adjoint in the operand's shape",
    batch=_batch_reshape,
    samples=[
        call(normal(3, 4), shape=(2, 6)),
        call(normal(3, 0), shape=(0, 5)),
        call(normal(1), shape=()),
    ],
)

permute = linear(
    lambda a, *, axes: np.transpose(a, axes),
    name="transpose",
    operands=("a",),
    transpose=lambda adjoint, *, axes: np.transpose(adjoint, inverse_order(axes)),
    formula="the adjoint with its axes back in place",
    batch=_batch_permute,
    samples=[call(normal(2, 3, 4), axes=(2, 0, 1))],
)

broadcast = linear(
    lambda a, *, shape: np.broadcast_to(a, shape),
    name="broadcast_to",
    operands=("a",),
    transpose=lambda adjoint, *, shape: adjoint,  # the family sums over broadcast axes
    formula="the adjoint summed over the new axes",
    batch=_batch_broadcast,
    samples=[call(normal(3, 1), shape=(2, 3, 4)), call(normal(), shape=(3,))],
)

convert = linear(
    lambda a, *, dtype: cast(a, a.dtype, np.dtype(dtype)),
    name="astype",
    operands=("a",),
    transpose=lambda adjoint, *, dtype: adjoint,  # the family brings dtypes back
    formula="the adjoint in the operand's dtype",
    batch="leading",
    samples=[call(normal(3, 4), dtype=np.complex128), call(complex_normal(3), dtype=np.float64)],
)

# To integers and booleans: a step function.
truncate = locally_constant(
    lambda a, *, dtype: a.astype(dtype),
    ("a",),
    name="truncate",
    batch="leading",
    samples=[call(normal(3), dtype=int)],
)


def inverse_order(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that undo a transposition."""
    order = [0] * len(axes)
    for position, axis in enumerate(axes):
        order[axis] = position
    return tuple(order)


def as_array(a: Any) -> Any:
    """What has a shape as it is; lists and numbers as arrays, of traced numbers too."""
    if hasattr(a, "shape") and not (type(a) is np.ndarray and a.dtype.kind == "O"):
        return a
    array = np.asarray(a)
    if array.dtype.kind == "O" and array.size:  # traced numbers are in it
        return np.reshape(np.stack(list(array.ravel())), array.shape)
    return array


# ------------------------------------------------------------------------------------------- reshaping


def full_shape(shape: Any, size: int) -> tuple[int, ...]:
    """A shape as NumPy takes it (a number, several, one of them -1) as a tuple of sizes."""
    if type(shape) is int and shape == -1:
        return (size,)
    given = (
        shape
        if isinstance(shape, tuple | list)
        else (shape,)
        if np.ndim(shape) == 0
        else tuple(shape)
    )
    sizes = [n if type(n) is int else operator.index(n) for n in given]
    if -1 in sizes:
        if sizes.count(-1) > 1:
            raise ValueError("can only specify one unknown dimension")
        known = -math.prod(sizes)
        if known > 0 and size % known == 0:
            sizes[sizes.index(-1)] = size // known
    if math.prod(sizes) != size or min(sizes, default=0) < 0:
        raise ValueError(f"cannot reshape array of size {size} into shape {tuple(given)}")
    return tuple(sizes)


@derived(
    np.reshape,
    samples=[
        call(normal(3, 4), (2, -1)),
        call(normal(3, 4), 12),
        call(normal(3, 4), (4, 3), order="F"),
        call(normal(), (1, 1)),
        call(complex_normal(4), (2, 2)),
    ],
)
def reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: Any = None) -> Any:
    a = as_array(a)
    shape = full_shape(shape, a.size)
    if order != "C" and is_column_order(a, order):
        out = np.transpose(reshape_to(np.transpose(a), shape=shape[::-1]))
    else:
        out = reshape_to(a, shape=shape)
    if copy:
        return out.copy()
    if copy is False and getattr(out, "base", None) is None:
        raise ValueError("Unable to avoid creating a copy while creating an array as requested.")
    return out


def is_column_order(a: Any, order: str) -> bool:
    """True if `order` means that the first index changes fastest."""
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
    return order == "F" or (order in ("A", "K") and a.flags.fnc)


@derived(np.ravel, samples=[call(normal(3, 4)), call(normal()), call(normal(3, 4), order="F")])
def ravel(a: Any, order: Any = "C") -> Any:
    return np.reshape(a, -1, order=order)


@derived(
    np.expand_dims, samples=[call(normal(3, 4), 1), call(normal(3), (0, 2)), call(normal(), 0)]
)
def expand_dims(a: Any, axis: Any) -> Any:
    a = as_array(a)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    new = set(_indices(tuple(axes), a.ndim + len(axes)))
    sizes = iter(a.shape)
    return reshape_to(
        a, shape=tuple([1 if k in new else next(sizes) for k in range(a.ndim + len(new))])
    )


@derived(
    np.squeeze,
    samples=[
        call(normal(3, 1, 1)),
        call(normal(1, 3, 1), axis=-1),
        call(normal(1, 1), axis=(0, 1)),
    ],
)
def squeeze(a: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        return reshape_to(a, shape=tuple([n for n in a.shape if n != 1]))
    gone = _indices(axis, a.ndim)
    if any(a.shape[k] != 1 for k in gone):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return reshape_to(a, shape=tuple([n for k, n in enumerate(a.shape) if k not in gone]))


def _at_least(a: Any, ndim: int) -> Any:
    a = as_array(a)
    if a.ndim >= ndim:
        return a
    if a.ndim == 0:
        return np.reshape(a, (1,) * ndim)
    if ndim == 2:
        return np.expand_dims(a, 0)
    return np.expand_dims(a, (0, 2)) if a.ndim == 1 else np.expand_dims(a, 2)


def _each_at_least(arrays: Any, ndim: int) -> Any:
    out = tuple([_at_least(a, ndim) for a in arrays])
    return out[0] if len(out) == 1 else out


@derived(np.atleast_1d, samples=[call(normal()), call(normal(), normal(3))])
def atleast_1d(*arys: Any) -> Any:
    return _each_at_least(arys, 1)


@derived(np.atleast_2d, samples=[call(normal()), call(normal(3)), call(normal(2, 3))])
def atleast_2d(*arys: Any) -> Any:
    return _each_at_least(arys, 2)


@derived(
    np.atleast_3d,
    samples=[call(normal()), call(normal(3)), call(normal(2, 3)), call(normal(2, 3, 4))],
)
def atleast_3d(*arys: Any) -> Any:
    return _each_at_least(arys, 3)


# ---------------------------------------------------------------------------------------- transposing


@derived(
    np.transpose,
    samples=[
        call(normal(2, 3, 4)),
        call(normal(2, 3, 4), (1, -1, 0)),
        call(normal(3)),
        call(complex_normal(2, 3)),
    ],
)
def transpose(a: Any, axes: Any = None) -> Any:
    a = as_array(a)
    if axes is None:
        return permute(a, axes=tuple(range(a.ndim))[::-1])
    axes = axes if isinstance(axes, tuple | list) else (axes,)
    if len(axes) != a.ndim:
        raise ValueError("axes don't match array")
    return permute(a, axes=_indices(tuple(axes), a.ndim))


@derived(np.matrix_transpose, samples=[call(normal(2, 3, 4))])
def matrix_transpose(x: Any, /) -> Any:
    x = as_array(x)
    if x.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {x.ndim}")
    return np.swapaxes(x, -1, -2)


@derived(np.swapaxes, samples=[call(normal(2, 3, 4), 0, -1)])
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    a = as_array(a)
    axis1, axis2 = _index(axis1, a.ndim), _index(axis2, a.ndim)
    order = list(range(a.ndim))
    order[axis1], order[axis2] = axis2, axis1
    return permute(a, axes=tuple(order))


@derived(np.moveaxis, samples=[call(normal(2, 3, 4), 0, -1), call(normal(2, 3, 4), (0, 1), (2, 0))])
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = as_array(a)
    source = _indices(source, a.ndim, "source")
    destination = _indices(destination, a.ndim, "destination")
    if len(source) != len(destination):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [k for k in range(a.ndim) if k not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return permute(a, axes=tuple(order))


@derived(np.rollaxis, samples=[call(normal(2, 3, 4), 2), call(normal(2, 3, 4), 0, 2)])
def rollaxis(a: Any, axis: Any, start: Any = 0) -> Any:
    a = as_array(a)
    axis = _index(axis, a.ndim)
    start = _index(start, a.ndim + 1) if start >= 0 else start + a.ndim
    if not 0 <= start <= a.ndim:
        raise np.exceptions.AxisError(start, a.ndim + 1)
    return np.moveaxis(a, axis, start - 1 if axis < start else start)


# --------------------------------------------------------------------------------------- broadcasting


@derived(
    np.broadcast_to,
    samples=[call(normal(3, 1), (2, 3, 4)), call(normal(), 3), call(complex_normal(2), (3, 2))],
)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    array = as_array(array)
    shape = tuple(
        operator.index(n) for n in (shape if isinstance(shape, tuple | list) else (shape,))
    )
    full = np.broadcast_shapes(array.shape, shape)
    if full != shape:
        raise ValueError(
            "operands could not be broadcast together with remapped shapes [original->remapped]: "
            f"{array.shape} and requested shape {shape}"
        )
    return broadcast(array, shape=shape)


@derived(np.broadcast_arrays, samples=[call(normal(3, 1), normal(4))])
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    arrays = [as_array(a) for a in args]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple([a if a.shape == shape else np.broadcast_to(a, shape) for a in arrays])


# --------------------------------------------------------------------------------------------- dtypes


@derived(
    np.astype,
    samples=[
        call(normal(3, 4), np.complex128),
        call(normal(3), np.float64, copy=False),
        call(normal(3), np.float64),
    ],
)
def astype(x: Any, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Any:
    dtype = np.dtype(dtype)
    if dtype == x.dtype:
        return x.copy() if copy else x
    return convert(x, dtype=dtype) if dtype.kind in "fc" else truncate(x, dtype=dtype)
