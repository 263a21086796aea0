"""Sets of numbers: union1d and its relatives, and the parts of unique. All of them select elements.

What is selected is decided by values; an element of the result has the derivative of the element that it
is. Of equal ones in both arrays that is the one of the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.samples import call, distinct
from wengert.primitives.shaping import as_array
from wengert.primitives.taking import pick

_some = np.array([0.2, -9.0])


def _flat(ar: Any, assume_unique: Any = False) -> Any:
    ar = as_array(ar)
    return np.ravel(ar) if assume_unique else np.unique(ar)


@derived(np.union1d, samples=[call(distinct(5), _some), call(_some, distinct(2, 2))])
def union1d(ar1: Any, ar2: Any) -> Any:
    """Sorted elements of either."""
    return np.unique(np.concatenate((np.ravel(as_array(ar1)), np.ravel(as_array(ar2)))))


@derived(
    np.intersect1d,
    samples=[
        call(distinct(5), distinct(5).array()[1:4], max_order=0),
        call(distinct(5), distinct(5).array()[1:4], assume_unique=True, max_order=0),
        call(distinct(5), distinct(5).array()[1:4], return_indices=True, max_order=0),
    ],
)
def intersect1d(ar1: Any, ar2: Any, assume_unique: Any = False, return_indices: Any = False) -> Any:
    """Sorted elements of both."""
    ar1, ar2 = np.ravel(as_array(ar1)), np.ravel(as_array(ar2))
    first = second = None
    if not assume_unique:
        ar1, first = np.unique(ar1, return_index=True)
        ar2, second = np.unique(ar2, return_index=True)
    both = np.concatenate((ar1, ar2))
    order = np.argsort(both, kind="stable")
    ordered = both[order]
    found = np.flatnonzero(ordered[1:] == ordered[:-1])
    values = ordered[found]
    if not return_indices:
        return values
    places, others = order[found], order[found + 1] - ar1.shape[0]
    return (
        values,
        places if first is None else pick(first, (places,)),
        others if second is None else pick(second, (others,)),
    )


@derived(np.setdiff1d, samples=[call(distinct(5), distinct(5).array()[1:3], max_order=0)])
def setdiff1d(ar1: Any, ar2: Any, assume_unique: Any = False) -> Any:
    """Elements of the first that are none of the second."""
    ar1 = _flat(ar1, assume_unique)
    return ar1[~np.isin(ar1, as_array(ar2))]


@derived(np.setxor1d, samples=[call(distinct(5), _some)])
def setxor1d(ar1: Any, ar2: Any, assume_unique: Any = False) -> Any:
    """Sorted elements of one of the two only."""
    both = np.sort(np.concatenate((_flat(ar1, assume_unique), _flat(ar2, assume_unique))))
    if both.shape[0] == 0:
        return both
    ends = np.concatenate(([True], both[1:] != both[:-1], [True]))
    return both[ends[1:] & ends[:-1]]


@derived(np.unique_all, samples=[call(distinct(3, 2), max_order=0)])
def unique_all(x: Any) -> Any:
    """Distinct elements, where they first are, which each element is, and how often they occur."""
    return _UNIQUE_ALL(*np.unique(as_array(x), True, True, True, equal_nan=False))


@derived(np.unique_counts, samples=[call(distinct(3, 2), max_order=0)])
def unique_counts(x: Any) -> Any:
    """Distinct elements, and how often they occur."""
    return _UNIQUE_COUNTS(*np.unique(as_array(x), return_counts=True, equal_nan=False))


@derived(np.unique_inverse, samples=[call(distinct(3, 2), max_order=0)])
def unique_inverse(x: Any) -> Any:
    """Distinct elements, and which of them each element is."""
    return _UNIQUE_INVERSE(*np.unique(as_array(x), return_inverse=True, equal_nan=False))


# NumPy's named tuples, which it gives no public names.
_UNIQUE_ALL = type(np.unique_all(np.empty(0)))
_UNIQUE_COUNTS = type(np.unique_counts(np.empty(0)))
_UNIQUE_INVERSE = type(np.unique_inverse(np.empty(0)))
