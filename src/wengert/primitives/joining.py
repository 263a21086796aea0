"""Putting arrays together and taking tuples apart: concatenate, stack, block, split and others."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear
from wengert.primitives.samples import call, complex_normal, normal
from wengert.primitives.shaping import as_array

_index = np.lib.array_utils.normalize_axis_index


def _part(parts: Any, *, position: int) -> Any:
    return parts[position]


def _in_place(adjoint: Any, *, position: int) -> Any:
    raise NotImplementedError("the backward sweep gathers the adjoints of parts itself")


# One part of a tuple-valued entry (eigh, svd, qr …). Only tapes make it, so it has no samples of its own.
part = linear(
    _part, name="part", operands=("parts",), transpose=_in_place, formula="the part's adjoint"
)


def _concatenate(*arrays: Any, axis: int, starts: Any) -> Any:
    return np.concatenate(arrays, axis=axis)


def _piece(adjoint: Any, likes: Any, position: Any, *, axis: int, starts: Any) -> Any:
    start = starts[position]
    return adjoint[(slice(None),) * axis + (slice(start, start + likes[position].shape[axis]),)]


# `starts` holds where each operand begins: to add up sizes for every operand would cost quadratic time.
join = linear(
    _concatenate,
    name="join",
    operands=("array",),
    variadic=True,
    transpose=_piece,
    formula="the adjoint's piece that came from this operand",
    batch="axis",
    samples=[
        call(normal(2, 3), normal(4, 3), axis=0, starts=(0, 2)),
        call(normal(2, 3), normal(2, 0), normal(2, 1), axis=1, starts=(0, 3, 3)),
    ],
)


def _slice(adjoint: Any, position: Any, *, axis: int) -> Any:
    return adjoint[(slice(None),) * axis + (position,)]


pile = linear(
    lambda *arrays, axis: np.stack(arrays, axis=axis),
    name="stack",
    operands=("array",),
    variadic=True,
    transpose=_slice,
    formula="the adjoint's slice that came from this operand",
    batch="axis",
    samples=[call(normal(2, 3), normal(2, 3), axis=1), call(normal(), normal(), normal(), axis=0)],
)


def arrays_of(arrays: Any) -> list[Any]:
    """The members of a sequence of arrays, or the rows of one array, as arrays."""
    if isinstance(arrays, str | bytes) or not hasattr(arrays, "__getitem__"):
        raise TypeError(
            f"arrays to be put together must be a sequence, not {type(arrays).__name__}"
        )
    return [as_array(a) for a in arrays]


@derived(
    np.concatenate,
    samples=[
        call([normal(2, 3), normal(4, 3)]),
        call([normal(2, 3), normal(2)], axis=None),
        call([normal(2, 3), complex_normal(2, 1)], axis=-1),
        call([normal(0, 3), normal(2, 3)]),
    ],
)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    arrays = arrays_of(arrays)
    if not arrays:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    if dtype is not None:
        arrays = [a.astype(dtype, casting=casting) for a in arrays]
    ndim = arrays[0].ndim
    if ndim == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    if any(a.ndim != ndim for a in arrays):
        raise ValueError(
            "all the input array dimensions except for the concatenation axis must match exactly, but "
            f"the arrays have {[a.ndim for a in arrays]} dimensions"
        )
    axis = _index(axis, ndim)
    starts = tuple(accumulate([a.shape[axis] for a in arrays[:-1]], initial=0))
    return join(*arrays, axis=axis, starts=starts)


@derived(np.stack, samples=[call([normal(2, 3), normal(2, 3)], axis=1), call([normal(), normal()])])
def stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    arrays = arrays_of(arrays)
    if not arrays:
        raise ValueError("need at least one array to stack")
    if any(a.shape != arrays[0].shape for a in arrays):
        raise ValueError("all input arrays must have the same shape")
    if dtype is not None:
        arrays = [a.astype(dtype, casting=casting) for a in arrays]
    return pile(*arrays, axis=_index(axis, arrays[0].ndim + 1))


@derived(np.vstack, samples=[call([normal(3), normal(2, 3)])])
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    return np.concatenate(
        [np.atleast_2d(a) for a in arrays_of(tup)], 0, dtype=dtype, casting=casting
    )


@derived(
    np.hstack,
    samples=[
        call([normal(3), normal(2)]),
        call([normal(3, 1), normal(3, 2)]),
        call([normal(), normal()]),
    ],
)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    arrays = [np.atleast_1d(a) for a in arrays_of(tup)]
    axis = 0 if arrays and arrays[0].ndim == 1 else 1
    return np.concatenate(arrays, axis, dtype=dtype, casting=casting)


@derived(np.dstack, samples=[call([normal(3), normal(3)]), call([normal(2, 3), normal(2, 3)])])
def dstack(tup: Any) -> Any:
    return np.concatenate([np.atleast_3d(a) for a in arrays_of(tup)], 2)


@derived(np.column_stack, samples=[call([normal(3), normal(3, 2)])])
def column_stack(tup: Any) -> Any:
    return np.concatenate([_column(a) for a in arrays_of(tup)], 1)


def _column(a: Any) -> Any:
    return a if a.ndim >= 2 else np.atleast_2d(a).T


@derived(
    np.block,
    samples=[
        call([normal(2, 2), normal(2, 1)]),
        call([[normal(2, 2), normal(2, 1)], [normal(1, 2), normal(1, 1)]]),
    ],
)
def block(arrays: Any) -> Any:
    depth = _block_depth(arrays)
    ndim = max(depth, max(np.ndim(leaf) for leaf in _leaves(arrays)))
    return _block(arrays, depth, ndim)


def _block_depth(arrays: Any) -> int:
    if isinstance(arrays, tuple):
        raise TypeError("arrays is a tuple. Only lists can be used to arrange blocks, and np.block does "
                        "not allow implicit conversion from tuple to ndarray.")  # fmt: skip
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("List at arrays cannot be empty")
    depths = {_block_depth(part) for part in arrays}
    if len(depths) > 1:
        raise ValueError(f"List depths are mismatched: {sorted(depths)}")
    return 1 + depths.pop()


def _leaves(arrays: Any) -> list[Any]:
    return (
        [leaf for part in arrays for leaf in _leaves(part)]
        if isinstance(arrays, list)
        else [arrays]
    )


def _block(arrays: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        a = as_array(arrays)
        return np.reshape(a, (1,) * (ndim - a.ndim) + a.shape)
    return np.concatenate([_block(part, depth - 1, ndim) for part in arrays], -depth)


# ------------------------------------------------------------------------------------------- splitting


@derived(np.array_split, samples=[call(normal(5, 2), 3), call(normal(2, 5), [1, 3], axis=1)])
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    ary = as_array(ary)
    axis = _index(axis, ary.ndim)
    total = ary.shape[axis]
    if np.ndim(indices_or_sections):
        ends = [0, *indices_or_sections, total]
    else:
        count = int(indices_or_sections)
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, extra = divmod(total, count)
        ends = [k * each + min(k, extra) for k in range(count + 1)]
    before = (slice(None),) * axis
    return [ary[(*before, slice(a, b))] for a, b in pairwise(ends)]


@derived(np.split, samples=[call(normal(6), 3), call(normal(5, 2), [2])])
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    if not np.ndim(indices_or_sections) and np.shape(ary)[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return np.array_split(ary, indices_or_sections, axis)


@derived(np.hsplit, samples=[call(normal(4), 2), call(normal(2, 4), 2)])
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    if np.ndim(ary) == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return np.split(ary, indices_or_sections, 1 if np.ndim(ary) > 1 else 0)


@derived(np.vsplit, samples=[call(normal(4, 2), 2)])
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    if np.ndim(ary) < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return np.split(ary, indices_or_sections, 0)


@derived(np.dsplit, samples=[call(normal(1, 2, 4), 2)])
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    if np.ndim(ary) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return np.split(ary, indices_or_sections, 2)


@derived(np.unstack, samples=[call(normal(3, 2)), call(normal(3, 2), axis=-1)])
def unstack(x: Any, /, *, axis: Any = 0) -> Any:
    if x.ndim == 0:
        raise ValueError("Input array must be at least 1-d.")
    moved = np.moveaxis(x, axis, 0)
    return tuple([moved[k] for k in range(moved.shape[0])])
