"""Order statistics: median, quantile, percentile, and their variants that ignore NaN.

Each picks elements by rank (`_picked`) and interpolates. The table `METHODS` gives, for each of NumPy's
methods, the fractional rank and the weight between neighbours. The one difficulty is that ranks differ
from slice to slice where NaN is ignored; picking then needs a full sort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.primitives.family import derived, locally_constant
from wengert.primitives.reductions import count_along, kept_shape, normalized_axes
from wengert.primitives.samples import call, distinct, positive, probability
from wengert.primitives.shaping import as_array
from wengert.primitives.sorting import argpartition_along
from wengert.primitives.statistics import weights_along

# ----------------------------------------------------------------------------- ranks of a quantile


def _continuous(alpha: float, beta: float) -> Callable[[Any, Any], Any]:
    """Hyndman and Fan (1996), definitions 4 to 9, counted from zero."""
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _rank_of_inverted(n: Any, q: Any) -> Any:
    return np.maximum(np.ceil(n * q - 1), 0)


def _rank_of_closest(n: Any, q: Any) -> Any:
    rank = n * q - 1.5
    below = np.floor(rank)
    return np.maximum(np.where((rank == below) & (below % 2 == 1), below, below + 1), 0)


def _between(n: Any, q: Any) -> Any:
    rank = (n - 1) * q
    return 0.5 * (np.floor(rank) + np.ceil(rank))


# Fractional rank of quantile q among n elements; what becomes of its fraction (None: ranks are whole).
METHODS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any], Any] | None]] = {
    "inverted_cdf": (_rank_of_inverted, None),
    "averaged_inverted_cdf": (
        lambda n, q: n * q - 1,
        lambda fraction: np.where(fraction == 0, 0.5, 1.0),
    ),
    "closest_observation": (_rank_of_closest, None),
    "interpolated_inverted_cdf": (_continuous(0, 1), lambda fraction: fraction),
    "hazen": (_continuous(0.5, 0.5), lambda fraction: fraction),
    "weibull": (_continuous(0, 0), lambda fraction: fraction),
    "linear": (lambda n, q: (n - 1) * q, lambda fraction: fraction),
    "median_unbiased": (_continuous(1 / 3.0, 1 / 3.0), lambda fraction: fraction),
    "normal_unbiased": (_continuous(3 / 8.0, 3 / 8.0), lambda fraction: fraction),
    "lower": (lambda n, q: np.floor((n - 1) * q), None),
    "higher": (lambda n, q: np.ceil((n - 1) * q), None),
    "midpoint": (_between, lambda fraction: np.where(fraction == 0, 0.0, 0.5)),
    "nearest": (lambda n, q: np.round((n - 1) * q), None),
}


def _in_range(q: Any) -> Any:
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError("Quantiles must be in the range [0, 1]")
    return np.asarray(True)


in_range = locally_constant(
    _in_range, ("q",), name="quantile_range", batch="leading", samples=[call(np.array([0.5]))]
)
whole_rank = locally_constant(
    lambda rank, last, *, after: np.clip(np.floor(rank) + after, 0, np.maximum(last, 0)).astype(
        np.intp
    ),
    ("rank", "last"),
    name="whole_rank",
    batch="broadcast",
    samples=[call(np.array([0.5]), 3, after=1)],
)


# ------------------------------------------------------------------------------- slices and picks


class _Slices:
    """An array with its reduced axes flattened into the first, and how results get their shape."""

    def __init__(self, a: Any, axis: Any, keepdims: Any, ignore_nan: bool):
        axes = normalized_axes(axis, a.ndim)
        rest = tuple(k for k in range(a.ndim) if k not in axes)
        self.order, self.size = (*axes, *rest), count_along(a.shape, axes)
        self.shape = tuple(a.shape[k] for k in rest)
        self.kept = kept_shape(a.shape, axes) if keepdims else self.shape
        self.values = self.arrange(a)
        self.is_nan = np.isnan(self.values) if a.dtype.kind in "fc" else None
        # How many elements count, where that differs from slice to slice.
        self.counts: Any = None
        if ignore_nan and self.is_nan is not None:
            self.counts = self.size - np.count_nonzero(self.is_nan, axis=0)

    def arrange(self, a: Any) -> Any:
        """An array of the same shape, its axes in the order of `values`."""
        return np.reshape(np.transpose(a, self.order), (self.size, *self.shape))

    def finish(self, out: Any) -> Any:
        """Results (any leading axes, then one for each slice), NaN for a slice that has no other."""
        if self.is_nan is not None:
            lost = np.any(self.is_nan, axis=0) if self.counts is None else self.counts == 0
            if not (isinstance(lost, np.ndarray | np.generic) and not lost.any()):
                out = np.where(lost, np.nan, out)
                out = out if out.shape else out[()]
        if self.kept == self.shape:
            return out
        return np.reshape(out, (*out.shape[: out.ndim - len(self.shape)], *self.kept))


def _picked(slices: _Slices, ranks: Any) -> Any:
    """The elements of the given ranks: some leading axes; if they differ, then one for each slice."""
    a, per_slice = slices.values, slices.counts is not None
    lead = ranks.shape[: ranks.ndim - len(slices.shape)] if per_slice else ranks.shape
    count = count_along(lead, tuple(range(len(lead))))
    if per_slice or not isinstance(ranks, np.ndarray | np.generic):
        slice_shape = slices.shape if per_slice else (1,) * len(slices.shape)
        ranks = np.reshape(ranks, (count, *slice_shape))
        ranks = np.broadcast_to(ranks, (count, *slices.shape))
        places = np.take_along_axis(np.argsort(a, axis=0), ranks, 0)
    else:
        wanted = np.ravel(ranks)
        kth = tuple(np.unique(wanted).tolist())
        places = argpartition_along(a, kth=kth, axis=0)[wanted]
    return _led(np.take_along_axis(a, places, 0), lead)


def _led(picked: Any, lead: tuple[int, ...]) -> Any:
    """Give the picked elements, which stand along one axis, their leading axes."""
    if not lead:
        return picked[0]
    return picked if len(lead) == 1 else np.reshape(picked, (*lead, *picked.shape[1:]))


# -------------------------------------------------------------------------------------- quantiles


def _quantile(
    a: Any, q: Any, axis: Any, method: str, keepdims: Any, weights: Any, ignore_nan: bool
) -> Any:
    a = as_array(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    is_weak, q = type(q) in (int, float), as_array(q)
    in_range(q)
    if q.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    if method not in METHODS:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {', '.join(METHODS)}")
    slices = _Slices(a, axis, keepdims, ignore_nan)
    if weights is not None:
        return _weighted(slices, a, q, axis, method, weights, ignore_nan)
    count = slices.size
    if slices.counts is not None:
        count = slices.counts.astype(q.dtype if q.dtype.kind == "f" else int)
        q = np.reshape(q, (*q.shape, *(1 for _ in slices.shape)))
    rank_of, weight_of = METHODS[method]
    rank = rank_of(count, q)
    below = whole_rank(rank, count - 1, after=0)
    if weight_of is None or rank.dtype.kind in "iu":
        return slices.finish(_picked(slices, below))
    both = _picked(slices, np.stack([below, whole_rank(rank, count - 1, after=1)]))
    weight = weight_of(rank - below.astype(rank.dtype)).astype(rank.dtype)
    if slices.counts is None and not is_weak:
        weight = np.reshape(weight, (*q.shape, *(1 for _ in slices.shape)))
    return slices.finish(_interpolated(both[0], both[1], weight, is_weak))


def _interpolated(a: Any, b: Any, weight: Any, is_weak: bool) -> Any:
    """``a + (b - a) * weight``, reckoned from the nearer of both, as NumPy does."""
    rest, nearer = 1 - weight, weight >= 0.5
    if is_weak and isinstance(weight, np.generic):
        weight, rest = (
            float(weight),
            float(rest),
        )  # a quantile given as a Python number promotes nothing
    elif is_weak and a.dtype.kind == "f":
        weight, rest = weight.astype(a.dtype), rest.astype(a.dtype)
    gap = b - a
    if isinstance(nearer, np.generic):
        return b - gap * rest if nearer else a + gap * weight
    return np.where(nearer, b - gap * rest, a + gap * weight)


def _weighted_place(a: Any, weights: Any, q: Any, *, ignore_nan: bool) -> Any:
    """Position, along the first axis, of the element that the weighted quantile is."""
    function = np.nanquantile if ignore_nan else np.quantile
    value = np.asarray(function(a, q, axis=0, weights=weights, method="inverted_cdf"))
    lead = np.ndim(q)
    is_value = np.expand_dims(a, tuple(range(lead))) == np.expand_dims(value, lead)
    return np.argmax(is_value, axis=lead)


weighted_place = locally_constant(
    _weighted_place,
    ("a", "weights", "q"),
    name="weighted_place",
    samples=[call(distinct(4, 2), positive(4, 2), np.array(0.3), ignore_nan=False)],
)


def _weighted(
    slices: _Slices, a: Any, q: Any, axis: Any, method: str, weights: Any, ignore_nan: bool
) -> Any:
    if method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    weights = np.broadcast_to(weights_along(weights, a, axis), a.shape)
    places = weighted_place(slices.values, slices.arrange(weights), q, ignore_nan=ignore_nan)
    count = count_along(q.shape, tuple(range(q.ndim)))
    places = np.reshape(places, (count, *slices.shape))
    return slices.finish(_led(np.take_along_axis(slices.values, places, 0), q.shape))


_quantiles = [
    call(distinct(5, 3), 0.3),
    call(distinct(5, 3), probability(), axis=0),
    call(distinct(5, 3), probability(2), axis=1, keepdims=True),
    call(distinct(2, 3, 2), [0.25, 0.9], axis=(0, -1), method="hazen"),
    call(distinct(5, 3), np.array([[0.1, 0.6]]), axis=0),
    *(call(distinct(6), 0.37, method=method) for method in METHODS),
]
_weights = np.array([[1.0, 2.0, 0.5], [1.0, 1.0, 1.0], [0.0, 1.0, 2.0], [3.0, 0.1, 0.0]])
_weighted_quantile = call(
    distinct(4, 3), [0.3, 0.8], axis=0, method="inverted_cdf", weights=_weights
)
_along = call(distinct(4, 3), [0.3, 0.8], axis=0, method="inverted_cdf", weights=_weights[:, 0])


@derived(np.quantile, samples=[*_quantiles, _weighted_quantile, _along])
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: Any = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles, differentiable in the array and in `q`."""
    return _quantile(a, q, axis, method, keepdims, weights, ignore_nan=False)


