"""Order: sort, partition, and the positions that arg-functions, searches and counts return.

A sorted array is the array read in the order that `argsort` gives, so only reading has a derivative.
The one difficulty are functions that return positions beside values (`unique`): the values keep theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear, locally_constant
from wengert.primitives.reductions import normalized_axis, surely
from wengert.primitives.samples import call, complex_normal, distinct, normal
from wengert.primitives.shaping import as_array

# -------------------------------------------------------------------------------------- positions


def _positions(function: Any) -> Any:
    """A function that returns positions along one axis, without derivative."""
    return locally_constant(
        lambda a, *, axis, **options: function(a, axis=axis, **options),
        ("a",),
        name=function.__name__,
        batch="axis",
        samples=[call(distinct(3, 4), axis=1)],
    )


argmax_along, argmin_along = _positions(np.argmax), _positions(np.argmin)
nanargmax_along, nanargmin_along = _positions(np.nanargmax), _positions(np.nanargmin)
argsort_along = _positions(np.argsort)
argpartition_along = locally_constant(
    lambda a, *, kth, axis, **options: np.argpartition(a, kth, axis=axis, **options),
    ("a",),
    name="argpartition",
    batch="axis",
    samples=[call(distinct(3, 4), kth=(1, 2), axis=1)],
)


def _place_of(primitive: Any, a: Any, axis: Any, keepdims: Any) -> Any:
    a = as_array(a)
    if axis is not None:
        return primitive(a, axis=normalized_axis(axis, a.ndim), keepdims=bool(keepdims))
    place = primitive(np.ravel(a), axis=0)
    return np.reshape(place, (1,) * a.ndim) if keepdims else place


_places = [
    call(distinct(3, 4), axis=-1, max_order=0),
    call(distinct(3, 4), keepdims=True, max_order=0),
]


@derived(np.argmax, samples=_places)
def argmax(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Position of the maximum."""
    return _place_of(argmax_along, a, axis, keepdims)


