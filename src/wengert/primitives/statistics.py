"""Means, variances and what follows from them: var, std, average, cov, corrcoef, histogram.

They follow NumPy's order of operations, so that values agree to the last bit. The one difficulty is std
at zero: of a constant array it has derivative 0, not NaN (DESIGN, Semantics).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wengert.primitives.family import derived, elementwise, locally_constant
from wengert.primitives.reductions import count_along, normalized_axes, surely
from wengert.primitives.samples import call, complex_normal, distinct, normal, positive
from wengert.primitives.shaping import as_array
from wengert.primitives.sorting import count_into

# ----------------------------------------------------------------------------- variance, deviation


def _root_d(out: Any) -> Any:
    return np.where(out == 0, 0, 0.5 / np.where(out == 0, 1, out))


root = elementwise(
    lambda x: np.sqrt(x),
    d=_root_d,
    name="root",
    formula="1/(2*out)",
    kinks={0.0: 0.0},
    samples=[call(positive(3, 4))],
)


def _divisor(count: Any, ddof: Any) -> Any:
    """What sums of squares are divided by; as NumPy, never negative, with a warning for none."""
    divisor = count - ddof
    if isinstance(divisor, int | float):
        if divisor <= 0:
            warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=4)
            return np.float64(0)
        return divisor
    return np.maximum(divisor, 0)


def _degrees(ddof: Any, correction: Any) -> Any:
    if correction is None:
        return ddof
    if ddof != 0:
        raise ValueError("ddof and correction can't be provided simultaneously.")
    return correction


def _squares(d: Any) -> Any:
    if d.dtype.kind == "c":
        return np.square(np.real(d)) + np.square(np.imag(d))
    return np.square(d)


_variances = [
    call(normal(3, 4)),
    call(normal(3, 4), axis=0, ddof=1),
    call(normal(2, 3, 2), axis=(0, -1), keepdims=True, correction=0.5),
    call(normal(3, 4), axis=1, where=np.array([True, False, True, True])),
    call(normal(3, 4), axis=1, mean=np.full((3, 1), 0.2)),
    call(complex_normal(2, 3), axis=1),
]


@derived(np.var, samples=_variances)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Mean of squared deviations from the mean."""
    a, ddof = as_array(a), _degrees(ddof, correction)
    axes = normalized_axes(axis, a.ndim)
    if dtype is not None or a.dtype.kind in "iub":
        a = a.astype(dtype or float)
    count, counts = _counts(a, axes, keepdims, where)
    if mean is None and a.dtype == np.float16:  # the mean of halves is reckoned in single precision
        mean = (np.sum(a, axes, keepdims=True, where=where) / counts).astype(a.dtype)
    elif mean is None:
        mean = np.mean(a, axes, keepdims=True, where=where)
    squares = np.sum(_squares(a - mean), axes, keepdims=keepdims, where=where)
    out = squares / _divisor(count, ddof)
    return out if out.dtype == squares.dtype else out.astype(squares.dtype)


def _counts(a: Any, axes: tuple[int, ...], keepdims: Any, where: Any) -> tuple[Any, Any]:
    """How many elements are reduced to one: in the shape of the result, and with all axes kept."""
    if where is True:
        count = count_along(a.shape, axes)
        return count, count
    where = np.broadcast_to(where, a.shape)
    return np.sum(where, axes, keepdims=keepdims), np.sum(where, axes, keepdims=True)


