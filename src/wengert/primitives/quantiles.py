"""Order statistics: median, quantile, percentile, and their variants that ignore NaN.

Each picks elements by rank (`_picked`) and interpolates. The table `METHODS` gives, for each of NumPy's methods, the
fractional rank and the weight between neighbours. The one difficulty is that ranks differ from
slice to slice where NaN is ignored; picking then needs a full sort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.primitives.family import derived, locally_constant
from wengert.primitives.reductions import count_along, kept_shape, normalized_axes, operand
from wengert.primitives.samples import call, distinct, positive, probability
from wengert.primitives.sorting import argpartition_along

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
    lambda rank, *, last: np.clip(np.floor(rank), 0, last).astype(np.intp),
    ("rank",),
    name="whole_rank",
    batch="leading",
    samples=[call(np.array([0.5]), last=3)],
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
        self.has_nan = a.dtype.kind in "fc"
        # How many elements count, where that differs from slice to slice.
        self.counts: Any = None
        if ignore_nan and self.has_nan:
            self.counts = self.size - np.count_nonzero(np.isnan(self.values), axis=0)

    def arrange(self, a: Any) -> Any:
        return np.reshape(np.transpose(a, self.order), (self.size, *self.shape))

    def finish(self, out: Any) -> Any:
        """`out` (any leading axes, then one for each slice) with NaN where there is none else to give."""
        if self.has_nan:
            if self.counts is None:
                lost = np.any(np.isnan(self.values), axis=0)
            else:
                lost = self.counts == 0
            if not (isinstance(lost, np.ndarray | np.generic) and not lost.any()):
                out = np.where(lost, np.nan, out)
        if self.kept == self.shape:
            return out
        return np.reshape(out, (*out.shape[: out.ndim - len(self.shape)], *self.kept))


def _picked(slices: _Slices, ranks: Any) -> Any:
    """The elements of the given ranks (any leading axes; then, if they differ, one for each slice)."""
    a = slices.values
    lead = ranks.shape if slices.counts is None else ranks.shape[: ranks.ndim - len(slices.shape)]
    count = int(np.prod(lead, dtype=int))
    if slices.counts is None and isinstance(ranks, np.ndarray | np.generic):
        wanted = np.asarray(ranks).ravel()
        order = argpartition_along(a, kth=tuple(np.unique(wanted).tolist()), axis=0)
        places = order[wanted]
    else:
        order = np.argsort(a, axis=0)
        shape = (count, *(1 for _ in slices.shape)) if slices.counts is None else (count, *slices.shape)
        places = np.take_along_axis(
            order, np.broadcast_to(np.reshape(ranks, shape), (count, *slices.shape)), 0
        )
    picked = np.take_along_axis(a, places, 0)
    return np.reshape(picked, (*lead, *slices.shape)) if len(lead) != 1 and lead else _unled(picked, lead)


def _unled(picked: Any, lead: tuple[int, ...]) -> Any:
    return picked if lead else picked[0]