@derived(np.nanquantile, samples=[*_quantiles, _weighted_quantile])
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: Any = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles of what is not NaN."""
    return _quantile(a, q, axis, method, keepdims, weights, ignore_nan=True)


def _percent(q: Any) -> Any:
    """A percentage as a fraction; a Python number stays one."""
    return (q if type(q) in (int, float) else as_array(q)) / 100


_percentiles = [
    call(distinct(5, 3), 30),
    call(distinct(5, 3), [20.0, 95.0], axis=0, method="weibull"),
]


@derived(np.percentile, samples=_percentiles)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: Any = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Percentiles, differentiable in the array and in `q`."""
    return _quantile(a, _percent(q), axis, method, keepdims, weights, ignore_nan=False)


@derived(np.nanpercentile, samples=_percentiles)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    overwrite_input: Any = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """Percentiles of what is not NaN."""
    return _quantile(a, _percent(q), axis, method, keepdims, weights, ignore_nan=True)


# ----------------------------------------------------------------------------------------- medians

_medians = [
    call(distinct(4, 3)),
    call(distinct(4, 3), axis=0),
    call(distinct(2, 3, 3), axis=(0, 2), keepdims=True),
]


@derived(np.median, samples=_medians)
def median(a: Any, axis: Any = None, overwrite_input: Any = False, keepdims: Any = False) -> Any:
    """Median; of an even number, the mean of the middle two."""
    slices = _Slices(as_array(a), axis, keepdims, ignore_nan=False)
    if slices.size == 0:
        return slices.finish(np.mean(slices.values, axis=0))
    ranks = np.arange((slices.size - 1) // 2, slices.size // 2 + 1)
    return slices.finish(np.mean(_picked(slices, ranks), axis=0))


@derived(np.nanmedian, samples=_medians)
def nanmedian(a: Any, axis: Any = None, overwrite_input: Any = False, keepdims: Any = False) -> Any:
    """Median of what is not NaN."""
    a = as_array(a)
    slices = _Slices(a, axis, keepdims, ignore_nan=True)
    if slices.counts is None:
        return np.median(a, axis, keepdims=keepdims)
    if a.size == 0:
        return np.nanmean(a, axis, keepdims=keepdims)
    below, above = np.maximum(slices.counts - 1, 0) // 2, slices.counts // 2
    both = _picked(slices, np.stack([below, above]))
    out = np.where(below == above, both[0], np.mean(both, axis=0))
    return slices.finish(out if out.shape else out[()])
