"""The methods of ufuncs: reduce, accumulate, reduceat, outer, at.

Where a reduction has a function of its own (`np.sum` for `add.reduce`) it stands for the method. Every other
ufunc of two operands goes through the general definitions in `METHODS`, step by step as NumPy does, so that
values agree to the bit. The one difficulty is `at`, which meets repeated positions one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.primitives.family import derived, general, linear, locally_constant
from wengert.primitives.indexing import write
from wengert.primitives.reductions import add_up, normalized_axes, surely, with_axes
from wengert.primitives.samples import call, distinct, normal

_absent = np._NoValue


def _axis_number(axis: Any, ndim: int) -> int:
    """`axis` of a method that goes along one axis, from 0 up."""
    return np.lib.array_utils.normalize_axis_index(int(axis), ndim)


def _converted(a: Any, dtype: Any) -> Any:
    return a if dtype is None else a.astype(dtype)


# -------------------------------------------------------------------- reductions with their own function

_reduced = [
    call(distinct(3, 4)),
    call(distinct(3, 4), axis=1, keepdims=True),
    call(distinct(2, 3, 2), axis=(0, 2)),
    call(distinct(3, 4), axis=None),
    call(distinct(4), initial=0.3),
]


def _given(**parameters: Any) -> dict[str, Any]:
    """The parameters that differ from what NumPy takes when nothing is given."""
    nothing = {"dtype": None, "keepdims": False, "initial": _absent, "where": True}
    return {name: value for name, value in parameters.items() if value is not nothing[name]}


@derived((np.add, "reduce"), name="add.reduce", samples=_reduced)
def add_reduce(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _absent,
    where: Any = True,
) -> Any:
    """The sum."""
    return np.sum(
        array, axis=axis, **_given(dtype=dtype, keepdims=keepdims, initial=initial, where=where)
    )


@derived((np.multiply, "reduce"), name="multiply.reduce", samples=_reduced)
def multiply_reduce(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _absent,
    where: Any = True,
) -> Any:
    """The product."""
    return np.prod(
        array, axis=axis, **_given(dtype=dtype, keepdims=keepdims, initial=initial, where=where)
    )


@derived((np.maximum, "reduce"), name="maximum.reduce", samples=_reduced)
def maximum_reduce(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _absent,
    where: Any = True,
) -> Any:
    """The largest."""
    return np.max(
        _converted(array, dtype),
        axis=axis,
        **_given(keepdims=keepdims, initial=initial, where=where),
    )


@derived((np.minimum, "reduce"), name="minimum.reduce", samples=_reduced)
def minimum_reduce(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _absent,
    where: Any = True,
) -> Any:
    """The smallest."""
    return np.min(
        _converted(array, dtype),
        axis=axis,
        **_given(keepdims=keepdims, initial=initial, where=where),
    )


@derived(
    (np.logical_and, "reduce"), name="logical_and.reduce", samples=[call(normal(3, 4), max_order=0)]
)
def logical_and_reduce(
    array: Any, axis: Any = 0, dtype: Any = None, keepdims: Any = False, **kwargs: Any
) -> Any:
    """Whether all are true."""
    return np.all(array, axis=axis, keepdims=keepdims, **kwargs)


@derived(
    (np.logical_or, "reduce"), name="logical_or.reduce", samples=[call(normal(3, 4), max_order=0)]
)
def logical_or_reduce(
    array: Any, axis: Any = 0, dtype: Any = None, keepdims: Any = False, **kwargs: Any
) -> Any:
    """Whether any is true."""
    return np.any(array, axis=axis, keepdims=keepdims, **kwargs)


def _shares(a: Any, out: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The derivative of a sum in the logarithm: each term's share of the sum; zeros in a row that is all -inf."""
    out = with_axes(out, a, axis, keepdims)
    return np.exp(a - np.where(out == -np.inf, 0, out))


