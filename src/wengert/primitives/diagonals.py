"""Diagonals and triangles: diag, diagonal, fill_diagonal, tril, triu; and the Vandermonde matrix."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.indexing import read, write
from wengert.primitives.samples import call, normal
from wengert.primitives.shaping import as_array

_index = np.lib.array_utils.normalize_axis_index


@derived(
    np.diagonal,
    samples=[
        call(normal(3, 4)),
        call(normal(3, 4), -1),
        call(normal(2, 3, 4), 1, 0, 2),
        call(normal(3, 3), 5),
    ],
)
def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    a = as_array(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    axis1, axis2 = _index(axis1, a.ndim), _index(axis2, a.ndim)
    if axis1 == axis2:
        raise ValueError("axis1 and axis2 cannot be the same")
    return read(a, path=(("diagonal", (operator.index(offset), axis1, axis2)),))


@derived(
    np.diag,
    samples=[
        call(normal(3)),
        call(normal(3), 1),
        call(normal(2), -1),
        call(normal(3, 4)),
        call(normal(3, 4), -1),
    ],
)
def diag(v: Any, k: Any = 0) -> Any:
    v = as_array(v)
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = v.shape[0] + abs(k)
    return write(
        np.zeros((n, n), v.dtype), v, path=(("diagonal", (operator.index(k), 0, 1)),), add=False
    )


@derived(np.diagflat, samples=[call(normal(2, 2)), call(normal(3), 1)])
def diagflat(v: Any, k: Any = 0) -> Any:
    return np.diag(np.ravel(v), k)


@derived(np.fill_diagonal, samples=[call(normal(3, 4), normal(), max_order=0)])
def fill_diagonal(a: Any, val: Any, wrap: Any = False) -> None:
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    end = None
    if a.ndim == 2:
        step = a.shape[1] + 1
        end = None if wrap else a.shape[1] * a.shape[1]
    else:
        if any(n != a.shape[0] for n in a.shape):
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + int(np.cumprod(a.shape[:-1]).sum())
    places = np.unravel_index(np.arange(a.size)[:end:step], a.shape)
    count = places[0].size
    a[places] = val if np.ndim(val) == 0 else np.ravel(val)[np.arange(count) % np.size(val)]


@derived(np.tril, samples=[call(normal(3, 4)), call(normal(2, 3, 3), k=1), call(normal(3), k=-1)])
def tril(m: Any, k: Any = 0) -> Any:
    m = as_array(m)
    return np.where(_lower(m, k), m, _zero(m))


@derived(np.triu, samples=[call(normal(3, 4)), call(normal(2, 3, 3), k=1), call(normal(3), k=-1)])
def triu(m: Any, k: Any = 0) -> Any:
    m = as_array(m)
    return np.where(_lower(m, k - 1), _zero(m), m)


def _lower(m: Any, k: int) -> Any:
    """Where a lower triangle is; a vector stands for all the rows of a square matrix."""
    rows, columns = m.shape[-2:] if m.ndim > 1 else (m.shape[0], m.shape[0])
    return np.tri(rows, columns, k=k, dtype=bool)


def _zero(m: Any) -> Any:
    return np.zeros((), m.dtype)


@derived(
    np.vander,
    samples=[call(normal(3)), call(normal(3), 2), call(normal(3), 4, True), call(normal(3), 0)],
)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    x = as_array(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = x.shape[0] if N is None else operator.index(N)
    dtype = np.promote_types(x.dtype, int)
    if count == 0:
        return np.zeros((x.shape[0], 0), dtype)
    x = x.astype(dtype)
    columns = [np.ones(x.shape, dtype)]
    for _ in range(count - 1):
        columns.append(columns[-1] * x if len(columns) > 1 else x)
    return np.stack(columns if increasing else columns[::-1], axis=1)
