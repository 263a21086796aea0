"""Reductions that ignore NaN: nansum, nanmean, nanvar, nanmax … (quantiles are in quantiles.py).

A NaN is replaced by what changes nothing, by a selection, so its derivative is zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.reductions import as_number, reduced_axes, surely
from wengert.primitives.samples import call, distinct, normal
from wengert.primitives.shaping import as_array
from wengert.primitives.statistics import root

_mask = np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 1]], bool)


def _without_nan(a: Any, substitute: Any) -> tuple[Any, Any]:
    """The array with its NaNs replaced, and where there was none (None if there can be none)."""
    a = as_array(a)
    if a.dtype.kind not in "fc":
        return a, None
    is_nan = np.isnan(a)
    return np.where(is_nan, substitute, a), ~is_nan


_plain = [
    call(normal(3, 4)),
    call(normal(3, 4), axis=1, keepdims=True),
    call(normal(3, 4), 0, where=_mask),
]


@derived(np.nansum, samples=[*_plain, call(normal(3), initial=2.0)])
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """Sum of what is not NaN."""
    a, _ = _without_nan(a, 0)
    return np.sum(a, axis, dtype, keepdims=keepdims, initial=initial, where=where)


@derived(np.nanprod, samples=[*_plain, call(normal(3), initial=2.0)])
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """Product of what is not NaN."""
    a, _ = _without_nan(a, 1)
    return np.prod(a, axis, dtype, keepdims=keepdims, initial=initial, where=where)


@derived(np.nancumsum, samples=[call(normal(3, 4)), call(normal(3, 4), 1)])
def nancumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Sums up to each element, NaN counted as zero."""
    return np.cumsum(_without_nan(a, 0)[0], axis, dtype)


@derived(np.nancumprod, samples=[call(normal(3, 4)), call(normal(3, 4), 1)])
def nancumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Products up to each element, NaN counted as one."""
    return np.cumprod(_without_nan(a, 1)[0], axis, dtype)


def _counted(total: Any, count: Any) -> Any:
    """A sum divided by a count, NaN without warning where that is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        out = total / count
    return out if out.dtype == total.dtype else out.astype(total.dtype)


@derived(np.nanmean, samples=_plain)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """Mean of what is not NaN."""
    a, valid = _without_nan(a, 0)
    if valid is None:
        return np.mean(a, axis, dtype, keepdims=keepdims, where=where)
    total = np.sum(a, axis, dtype, keepdims=keepdims, where=where)
    return _counted(total, np.sum(valid, axis, keepdims=keepdims, where=where))


_variances = [*_plain, call(normal(3, 4), ddof=1), call(normal(3, 4), axis=(0, 1), correction=0.5)]


@derived(np.nanvar, samples=_variances)
def nanvar(
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
    """Variance of what is not NaN."""
    if correction is not None:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    a, valid = _without_nan(a, 0)
    if valid is None:
        options = {} if mean is None else {"mean": mean}
        return np.var(a, axis, dtype, ddof=ddof, keepdims=keepdims, where=where, **options)
    count = np.sum(valid, axis, keepdims=True, where=where)
    if mean is None:
        mean = _counted(np.sum(a, axis, dtype, keepdims=True, where=where), count)
    d = np.where(valid, a - mean, 0)
    d = d if d.dtype == a.dtype else d.astype(a.dtype)
    squares = np.real(d * np.conjugate(d)) if d.dtype.kind == "c" else d * d
    total = np.sum(squares, axis, dtype, keepdims=keepdims, where=where)
    freedom = np.reshape(count, total.shape) - ddof
    out = _counted(total, freedom)
    return out if _is_positive(freedom) else as_number(np.where(freedom <= 0, np.nan, out))


def _is_positive(freedom: Any) -> bool:
    is_known = isinstance(freedom, np.ndarray | np.generic)
    return is_known and not surely(freedom <= 0)


@derived(np.nanstd, samples=_variances)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    **options: Any,
) -> Any:
    """Standard deviation of what is not NaN; its derivative where that is 0 is 0."""
    return root(np.nanvar(a, axis, dtype, ddof=ddof, keepdims=keepdims, **options))


# -------------------------------------------------------------------------------- maximum, minimum


def _extremum(
    reduce: Any, worst: float, a: Any, axis: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    a, valid = _without_nan(a, worst)
    options = {} if initial is None else {"initial": initial}
    if where is not True:
        options["where"] = where
    out = reduce(a, axis, keepdims=keepdims, **options)
    if valid is None:
        return out
    axes = reduced_axes(axis, a.ndim)
    has_any = np.any(valid, axes, keepdims=keepdims, where=where)
    if initial is not None or (isinstance(has_any, np.ndarray | np.generic) and has_any.all()):
        return out
    return as_number(np.where(has_any, out, np.nan))


_extrema = [
    call(distinct(4, 3)),
    call(distinct(4, 3), axis=-1, keepdims=True),
    call(distinct(4, 3), 0, initial=1.3, where=_mask.T),
]


@derived(np.nanmax, samples=_extrema)
def nanmax(
    a: Any, axis: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Maximum of what is not NaN."""
    return _extremum(np.max, -np.inf, a, axis, keepdims, initial, where)


@derived(np.nanmin, samples=_extrema)
def nanmin(
    a: Any, axis: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """Minimum of what is not NaN."""
    return _extremum(np.min, np.inf, a, axis, keepdims, initial, where)
