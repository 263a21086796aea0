"""Reductions along axes: sum, mean, prod, max, min, ptp, all, any, count_nonzero.

Core primitives take a sorted tuple of axes from 0; fronts with NumPy's signatures normalise what people
write. The two difficulties: the derivative of a product with zeros in it, which must not divide by an
element (`products_of_others` multiplies along a tree instead), and ties of max and min, which share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from wengert.errors import BatchError
from wengert.primitives.family import derived, general, linear, locally_constant
from wengert.primitives.samples import Draw, call, complex_normal, distinct, normal
from wengert.primitives.shaping import as_array

_NO_IDENTITY = (
    "reduction operation '{0}' does not have an identity, "
    "so to use a where mask one has to specify 'initial'"
)

# ---------------------------------------------------------------------------- axes and arguments


def in_dtype(out: Any, dtype: Any) -> Any:
    """A result in the dtype that was asked for: sums and products of small integers are wider."""
    return out if dtype is None or out.dtype == dtype else out.astype(dtype)


def as_number(out: Any) -> Any:
    """A number in place of an array without axes, as NumPy's functions return it."""
    return out if out.shape else out[()]


def surely(condition: Any) -> bool:
    """True if a condition holds somewhere: a decision; False if a batch leaves it open."""
    try:
        return bool(np.any(condition))
    except BatchError:
        return False