@derived(np.argmin, samples=_places)
def argmin(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Position of the minimum."""
    return _place_of(argmin_along, a, axis, keepdims)


@derived(np.nanargmax, samples=_places)
def nanargmax(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Position of the maximum of what is not NaN."""
    return _place_of(nanargmax_along, a, axis, keepdims)


@derived(np.nanargmin, samples=_places)
def nanargmin(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Position of the minimum of what is not NaN."""
    return _place_of(nanargmin_along, a, axis, keepdims)


def _without_fields(order: Any) -> None:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")


def _flattened(a: Any, axis: Any) -> tuple[Any, int]:
    """The array and its axis; with axis None, the array in one row."""
    a = as_array(a)
    return (np.ravel(a), 0) if axis is None else (a, normalized_axis(axis, a.ndim))


@derived(
    np.argsort,
    samples=[call(distinct(3, 4), 0, max_order=0), call(distinct(3, 4), axis=None, max_order=0)],
)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    """Positions in ascending order."""
    _without_fields(order)
    a, axis = _flattened(np.atleast_1d(as_array(a)), axis)
    return argsort_along(a, axis=axis, kind=kind, stable=stable)


@derived(
    np.argpartition,
    samples=[call(distinct(3, 4), 2, max_order=0), call(distinct(3, 4), [1, 5], None, max_order=0)],
)
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None
) -> Any:
    """Positions in an order in which those of rank `kth` are where they belong."""
    _without_fields(order)
    a, axis = _flattened(a, axis)
    return argpartition_along(a, kth=_ranks(kth), axis=axis, kind=kind)


def _ranks(kth: Any) -> tuple[int, ...]:
    ranks = np.asarray(kth)
    if ranks.dtype.kind not in "iu":
        raise TypeError("Partition index must be integer")
    return tuple(ranks.ravel().tolist())


# ----------------------------------------------------------------------------------------- values


@derived(
    np.sort,
    samples=[
        call(distinct(3, 4)),
        call(distinct(3, 4), 0, "stable"),
        call(distinct(3, 4), axis=None),
        call(distinct(0)),
        call(complex_normal(4)),
    ],
)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """A sorted copy; among equal elements, each keeps its own derivative."""
    _without_fields(order)
    a, axis = _flattened(a, axis)
    return np.take_along_axis(a, argsort_along(a, axis=axis, kind=kind, stable=stable), axis)


@derived(np.partition, samples=[call(distinct(5), 2), call(distinct(3, 4), (0, 2), axis=None)])
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None
) -> Any:
    """A copy in which elements of rank `kth` are where sorting would put them."""
    _without_fields(order)
    a, axis = _flattened(a, axis)
    places = argpartition_along(a, kth=_ranks(kth), axis=axis, kind=kind)
    return np.take_along_axis(a, places, axis)


@derived(np.sort_complex, samples=[call(distinct(4)), call(complex_normal(2, 3))])
def sort_complex(a: Any) -> Any:
    """A sorted copy, as complex numbers."""
    a = np.sort(as_array(a))
    return (
        a if a.dtype.kind == "c" else a.astype(np.clongdouble if a.dtype.char == "g" else complex)
    )


# ------------------------------------------------------------------------------- unique and sets

unique_positions = locally_constant(
    lambda a, *, axis, equal_nan: np.unique(
        a,
        return_index=True,
        return_inverse=True,
        return_counts=True,
        axis=axis,
        equal_nan=equal_nan,
    )[1:],
    ("a",),
    name="unique_positions",
    samples=[call(distinct(3, 4), axis=None, equal_nan=True)],
)


@derived(
    np.unique,
    samples=[
        call(distinct(3, 2)),
        call(distinct(3, 2), axis=0),
        call(distinct(3), True, max_order=0),
    ],
)
def unique(
    ar: Any,
    return_index: Any = False,
    return_inverse: Any = False,
    return_counts: Any = False,
    axis: Any = None,
    *,
    equal_nan: Any = True,
    sorted: Any = True,
) -> Any:
    """Distinct elements; each has the derivative of its first occurrence."""
    ar = as_array(ar)
    index, inverse, counts = unique_positions(ar, axis=axis, equal_nan=bool(equal_nan))
    values = np.take(np.ravel(ar), index) if axis is None else np.take(ar, index, axis)
    wanted = ((return_index, index), (return_inverse, inverse), (return_counts, counts))
    extra = tuple(part for is_wanted, part in wanted if is_wanted)
    return (values, *extra) if extra else values


@derived(np.unique_values, samples=[call(distinct(3, 2))])
def unique_values(x: Any) -> Any:
    """Distinct elements."""
    return np.unique(as_array(x), equal_nan=False)


@derived(np.isin, samples=[call(normal(3), [0.0, 1.0], max_order=0)])
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: Any = False,
    invert: Any = False,
    *,
    kind: Any = None,
) -> Any:
    """Whether elements are among others."""
    element, test_elements = as_array(element), as_array(test_elements)
    same = np.expand_dims(element, -1) == np.reshape(test_elements, (1,) * element.ndim + (-1,))
    found = np.any(same, axis=-1)
    return ~found if invert else found


# ----------------------------------------------------------------------------- searches and counts


def _lexsort_batched(primitive: Any, values: Any, batched: Any, size: int, *, axis: int) -> Any:
    return primitive(np.moveaxis(values[0], 0, 1), axis=axis + 1)


sort_by_keys = locally_constant(
    lambda keys, *, axis: np.lexsort(keys, axis),
    ("keys",),
    name="lexsort",
    batch=_lexsort_batched,
    samples=[call(distinct(2, 4), axis=0), call(distinct(2, 4, 3), axis=1)],
)


@derived(np.lexsort, samples=[call((distinct(4), normal(4)), max_order=0)])
def lexsort(keys: Any, axis: int = -1) -> Any:
    """Positions in the order of several keys, the last first."""
    keys = np.stack(list(keys)) if isinstance(keys, list | tuple) else keys
    return sort_by_keys(keys, axis=normalized_axis(axis, keys.ndim - 1))


def _search_batched(primitive: Any, values: Any, batched: Any, size: int, *, side: str) -> Any:
    a, v = values
    if not batched[0]:
        return primitive(a, v, side=side)
    parts = [primitive(a[k], v[k] if batched[1] else v, side=side) for k in range(size)]
    return np.stack(parts)


search = locally_constant(
    lambda a, v, *, side: np.searchsorted(a, v, side),
    ("a", "v"),
    name="searchsorted",
    batch=_search_batched,
    samples=[call(np.array([0.0, 1.0]), normal(3), side="left")],
)


@derived(np.searchsorted, samples=[call([-1.0, 0.0, 1.0], normal(3), max_order=0)])
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where elements would be inserted to keep an array sorted."""
    a = as_array(a)
    if sorter is not None:
        a = np.take(a, sorter)
    return search(a, as_array(v), side=side)


@derived(np.digitize, samples=[call(normal(3), [-1.0, 0.0, 1.0], max_order=0)])
def digitize(x: Any, bins: Any, right: Any = False) -> Any:
    """Which bin each element falls into."""
    x, bins = as_array(x), as_array(bins)
    if x.dtype.kind == "c":
        raise TypeError("x may not be complex")
    steps = np.diff(bins)
    if np.all(steps >= 0):
        return np.searchsorted(bins, x, side="left" if right else "right")
    if not np.all(steps <= 0):
        raise ValueError("bins must be monotonically increasing or decreasing")
    return len(bins) - np.searchsorted(bins[::-1], x, side="right" if right else "left")


def _batch_bincount(primitive: Any, values: Any, batched: Any, size: int, *, minlength: int) -> Any:
    """Each by itself; the counts of all have the length that the longest has."""
    length = max(minlength, int(np.max(values[0], initial=-1)) + 1)
    rows = [[v[k] if b else v for v, b in zip(values, batched, strict=True)] for k in range(size)]
    return np.stack([primitive(*row, minlength=length) for row in rows])


def _sums(x: Any, weights: Any, *, minlength: int) -> Any:
    if weights.dtype.kind == "f" and np.can_cast(weights.dtype, float):
        return np.bincount(x, weights, minlength)
    out = np.zeros(max(int(np.max(x, initial=-1)) + 1, minlength), weights.dtype)
    np.add.at(out, x, weights)  # for histograms of what np.bincount does not take
    return out


count_into = linear(
    _sums,
    name="bincount",
    operands=("x", "weights"),
    transpose=(None, lambda adjoint, x, *, minlength: adjoint[x]),
    formula=("", "the adjoint of the bin that the weight was added to"),
    batch=_batch_bincount,
    samples=[call(np.array([1, 0, 1, 3]), normal(4), minlength=0)],
)

count = locally_constant(
    lambda x, *, minlength: np.bincount(x, minlength=minlength),
    ("x",),
    name="count",
    batch=_batch_bincount,
    samples=[call(np.array([1, 0, 1, 3]), minlength=0)],
)


@derived(
    np.bincount, samples=[call(np.array([1, 0, 1, 3]), normal(4)), call([0, 2, 0], normal(3), 5)]
)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Any:
    """Sums of weights for each value of an array of small integers."""
    x = as_array(x)
    length = _length_of_counts(x, minlength)
    if weights is None:
        return count(x, minlength=length)
    return count_into(x, as_array(weights), minlength=length)


def _length_of_counts(x: Any, minlength: Any) -> Any:
    """As long as the largest value asks for: a decision, if it is traced."""
    if not x.size or not surely(np.max(x) >= minlength):
        return minlength
    return int(np.max(x)) + 1


flatnonzero = derived(np.flatnonzero, samples=[call(normal(4), max_order=0)])(
    lambda a: np.nonzero(np.ravel(as_array(a)))[0]
)


@derived(np.argwhere, samples=[call(normal(2, 3), max_order=0)])
def argwhere(a: Any) -> Any:
    """Indices of elements that are not zero, one a row."""
    a = np.atleast_1d(as_array(a)) if np.ndim(a) == 0 else as_array(a)
    return np.transpose(np.stack(np.nonzero(a)))
