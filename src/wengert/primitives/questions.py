"""Questions about arrays whose answers are plain: shapes, sizes, dtypes, memory; and arrays like others."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, locally_constant
from wengert.primitives.samples import call, normal

_one = [call(normal(3, 4), max_order=0), call(normal(), max_order=0)]  # nothing to differentiate


@derived(np.shape, samples=_one)
def shape(a: Any) -> Any:
    return a.shape


@derived(np.ndim, samples=_one)
def ndim(a: Any) -> Any:
    return len(a.shape)


@derived(
    np.size, samples=[call(normal(3, 4), max_order=0), call(normal(3, 4), axis=(0, 1), max_order=0)]
)
def size(a: Any, axis: Any = None) -> Any:
    if axis is None:
        return a.size
    axes = np.lib.array_utils.normalize_axis_tuple(axis, a.ndim)
    return int(np.prod([a.shape[k] for k in axes], dtype=int))


@derived(np.result_type, samples=[call(normal(3), 1.0, max_order=0)])
def result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*[_promoting(a) for a in arrays_and_dtypes])


@derived(np.can_cast, samples=[call(np.float64, np.float32, max_order=0)])
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> Any:
    return np.can_cast(_promoting(from_), to, casting)


@derived(np.common_type, samples=[call(normal(3), normal(), max_order=0)])
def common_type(*arrays: Any) -> Any:
    return np.common_type(*[np.empty(0, a.dtype) for a in arrays])


@derived(np.min_scalar_type, samples=[call(normal(3), max_order=0)])
def min_scalar_type(a: Any, /) -> Any:
    return _promoting(a)


def _promoting(a: Any) -> Any:
    """What takes part in promotion: a dtype; a Python number as itself, since it is weak."""
    return a.dtype if hasattr(type(a), "__record__") else a


# --------------------------------------------------------------------------------------- arrays like a


def _batch_filled(
    primitive: Any, values: Any, batched: Any, size: int, *, shape: Any, dtype: Any, value: Any
) -> Any:
    return np.full((size, *shape), value, dtype)


# Of the operand only the trace counts: the result is an Array that traced values can be written into.
filled = locally_constant(
    lambda prototype, *, shape, dtype, value: np.full(shape, value, dtype),
    ("prototype",),
    name="filled_like",
    batch=_batch_filled,
    samples=[call(normal(3), shape=(3,), dtype=float, value=0)],
)


def _like(prototype: Any, dtype: Any, shape: Any, value: Any) -> Any:
    shape = _shape_given(prototype, shape)
    return filled(prototype, shape=shape, dtype=np.dtype(dtype or prototype.dtype), value=value)


def _shape_given(prototype: Any, shape: Any) -> tuple[Any, ...]:
    shape = prototype.shape if shape is None else shape
    return tuple(shape) if isinstance(shape, tuple | list) else (shape,)


@derived(np.zeros_like, samples=_one)
def zeros_like(
    a: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: Any = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    return _like(a, dtype, shape, 0)


@derived(np.ones_like, samples=_one)
def ones_like(
    a: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: Any = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    return _like(a, dtype, shape, 1)


@derived(np.empty_like, samples=_one)
def empty_like(
    prototype: Any,
    /,
    dtype: Any = None,
    order: Any = "K",
    subok: Any = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    return _like(prototype, dtype, shape, 0)


@derived(
    np.full_like,
    samples=[call(normal(3), 2.0), call(normal(3), normal()), call(normal(2, 3), normal(3))],
)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: Any = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    if type(fill_value) in (int, float, complex, bool):
        return _like(a, dtype, shape, fill_value)
    traced = a if hasattr(type(a), "__record__") else fill_value
    out = filled(traced, shape=_shape_given(a, shape), dtype=np.dtype(dtype or a.dtype), value=0)
    out[...] = fill_value
    return out


@derived(np.copy, samples=[call(normal(3, 4)), call(normal())])
def copy(a: Any, order: Any = "K", subok: Any = False) -> Any:
    return a.copy()


# ------------------------------------------------------------------------------------- indices for a


@derived(np.tril_indices_from, samples=[call(normal(3, 4), max_order=0)])
def tril_indices_from(arr: Any, k: int = 0) -> Any:
    rows, columns = _plane(arr)
    return np.tril_indices(rows, k=k, m=columns)


@derived(np.triu_indices_from, samples=[call(normal(3, 4), 1, max_order=0)])
def triu_indices_from(arr: Any, k: int = 0) -> Any:
    rows, columns = _plane(arr)
    return np.triu_indices(rows, k=k, m=columns)


def _plane(arr: Any) -> Any:
    if len(arr.shape) != 2:
        raise ValueError("input array must be 2-d")
    return arr.shape


@derived(np.diag_indices_from, samples=[call(normal(3, 3), max_order=0)])
def diag_indices_from(arr: Any) -> Any:
    if len(arr.shape) < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(arr.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return np.diag_indices(arr.shape[0], len(arr.shape))


# ------------------------------------------------------------------------------------- memory and text


@derived(np.shares_memory, samples=[call(normal(3), normal(3), max_order=0)])
def shares_memory(a: Any, b: Any, /, max_work: Any = -1) -> Any:
    return np.shares_memory(_memory(a), _memory(b), max_work=max_work)


@derived(np.may_share_memory, samples=[call(normal(3), normal(3), max_order=0)])
def may_share_memory(a: Any, b: Any, /, max_work: Any = 0) -> Any:
    return np.may_share_memory(_memory(a), _memory(b), max_work=max_work)


def _memory(a: Any) -> Any:
    return a.memory() if hasattr(a, "memory") else a


@derived(np.array_repr, samples=_one)
def array_repr(arr: Any, *args: Any, **kwargs: Any) -> Any:
    return repr(arr)


@derived(np.array_str, samples=_one)
def array_str(a: Any, *args: Any, **kwargs: Any) -> Any:
    return str(a)