def normalized_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis` as NumPy takes it (None, a number, several) as a sorted tuple of numbers from 0."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int:
        if -ndim <= axis < ndim:
            return (axis % ndim,)
        raise np.exceptions.AxisError(axis, ndim)
    return tuple(sorted(normalize_axis_tuple(axis, ndim)))


def reduced_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """As `normalized_axes`; the reductions that are ufuncs let a number have a first and last axis."""
    return () if ndim == 0 and axis in (0, -1) else normalized_axes(axis, ndim)


def normalized_axis(axis: Any, ndim: int) -> int:
    """One axis, as a number from 0."""
    return int(normalize_axis_tuple(axis, ndim)[0])


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduced array that keeps its reduced axes."""
    return tuple([1 if k in axis else n for k, n in enumerate(shape)])


def count_along(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    """How many elements are reduced to one."""
    count = 1
    for k in axis:
        count *= shape[k]
    return count


def with_axes(a: Any, like: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """A reduced array with its reduced axes, as if keepdims had been given."""
    return a if keepdims or not axis else np.reshape(a, kept_shape(like.shape, axis))


_SMALL = 4096  # elements


def spread(a: Any, like: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """A reduced array, broadcast back along the reduced axes."""
    like = as_array(like)
    if like.size <= _SMALL and (isinstance(a, float) or type(a) is np.ndarray):
        out = np.empty(like.shape, like.dtype)  # filling is cheaper than a view
        out[...] = a if isinstance(a, float) else with_axes(a, like, axis, keepdims)
        return out
    return np.broadcast_to(with_axes(a, like, axis, keepdims), like.shape)


def _reduced(ufunc: np.ufunc, function: Any) -> Any:
    """A reduction of arrays that skips NumPy's Python wrapper."""

    def reduce(a: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        if type(a) is np.ndarray:
            return ufunc.reduce(a, axis=axis, keepdims=keepdims)
        return function(a, axis=axis, keepdims=keepdims)

    return reduce


# ------------------------------------------------------------------------------------ sum and mean

_three = [
    call(normal(3, 4), axis=(0, 1), keepdims=False),
    call(normal(3, 4), axis=(1,), keepdims=True),
    call(complex_normal(2, 3), axis=(0,), keepdims=False),
]
_empty = [call(normal(3, 0), axis=(1,), keepdims=False), call(normal(), axis=(), keepdims=False)]

add_up = linear(
    _reduced(np.add, np.sum),
    name="sum",
    operands=("a",),
    transpose=lambda adjoint, like, *, axis, keepdims: spread(adjoint, like, axis, keepdims),
    formula="the adjoint for every element that was summed",
    lower="sum",
    batch="axis",
    samples=[*_three, *_empty],
)


def _mean_transpose(adjoint: Any, like: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    count = count_along(like.shape, axis) or 1  # of nothing, the derivative is empty
    return spread(adjoint / count, like, axis, keepdims)


_sum: Any = np.add.reduce


def _average(a: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    count = count_along(a.shape, axis) if type(a) is np.ndarray and a.dtype == _FLOAT64 else 0
    if count:  # what np.mean computes of these, without its Python
        return _sum(a, axis=axis, keepdims=keepdims) / count
    return np.mean(a, axis=axis, keepdims=keepdims)


_FLOAT64 = np.dtype(np.float64)

average_out = linear(
    _average,
    name="mean",
    operands=("a",),
    transpose=_mean_transpose,
    formula="the adjoint divided by the number of elements",
    lower="mean",
    batch="axis",
    samples=[*_three, _empty[1]],
)

_every_but_one = np.array([True, False, True, True])[:, None][:3]
_fronts = [
    call(normal(3, 4)),
    call(normal(3, 4), axis=1),
    call(normal(2, 3, 2), axis=(-1, 0), keepdims=True),
    call(normal(3, 4), axis=0, where=_every_but_one),
    call(complex_normal(3)),
]


@derived(np.sum, samples=[*_fronts, call(normal(0)), call(normal(3), initial=2.0)])
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: Any = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """Sum of elements."""
    a = as_array(a) if dtype is None else as_array(a).astype(dtype)
    if where is not True:
        a = np.where(where, a, 0)
    out = add_up(a, axis=reduced_axes(axis, a.ndim), keepdims=bool(keepdims))
    return in_dtype(out if type(initial) is int and initial == 0 else out + initial, dtype)


@derived(np.mean, samples=_fronts)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, where: Any = True
) -> Any:
    """Arithmetic mean."""
    a = as_array(a) if dtype is None else as_array(a).astype(dtype)
    axes = normalized_axes(axis, a.ndim)
    if where is True:
        return in_dtype(average_out(a, axis=axes, keepdims=bool(keepdims)), dtype)
    mask = np.broadcast_to(where, a.shape)
    total, count = (
        np.sum(a, axes, keepdims=keepdims, where=mask),
        np.sum(mask, axes, keepdims=keepdims),
    )
    return in_dtype(total / count, total.dtype if total.dtype.kind in "fc" else None)


# -------------------------------------------------------------------------------- maximum, minimum


def _taken(a: Any, out: Any, axis: tuple[int, ...], keepdims: bool) -> tuple[Any, Any]:
    """Which elements the result is, and how many; a NaN comes from none."""
    a = as_array(a)  # a number of Python's has no dtype
    taken = a == with_axes(out, a, axis, keepdims)
    count = add_up(np.where(taken, np.ones((), a.dtype), 0), axis=axis, keepdims=True)
    return taken, np.maximum(count, 1)


def _extremum_vjp(adjoint: Any, a: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    taken, count = _taken(a, out, axis, keepdims)
    return np.where(taken, with_axes(adjoint, a, axis, keepdims) / count, 0)


def _extremum_jvp(tangent: Any, a: Any, out: Any, *, axis: Any, keepdims: bool) -> Any:
    taken, count = _taken(a, out, axis, keepdims)
    shared = add_up(np.where(taken, tangent, 0), axis=axis, keepdims=True) / count
    return np.reshape(shared, out.shape)


_extrema = [
    call(distinct(3, 4), axis=(0, 1), keepdims=False),
    call(distinct(3, 4), axis=(1,), keepdims=True),
    call(distinct(3), axis=(), keepdims=False),
]

largest = general(
    _reduced(np.maximum, np.max),
    name="max",
    operands=("a",),
    vjp=_extremum_vjp,
    jvp=_extremum_jvp,
    formula="the adjoint, shared equally by all elements that are the maximum",
    lower="max",
    batch="axis",
    selects=True,
    samples=_extrema,
)

smallest = general(
    _reduced(np.minimum, np.min),
    name="min",
    operands=("a",),
    vjp=_extremum_vjp,
    jvp=_extremum_jvp,
    formula="the adjoint, shared equally by all elements that are the minimum",
    lower="min",
    batch="axis",
    selects=True,
    samples=_extrema,
)


def _extremum(
    primitive: Any, pair: Any, a: Any, axis: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    a = as_array(a)
    if initial is None:
        if where is not True:
            raise ValueError(_NO_IDENTITY.format(pair.__name__))
        return primitive(a, axis=reduced_axes(axis, a.ndim), keepdims=bool(keepdims))
    axes = reduced_axes(axis, a.ndim)
    if where is not True:
        a = np.where(where, a, initial)
    if count_along(a.shape, axes) == 0:
        return np.sum(a, axes, keepdims=keepdims) + initial
    return pair(primitive(a, axis=axes, keepdims=bool(keepdims)), initial)


_with_extremum = [
    call(distinct(3, 4)),
    call(distinct(3, 4), axis=-1, keepdims=True),
    call(distinct(2, 3, 2), axis=(0, -1)),
    call(distinct(3, 4), axis=0, initial=0.1, where=_every_but_one),
    call(normal(0, 2), axis=0, initial=1.5),
]


@derived(np.max, samples=_with_extremum)
def max(
    a: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Maximum; equal elements share the derivative equally."""
    return _extremum(largest, np.maximum, a, axis, keepdims, initial, where)


@derived(np.min, samples=_with_extremum)
def min(
    a: Any, axis: Any = None, *, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Minimum; equal elements share the derivative equally."""
    return _extremum(smallest, np.minimum, a, axis, keepdims, initial, where)


amax = derived(np.amax, samples=_with_extremum[:2])(max.definition)
amin = derived(np.amin, samples=_with_extremum[:2])(min.definition)


@derived(np.ptp, samples=[call(distinct(3, 4)), call(distinct(3, 4), axis=1, keepdims=True)])
def ptp(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Maximum less minimum."""
    a = as_array(a)
    return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)


# ---------------------------------------------------------------------------------------- products


def products_of_others(a: Any) -> Any:
    """For each element, the product of all others along the last axis.

    Neighbours are multiplied pairwise, up a tree; then each element gets its neighbour's product and,
    from above, that of everything outside the pair. No division: zeros need no special case, at any order.
    """
    count = a.shape[-1]
    if count < 2:
        return np.ones(a.shape, a.dtype)
    half = count // 2
    left, right, rest = a[..., :half], a[..., half : 2 * half], a[..., 2 * half :]
    above = products_of_others(np.concatenate([left * right, rest], axis=-1))
    outside = above[..., :half]
    return np.concatenate([outside * right, outside * left, above[..., half:]], axis=-1)


def _others(a: Any, axis: tuple[int, ...]) -> Any:
    """`products_of_others` along several axes at once, in the shape of `a`."""
    a = as_array(a)
    rest = tuple(k for k in range(a.ndim) if k not in axis)
    order = (*rest, *axis)
    moved = np.transpose(a, order)
    flat = np.reshape(moved, (*moved.shape[: len(rest)], count_along(a.shape, axis)))
    others = np.reshape(products_of_others(flat), moved.shape)
    return np.transpose(others, tuple(order.index(k) for k in range(a.ndim)))


def _prod_vjp(adjoint: Any, a: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return with_axes(adjoint, a, axis, keepdims) * _others(a, axis)


def _prod_jvp(tangent: Any, a: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return add_up(tangent * _others(a, axis), axis=axis, keepdims=keepdims)


_zeros_among = Draw(
    "zeros among",
    (3, 4),
    lambda rng, shape: (
        rng.standard_normal(shape) * np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]])
    ),
)
multiply_up = general(
    _reduced(np.multiply, np.prod),
    name="prod",
    operands=("a",),
    vjp=_prod_vjp,
    jvp=_prod_jvp,
    formula="the adjoint times the product of all other elements",
    lower="prod",
    batch="axis",
    samples=[
        *_three,
        *_empty,
        call(normal(7), axis=(0,), keepdims=False),
        call(_zeros_among, axis=(1,), keepdims=False),
    ],
)


@derived(np.prod, samples=[*_fronts, call(normal(0)), call(normal(3), initial=2.0)])
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: Any = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """Product of elements; right with any number of zeros among them."""
    a = as_array(a) if dtype is None else as_array(a).astype(dtype)
    if where is not True:
        a = np.where(where, a, 1)
    out = multiply_up(a, axis=reduced_axes(axis, a.ndim), keepdims=bool(keepdims))
    return in_dtype(out if type(initial) is int and initial == 1 else out * initial, dtype)


# -------------------------------------------------------------------------------------- questions


def _question(function: Any) -> Any:
    """A reduction to truth values or counts, without derivative."""
    return locally_constant(
        lambda a, *, axis, keepdims: function(a, axis=axis, keepdims=keepdims),
        ("a",),
        name=function.__name__,
        batch="axis",
        samples=[call(normal(3, 4), axis=(1,), keepdims=True)],
    )


any_of, all_of, count_of = _question(np.any), _question(np.all), _question(np.count_nonzero)


@derived(np.any, samples=[call(normal(3, 4), axis=1, max_order=0)])
def any(a: Any, axis: Any = None, *, keepdims: Any = False, where: Any = True) -> Any:
    """Whether any element is true."""
    a = as_array(a) if where is True else np.where(where, a, 0)
    return any_of(a, axis=reduced_axes(axis, a.ndim), keepdims=bool(keepdims))


@derived(np.all, samples=[call(normal(3, 4), axis=1, max_order=0)])
def all(a: Any, axis: Any = None, *, keepdims: Any = False, where: Any = True) -> Any:
    """Whether all elements are true."""
    a = as_array(a) if where is True else np.where(where, a, 1)
    return all_of(a, axis=reduced_axes(axis, a.ndim), keepdims=bool(keepdims))


@derived(np.count_nonzero, samples=[call(normal(3, 4), axis=1, max_order=0)])
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """How many elements are not zero."""
    a = as_array(a)
    return count_of(a, axis=normalized_axes(axis, a.ndim), keepdims=bool(keepdims))