@derived(np.std, samples=_variances)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Root of the variance; its derivative where that is 0 is 0."""
    options = {} if mean is None else {"mean": mean}
    return root(
        np.var(
            a,
            axis,
            dtype,
            ddof=_degrees(ddof, correction),
            keepdims=keepdims,
            where=where,
            **options,
        )
    )


# --------------------------------------------------------------------------------- weighted averages


def weights_along(weights: Any, a: Any, axis: Any) -> Any:
    """Weights in the shape of `a`, or one that broadcasts to it, if they are given along `axis` only."""
    weights = as_array(weights)
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = np.lib.array_utils.normalize_axis_tuple(axis, a.ndim)
    if weights.shape != tuple(a.shape[k] for k in axes):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    weights = np.transpose(weights, tuple(np.argsort(axes).tolist()))
    return np.reshape(weights, tuple(n if k in axes else 1 for k, n in enumerate(a.shape)))


@derived(
    np.average,
    samples=[
        call(normal(3, 4)),
        call(normal(3, 4), 1, positive(4)),
        call(normal(3, 4), None, positive(3, 4), True, keepdims=True),
        call(normal(2, 3, 4), (2, 0), positive(4, 2)),
        call([1.0, 2.0, 4.0], None, positive(3)),
    ],
)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: Any = False, *, keepdims: Any = False
) -> Any:
    """Weighted mean, and on request the sum of the weights."""
    a = as_array(a)
    axes = normalized_axes(axis, a.ndim)
    if weights is None:
        out = np.mean(a, axes, keepdims=keepdims)
        scale: Any = out.dtype.type(count_along(a.shape, axes))
    else:
        weights = weights_along(weights, a, axis)
        extra = ("f8",) if a.dtype.kind in "iub" else ()
        dtype = np.result_type(a.dtype, weights.dtype, *extra)
        scale = np.sum(weights, axes, dtype, keepdims=keepdims)
        if surely(scale == 0.0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        out = np.sum(a * weights.astype(dtype), axes, keepdims=keepdims) / scale
    if not returned:
        return out
    return out, scale if np.shape(scale) == out.shape else np.broadcast_to(scale, out.shape).copy()


# --------------------------------------------------------------------------------------- covariance


def _rows(m: Any, dtype: Any, rowvar: Any) -> Any:
    """Observations with one variable a row."""
    m = as_array(m)
    if m.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    rows = np.reshape(m, (1, -1)) if m.ndim < 2 else m if rowvar else np.transpose(m)
    return rows if rows.dtype == dtype else rows.astype(dtype)


def _observation_weights(fweights: Any, aweights: Any, count: int) -> tuple[Any, Any, Any]:
    """Both kinds of weights, checked, and their product; None where not given."""
    checked: list[Any] = []
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is None:
            checked.append(None)
            continue
        weights = as_array(weights)
        if weights.ndim > 1:
            raise RuntimeError(f"cannot handle multidimensional {name}")
        if weights.shape[0] != count:
            raise RuntimeError(f"incompatible numbers of samples and {name}")
        if surely(weights < 0):
            raise ValueError(f"{name} cannot be negative")
        if name == "fweights" and surely(weights != np.round(weights)):
            raise TypeError("fweights must be integer")
        checked.append(weights)
    given = [weights for weights in checked if weights is not None]
    return (
        checked[0],
        checked[1],
        None if not given else given[0] if len(given) == 1 else given[0] * given[1],
    )


def _freedom(rows: Any, ddof: Any, aweights: Any, weights: Any, total: Any) -> Any:
    """What the products of deviations are divided by."""
    if weights is None:
        return rows.shape[1] - ddof
    if ddof == 0:
        return total
    if aweights is None:
        return total - ddof
    return total - ddof * np.sum(weights * aweights) / total


@derived(
    np.cov,
    samples=[
        call(normal(3, 5)),
        call(normal(5), normal(5), bias=True),
        call(normal(5, 2), rowvar=False, ddof=0),
        call(
            normal(2, 4), fweights=np.array([1, 2, 1, 3]), aweights=np.array([0.5, 1.0, 2.0, 1.0])
        ),
        call(complex_normal(2, 4)),
    ],
)
def cov(
    m: Any,
    y: Any = None,
    rowvar: Any = True,
    bias: Any = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Covariance matrix."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    m, y = as_array(m), None if y is None else as_array(y)
    dtype = dtype or np.result_type(m.dtype, np.float64, *(() if y is None else (y.dtype,)))
    rows = _rows(m, dtype, rowvar)
    if rows.shape[0] == 0:
        return np.zeros((0, 0))
    if y is not None:
        rows = np.concatenate([rows, _rows(y, dtype, rowvar)], axis=0)
    ddof = int(not bias) if ddof is None else ddof
    _, aweights, weights = _observation_weights(fweights, aweights, rows.shape[1])
    means, total = np.average(rows, axis=1, weights=weights, returned=True)
    freedom = _freedom(rows, ddof, aweights, weights, total[0])
    if surely(freedom <= 0):
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        freedom = np.float64(0.0)
    deviations = rows - means[:, None]
    weighted = deviations if weights is None else deviations * weights
    products = np.matmul(deviations, np.conjugate(np.transpose(weighted)))
    return np.squeeze(products * np.true_divide(1, freedom))


@derived(np.corrcoef, samples=[call(normal(3, 5)), call(normal(5), normal(5)), call(normal(4))])
def corrcoef(x: Any, y: Any = None, rowvar: Any = True, *, dtype: Any = None) -> Any:
    """Matrix of correlation coefficients."""
    c = np.cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviations = np.sqrt(np.real(np.diagonal(c)))
    c = c / deviations[:, None] / deviations[None, :]
    if c.dtype.kind == "c":
        return np.minimum(np.maximum(c.real, -1), 1) + 1j * np.minimum(np.maximum(c.imag, -1), 1)
    return np.minimum(np.maximum(c, -1), 1)


# ---------------------------------------------------------------------------------------- histogram

counts_between = locally_constant(
    lambda a, edges: np.histogram(a, edges)[0],
    ("a", "edges"),
    name="histogram_counts",
    samples=[call(normal(9), np.array([-1.0, 0.0, 1.0]))],
)
edges_of = locally_constant(
    lambda a, *, bins, range: np.histogram_bin_edges(a, bins, range),
    ("a",),
    name="histogram_edges",
    samples=[call(normal(9), bins="auto", range=None)],
)


@derived(
    np.histogram_bin_edges,
    samples=[
        call(distinct(9), 4),
        call(distinct(9), "sturges"),
        call(normal(3), [0.0, 1.0], max_order=0),
    ],
)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Edges of the bins of a histogram, differentiable in the extremes of the array."""
    a = as_array(a)
    if np.ndim(bins) == 1:
        return as_array(bins)
    if range is not None or a.size == 0:
        return edges_of(a, bins=bins, range=range)
    count = len(edges_of(a, bins=bins, range=None)) - 1
    low, high = np.min(a), np.max(a)
    is_flat = low == high
    low, high = np.where(is_flat, low - 0.5, low), np.where(is_flat, high + 0.5, high)
    inner = np.arange(count).astype(np.result_type(low.dtype, 1.0)) * ((high - low) / count) + low
    return np.concatenate([inner, np.reshape(high, (1,))])


@derived(
    np.histogram,
    samples=[
        call(distinct(9), 4),
        call(distinct(9), 3, density=True),
        call(np.arange(5.0), 3, None, None, normal(5)),
        call(normal(9), [-1.0, 0.0, 1.0], max_order=0),
    ],
)
def histogram(
    a: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Any:
    """Counts, or sums of weights, between edges; and the edges."""
    a = as_array(a)
    edges = np.histogram_bin_edges(a, bins, range)
    if weights is None:
        counts = counts_between(a, edges)
    else:
        weights = np.ravel(as_array(weights))
        counts = _sums_between(np.ravel(a), weights, edges).astype(weights.dtype)
    if not density:
        return counts, edges
    return counts / np.diff(edges).astype(float) / np.sum(counts), edges


def _sums_between(a: Any, weights: Any, edges: Any) -> Any:
    if a.shape != weights.shape:
        raise ValueError("weights should have the same shape as a.")
    count = len(edges) - 1
    places = np.searchsorted(edges, a, side="right") - 1
    places = np.where(a == edges[-1], count - 1, places)
    places = np.where(
        (places < 0) | (places >= count), count, places
    )  # outside: one more, left out
    return count_into(places, weights, minlength=count + 1)[:count]