def logsumexp_vjp(adjoint: Any, a: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    """Of every logarithm of a sum of exponentials, NumPy's and SciPy's."""
    return with_axes(adjoint, a, axis, keepdims) * _shares(a, out, axis, keepdims)


def logsumexp_jvp(tangent: Any, a: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    """As `logsumexp_vjp`, forward."""
    return add_up(tangent * _shares(a, out, axis, keepdims), axis=axis, keepdims=keepdims)


# The value is NumPy's, added up one after the other.
log_of_sum_in_order = general(
    lambda a, *, axis, keepdims: np.logaddexp.reduce(a, axis=axis, keepdims=keepdims),
    name="logaddexp.reduce",
    operands=("a",),
    vjp=logsumexp_vjp,
    jvp=logsumexp_jvp,
    formula="the adjoint times exp(a - out)",
    batch="axis",
    samples=[
        call(normal(3, 4), axis=(0,), keepdims=False),
        call(normal(3, 4), axis=(0, 1), keepdims=True),
    ],
)


@derived(
    (np.logaddexp, "reduce"),
    name="logaddexp.reduce",
    samples=[*_reduced, call(normal(3), where=[True, False, True])],
)
def logaddexp_reduce(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _absent,
    where: Any = True,
) -> Any:
    """The logarithm of the sum of exponentials."""
    a = _converted(array, dtype)
    if where is not True:
        a = np.where(where, a, -np.inf)
    out = log_of_sum_in_order(a, axis=normalized_axes(axis, a.ndim), keepdims=bool(keepdims))
    return out if initial is _absent else np.logaddexp(initial, out)


def _signs(length: int, ndim: int, axis: int, dtype: Any) -> Any:
    """1 for the first along an axis, -1 for the others."""
    signs = np.full(length, -1, dtype)
    signs[:1] = 1
    return np.reshape(signs, tuple(length if k == axis else 1 for k in range(ndim)))


def _subtract_transpose(adjoint: Any, like: Any, *, axis: int) -> Any:
    return np.expand_dims(adjoint, axis) * _signs(like.shape[axis], like.ndim, axis, like.dtype)


first_less_others = linear(
    lambda a, *, axis: np.subtract.reduce(a, axis=axis),
    name="subtract.reduce",
    operands=("a",),
    transpose=_subtract_transpose,
    formula="the adjoint for the first, its negative for the others",
    batch="axis",
    samples=[call(normal(3, 4), axis=0), call(normal(3, 4), axis=1)],
)


@derived(
    (np.subtract, "reduce"),
    name="subtract.reduce",
    samples=[call(normal(3, 4)), call(normal(3), initial=2.0)],
)
def subtract_reduce(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _absent,
    where: Any = True,
) -> Any:
    """The first less all others."""
    axes = normalized_axes(axis, array.ndim)
    if len(axes) > 1:
        raise ValueError(
            "reduction operation 'subtract' is not reorderable, so at most one axis may be specified"
        )
    if len(axes) == 0 or initial is not _absent or where is not True or array.shape[axes[0]] == 0:
        return reduce(np.subtract, array, axes, dtype, keepdims, initial, where)
    out = first_less_others(_converted(array, dtype), axis=axes[0])
    return np.expand_dims(out, axes[0]) if keepdims else out


# -------------------------------------------------------------------- accumulations with their own function

_along = [call(distinct(3, 4)), call(distinct(3, 4), axis=-1), call(distinct(5))]


@derived((np.add, "accumulate"), name="add.accumulate", samples=_along)
def add_accumulate(array: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """Sums so far."""
    return np.cumsum(array, axis=axis, dtype=dtype)


@derived((np.multiply, "accumulate"), name="multiply.accumulate", samples=_along)
def multiply_accumulate(array: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """Products so far."""
    return np.cumprod(array, axis=axis, dtype=dtype)


def _leaders(a: Any, *, axis: int, larger: bool) -> Any:
    running = np.moveaxis((np.maximum if larger else np.minimum).accumulate(a, axis=axis), axis, 0)
    is_new = np.ones(running.shape, bool)
    is_new[1:] = (running[1:] != running[:-1]) & ~np.isnan(running[:-1])
    places = np.arange(len(running)).reshape(-1, *(1,) * (running.ndim - 1))
    return np.moveaxis(np.maximum.accumulate(np.where(is_new, places, 0), axis=0), 0, axis)


# At a tie the first element stays the leader.
leaders = locally_constant(
    _leaders,
    ("a",),
    name="leaders",
    batch="axis",
    samples=[call(distinct(3, 4), axis=0, larger=True, max_order=0)],
)


@derived((np.maximum, "accumulate"), name="maximum.accumulate", samples=_along)
def maximum_accumulate(array: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """The largest so far; equal elements share the derivative equally, as in `max`."""
    return _led(_converted(array, dtype), axis, True)


@derived((np.minimum, "accumulate"), name="minimum.accumulate", samples=_along)
def minimum_accumulate(array: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """The smallest so far; equal elements share the derivative equally, as in `min`."""
    return _led(_converted(array, dtype), axis, False)


def _led(a: Any, axis: Any, larger: bool) -> Any:
    axis = _axis_number(axis, a.ndim)
    first = leaders(a, axis=axis, larger=larger)
    out = np.take_along_axis(a, first, axis)
    places = np.arange(a.shape[axis]).reshape(-1, *(1,) * (a.ndim - axis - 1))
    is_tie = (a == out) & (first != places)
    if a.dtype.kind != "f" or surely(np.logical_not(np.any(is_tie))):
        return out
    # What is added is zero; its derivative turns that of the first of equal elements into their mean.
    is_tie = is_tie & np.isfinite(a)
    apart = np.cumsum(np.where(is_tie, a, 0) - np.where(is_tie, out, 0), axis)
    count = np.cumsum(is_tie, axis)
    since = apart - np.take_along_axis(apart, first, axis)
    number = count - np.take_along_axis(count, first, axis)
    return out + since / (number + 1).astype(a.dtype)


# -------------------------------------------------------------------------------------- sums of segments


def _members(indices: Any, length: int) -> tuple[Any, Any]:
    """Of each element that a segment adds up: the segment, and the element's place."""
    stops = np.append(indices[1:], length)
    sizes = np.maximum(stops - indices, 1)  # where the next index is no larger, the element alone
    segments = np.repeat(np.arange(len(indices)), sizes)
    first = np.cumsum(sizes) - sizes
    return segments, np.arange(len(segments)) - first[segments] + indices[segments]


def _spread_segments(adjoint: Any, like: Any, *, indices: Any, axis: int) -> Any:
    segments, places = _members(indices, like.shape[axis])
    path = (("getitem", (*(slice(None),) * axis, places)),)
    parts = np.take(adjoint, segments, axis=axis)
    return write(np.zeros(like.shape, like.dtype), parts, path=path, add=True)


sum_of_segments = linear(
    lambda a, *, indices, axis: np.add.reduceat(a, indices, axis=axis),
    name="add.reduceat",
    operands=("a",),
    transpose=_spread_segments,
    formula="the adjoint of its segment for every element",
    batch="axis",
    samples=[
        call(normal(6), indices=np.array([0, 2, 3]), axis=0),
        call(normal(2, 6), indices=np.array([1, 4, 3, 0]), axis=1),
    ],
)


@derived(
    (np.add, "reduceat"),
    name="add.reduceat",
    samples=[call(normal(6), [0, 2, 3]), call(normal(2, 6), [1, 4, 3], axis=-1)],
)
def add_reduceat(array: Any, indices: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """Sums of segments."""
    indices = np.array(indices, dtype=np.intp)
    return sum_of_segments(
        _converted(array, dtype), indices=indices, axis=_axis_number(axis, array.ndim)
    )


# -------------------------------------------------------------------------------- the general definitions


def reduce(
    ufunc: np.ufunc,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _absent,
    where: Any = True,
) -> Any:
    """``ufunc.reduce(array)``, one element after the other."""
    a = _converted(array, dtype)
    axes = normalized_axes(axis, a.ndim)
    if where is not True:
        if ufunc.identity is None:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where mask "
                "one has to specify 'initial'"
            )
        a = np.where(where, a, ufunc.identity)
    kept = tuple(length for k, length in enumerate(a.shape) if k not in axes)
    rows = (
        np.reshape(np.moveaxis(a, axes, tuple(range(len(axes)))), (-1, *kept)) if axes else a[None]
    )
    out, start = _start(ufunc, rows, initial)
    for k in range(start, rows.shape[0]):
        out = ufunc(out, rows[k])
    if keepdims:
        out = np.reshape(out, tuple(1 if k in axes else length for k, length in enumerate(a.shape)))
    return out


def _start(ufunc: np.ufunc, rows: Any, initial: Any) -> tuple[Any, int]:
    """What a reduction begins with, and the row that comes next."""
    if initial is not _absent and initial is not None:
        return initial, 0
    if rows.shape[0]:
        return rows[0], 1
    if ufunc.identity is None:
        raise ValueError(
            f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
        )
    return np.full(rows.shape[1:], ufunc.identity, rows.dtype), 0


def accumulate(ufunc: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """``ufunc.accumulate(array)``, one element after the other."""
    a = _converted(array, dtype)
    if a.ndim == 0:
        raise TypeError("cannot accumulate on a scalar")
    axis = _axis_number(axis, a.ndim)
    rows = np.moveaxis(a, axis, 0)
    if rows.shape[0] == 0:
        return a
    found = [rows[0]]
    for k in range(1, rows.shape[0]):
        found.append(ufunc(found[-1], rows[k]))
    return np.stack(found, axis=axis)


def reduceat(ufunc: np.ufunc, array: Any, indices: Any, axis: Any = 0, dtype: Any = None) -> Any:
    """``ufunc.reduceat(array, indices)``, one segment after the other."""
    a = _converted(array, dtype)
    axis = _axis_number(axis, a.ndim)
    rows = np.moveaxis(a, axis, 0)
    starts = np.array(indices, dtype=np.intp)
    for start in starts:
        if not 0 <= start < rows.shape[0]:
            raise IndexError(
                f"index {start} out-of-bounds in {ufunc.__name__}.reduceat [0, {rows.shape[0]})"
            )
    stops = np.append(starts[1:], rows.shape[0])
    parts = [
        ufunc.reduce(rows[start:stop], axis=0) if stop > start else rows[start]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
    ]
    return np.stack(parts, axis=axis)


def outer(ufunc: np.ufunc, A: Any, B: Any, **kwargs: Any) -> Any:
    """``ufunc.outer(A, B)``: every element of `A` with every one of `B`."""
    if np.ndim(A) and np.ndim(B):
        A = np.reshape(A, (*np.shape(A), *(1,) * np.ndim(B)))
    return ufunc(A, B, **kwargs)


def at(ufunc: np.ufunc, a: Any, indices: Any, *values: Any) -> None:
    """``ufunc.at(a, indices, values)``: in place, repeated positions one after the other.

    The k-th occurrences of all positions make the k-th round, so that no round holds one twice.
    """
    places = np.arange(a.size).reshape(a.shape)[indices]
    values = tuple(np.reshape(np.broadcast_to(v, places.shape), -1) for v in values)
    places = places.reshape(-1)
    occurrence = _occurrences(places)
    for number in range(int(occurrence.max(initial=-1)) + 1):
        chosen = np.flatnonzero(occurrence == number)
        key = np.unravel_index(places[chosen], a.shape) if a.ndim else (None,)
        a[key if a.ndim else ...] = _round(ufunc, a, key, [v[chosen] for v in values])


def _round(ufunc: np.ufunc, a: Any, key: Any, values: list[Any]) -> Any:
    out = ufunc(a[key], *values)
    return out if a.ndim else out[0]


def _occurrences(places: Any) -> Any:
    """For each entry, how often its value stood before it."""
    order = np.argsort(places, kind="stable")
    found = places[order]
    count = np.arange(len(found))
    is_first = np.ones(len(found), bool)
    is_first[1:] = found[1:] != found[:-1]
    occurrence = np.empty_like(count)
    occurrence[order] = count - np.maximum.accumulate(np.where(is_first, count, 0))
    return occurrence


METHODS: dict[str, Callable[..., Any]] = {
    "reduce": reduce,
    "accumulate": accumulate,
    "reduceat": reduceat,
    "outer": outer,
    "at": at,
}
