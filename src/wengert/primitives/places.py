"""Positions as numbers, as indices, and as open meshes: ravel_multi_index and its kin."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.reductions import surely
from wengert.primitives.samples import call
from wengert.primitives.shaping import as_array


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(
        [operator.index(n) for n in (shape if isinstance(shape, tuple | list) else (shape,))]
    )


def _axes_in_order(sizes: tuple[int, ...], order: str) -> range:
    """Axes from the one whose index runs first."""
    if order not in ("C", "F"):
        raise ValueError("only 'C' or 'F' order is permitted")
    return range(len(sizes) - 1, -1, -1) if order == "C" else range(len(sizes))


@derived(
    np.unravel_index,
    samples=[
        call(np.array([5, 11]), (3, 4)),
        call(np.array([[5], [11]]), (3, 4), order="F"),
        call(np.int64(7), 8),
    ],
)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    """The index, along each axis, of elements that are counted through."""
    sizes = _sizes(shape)
    places = as_array(indices)
    if places.dtype.kind not in "iu":
        raise TypeError("only int indices permitted")
    if surely(np.logical_or(places < 0, places >= np.prod(sizes, dtype=np.intp))):
        raise ValueError(f"an index is out of bounds for array with size {np.prod(sizes)}")
    parts: list[Any] = [None] * len(sizes)
    places = places.astype(np.intp)
    for axis in _axes_in_order(sizes, order):
        parts[axis], places = places % sizes[axis], places // sizes[axis]
    return tuple(parts)


@derived(
    np.ravel_multi_index,
    samples=[
        call((np.array([0, 2]), np.array([1, 3])), (3, 4)),
        call((np.array([0, 2]), np.array([1, 3])), (3, 4), order="F"),
        call((np.array([-1, 5]), np.array([1, 4])), (3, 4), mode=("clip", "wrap")),
    ],
)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """The number of elements, counted through, at an index along each axis."""
    sizes, parts = _sizes(dims), [as_array(x) for x in multi_index]
    modes = (mode,) * len(sizes) if isinstance(mode, str) else tuple(mode)
    if len(parts) != len(sizes) or len(modes) != len(sizes):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(sizes)}")
    total, step = 0, 1
    for axis in _axes_in_order(sizes, order):
        total = total + _within(parts[axis], sizes[axis], modes[axis]) * step
        step *= sizes[axis]
    return total


def _within(index: Any, size: int, mode: str) -> Any:
    if index.dtype.kind not in "iu":
        raise TypeError("only int indices permitted")
    if mode == "wrap":
        return index % size
    if mode == "clip":
        return np.minimum(np.maximum(index, 0), size - 1)
    if mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if surely(np.logical_or(index < 0, index >= size)):
        raise ValueError("invalid entry in coordinates array")
    return index


@derived(
    np.ix_,
    samples=[
        call(np.array([0, 2]), np.array([1, 1, 0])),
        call(np.array([True, False, True]), np.array([2])),
    ],
)
def ix_(*args: Any) -> Any:
    """Indices that make a grid."""
    found = []
    for axis, part in enumerate(map(as_array, args)):
        if part.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        places = part.astype(np.intp) if part.size == 0 and part.dtype.kind == "f" else part
        places = np.nonzero(places)[0] if places.dtype.kind == "b" else places
        found.append(np.reshape(places, (1,) * axis + (-1,) + (1,) * (len(args) - axis - 1)))
    return tuple(found)
