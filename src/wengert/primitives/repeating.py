"""Repeating and reordering elements: tile, repeat, roll, flip, rot90, resize, meshgrid."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.samples import call, complex_normal, normal
from wengert.primitives.shaping import as_array

_index = np.lib.array_utils.normalize_axis_index
_indices = np.lib.array_utils.normalize_axis_tuple


@derived(
    np.tile,
    samples=[
        call(normal(2, 3), 2),
        call(normal(3), (2, 2)),
        call(normal(2, 3), (2, 1, 3)),
        call(normal(3), 0),
    ],
)
def tile(A: Any, reps: Any) -> Any:
    A = as_array(A)
    reps = tuple(int(n) for n in np.atleast_1d(reps))
    ndim = max(len(reps), A.ndim)
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - A.ndim) + A.shape
    # Each axis as a pair (repetition, size): broadcasting copies nothing, its transpose is a sum.
    paired = np.reshape(A, tuple([n for size in shape for n in (1, size)]))
    full = np.broadcast_to(
        paired, tuple([n for pair in zip(reps, shape, strict=True) for n in pair])
    )
    out = np.reshape(full, tuple([rep * size for rep, size in zip(reps, shape, strict=True)]))
    return out.copy()


@derived(
    np.repeat,
    samples=[
        call(normal(2, 3), 2),
        call(normal(2, 3), 2, axis=1),
        call(normal(3), [0, 2, 1]),
        call(normal(3, 2), [1, 0, 2], axis=0),
    ],
)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = _index(axis, a.ndim)
    if np.size(repeats) != 1:
        return np.take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis=axis)
    count = int(np.asarray(repeats).item())
    before, after = a.shape[: axis + 1], a.shape[axis + 1 :]
    full = np.broadcast_to(np.expand_dims(a, axis + 1), (*before, count, *after))
    return np.reshape(full, (*before[:-1], before[-1] * count, *after)).copy()


@derived(
    np.roll,
    samples=[
        call(normal(2, 3), 1),
        call(normal(2, 3), -1, axis=1),
        call(normal(2, 3), (1, 2), axis=(0, 1)),
        call(normal(3), 4),
    ],
)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    a = as_array(a)
    if axis is None:
        return np.reshape(np.roll(np.ravel(a), shift, 0), a.shape)
    pairs = np.broadcast(shift, _indices(axis, a.ndim, allow_duplicate=True))
    if pairs.ndim > 1:
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    for by, along in pairs:
        a = _rolled(a, int(by), int(along))
    return a.copy()


def _rolled(a: Any, shift: int, axis: int) -> Any:
    size = a.shape[axis]
    shift = shift % size if size else 0
    if shift == 0:
        return a
    before = (slice(None),) * axis
    return np.concatenate(
        [a[(*before, slice(size - shift, None))], a[(*before, slice(size - shift))]], axis
    )


@derived(
    np.flip,
    samples=[
        call(normal(2, 3)),
        call(normal(2, 3), 1),
        call(normal(2, 3, 2), (0, -1)),
        call(complex_normal(3)),
    ],
)
def flip(m: Any, axis: Any = None) -> Any:
    m = as_array(m)
    axes = tuple(range(m.ndim)) if axis is None else _indices(axis, m.ndim)
    return m[tuple([slice(None, None, -1) if k in axes else slice(None) for k in range(m.ndim)])]


@derived(np.flipud, samples=[call(normal(2, 3))])
def flipud(m: Any) -> Any:
    m = as_array(m)
    if m.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return m[::-1, ...]


@derived(np.fliplr, samples=[call(normal(2, 3))])
def fliplr(m: Any) -> Any:
    m = as_array(m)
    if m.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return m[:, ::-1]


@derived(
    np.rot90, samples=[call(normal(2, 3), k) for k in range(4)] + [call(normal(2, 3, 2), 1, (2, 0))]
)
def rot90(m: Any, k: Any = 1, axes: Any = (0, 1)) -> Any:
    m = as_array(m)
    axes = tuple(axes)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    first, second = (_index(axis, m.ndim) for axis in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return np.flip(m, (first, second))
    if k == 1:
        return np.swapaxes(np.flip(m, second), first, second)
    return np.flip(np.swapaxes(m, first, second), second)


@derived(np.resize, samples=[call(normal(2, 3), (4, 4)), call(normal(5), 3)])
def resize(a: Any, new_shape: Any) -> Any:
    new_shape = (new_shape,) if np.ndim(new_shape) == 0 else tuple(new_shape)
    if min(new_shape, default=0) < 0:
        raise ValueError("all elements of `new_shape` must be non-negative")
    flat = np.ravel(a)
    count = int(np.prod(new_shape))
    if flat.size == 0 or count == 0:
        return np.zeros_like(a, shape=new_shape)
    copies = -(-count // flat.size)
    return np.reshape(np.concatenate((flat,) * copies)[:count], new_shape)


@derived(
    np.meshgrid,
    samples=[
        call(normal(3), normal(2)),
        call(normal(3), normal(2), normal(4), indexing="ij"),
        call(normal(3), normal(2), sparse=True),
    ],
)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    ndim = len(xi)
    out = [np.reshape(x, (1,) * k + (-1,) + (1,) * (ndim - k - 1)) for k, x in enumerate(xi)]
    if indexing == "xy" and ndim > 1:
        out[:2] = np.swapaxes(out[0], 0, 1), np.swapaxes(out[1], 0, 1)
    if not sparse:
        out = list(np.broadcast_arrays(*out))
    return tuple([x.copy() for x in out]) if copy else tuple(out)
