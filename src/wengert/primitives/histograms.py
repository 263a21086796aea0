"""Histograms of points: histogram2d, histogramdd. Counts are constant; sums of weights are linear in them.

Edges that follow from the points are differentiable in their extremes. `histogram` is in `statistics.py`.
"""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.samples import call, distinct, normal
from wengert.primitives.shaping import as_array
from wengert.primitives.sorting import count, count_into

_points = np.array([[0.1, 0.9, 0.4, 0.6, 0.1], [0.2, 0.1, 0.8, 0.7, 0.3]]).T


def _each(given: Any, axes: int, name: str) -> list[Any]:
    """One value of an argument for each axis."""
    if len(given) != axes:
        raise ValueError(f"{name} must have one entry for each of the {axes} dimensions of sample")
    return list(given)


def _edges(column: Any, bins: Any, range: Any) -> Any:
    if np.ndim(bins) == 0:
        if operator.index(bins) < 1:
            raise ValueError(f"bins must be positive, when an integer, not {bins}")
        return np.histogram_bin_edges(column, operator.index(bins), range)
    edges = as_array(bins)
    if edges.ndim != 1 or np.any(edges[:-1] > edges[1:]):
        raise ValueError("bins must be integers, or monotonically increasing 1-d arrays")
    return edges


@derived(
    np.histogramdd,
    samples=[
        call(_points, 2, None, None, normal(5)),
        call(_points, (2, [0.0, 0.5, 1.0]), None, True, normal(5)),
        call(distinct(6, 2), 2, max_order=0),
    ],
)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """Counts, or sums of weights, of points in the cells of a grid; and the edges of the grid."""
    if not (hasattr(sample, "shape") and len(sample.shape) == 2):  # a sequence of coordinates
        sample = np.atleast_2d(as_array(sample)).T
    axes = sample.shape[1]
    bins = _each(bins, axes, "bins") if np.iterable(bins) else [bins] * axes
    ranges = [None] * axes if range is None else _each(range, axes, "range")
    edges = [_edges(sample[:, k], bins[k], ranges[k]) for k in np.arange(axes).tolist()]
    sizes = [len(edge) - 1 for edge in edges]
    cells = prod(sizes)
    flat: Any = 0
    is_outside: Any = False
    for k, (edge, size) in enumerate(zip(edges, sizes, strict=True)):
        place = np.searchsorted(edge, sample[:, k], side="right") - 1
        place = np.where(sample[:, k] == edge[-1], size - 1, place)  # the last bin is closed
        is_outside = is_outside | (place < 0) | (place >= size)
        flat = flat * size + place
    flat = np.where(is_outside, cells, flat)  # one more, left out
    if weights is None:
        found = count(flat, minlength=cells + 1).astype(float)
    else:
        found = count_into(flat, as_array(weights), minlength=cells + 1)
    hist = np.reshape(found[:cells], tuple(sizes))
    if density:
        total = np.sum(hist)
        for k, edge in enumerate(edges):
            hist = hist / np.reshape(np.diff(edge), (-1, *(1,) * (axes - k - 1)))
        hist = hist / total
    return hist, edges


@derived(
    np.histogram2d,
    samples=[
        call(_points[:, 0], _points[:, 1], 2, weights=np.ones(5), max_order=0),
        call(distinct(6), distinct(6), 3, max_order=0),
    ],
)
def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Any:
    """Counts, or sums of weights, of points in the cells of a plane grid; and the edges."""
    if len(x) != len(y):
        raise ValueError("x and y must have the same length.")
    if np.iterable(bins) and len(list(bins)) not in (1, 2):  # the edges of both
        bins = [bins, bins]
    sample = np.stack((as_array(x), as_array(y)), axis=-1)
    hist, edges = histogramdd(sample, bins, range, density, weights)
    return hist, edges[0], edges[1]
