"""Cumulative sums and products.

The one difficulty is the derivative of a cumulative product with zeros in it: it is a linear recurrence,
which `recurrence` solves pair by pair, without a division and without a Python loop over elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, general, linear
from wengert.primitives.reductions import in_dtype, normalized_axis
from wengert.primitives.samples import Draw, call, complex_normal, normal
from wengert.primitives.shaping import as_array


def along(axis: int, key: Any) -> tuple[Any, ...]:
    """An index that applies `key` to one axis."""
    return (*(slice(None),) * axis, key)


def _backwards(a: Any, axis: int) -> Any:
    return a[along(axis, slice(None, None, -1))]


_some = [
    call(normal(3, 4), axis=0),
    call(normal(5), axis=0),
    call(normal(0, 2), axis=0),
    call(complex_normal(2, 3), axis=1),
]

running_sum = linear(
    lambda a, *, axis: np.cumsum(a, axis=axis),
    name="cumsum",
    operands=("a",),
    transpose=lambda adjoint, *, axis: _backwards(np.cumsum(_backwards(adjoint, axis), axis), axis),
    formula="the sum of the adjoints from here to the end of the axis",
    batch="axis",
    samples=_some,
)


def recurrence(factors: Any, terms: Any) -> Any:
    """Solve ``y[k] = factors[k] * y[k - 1] + terms[k]`` along the last axis, from ``y[-1] = 0``.

    Two neighbouring steps are one step of half as long a recurrence; in between, one step each.
    """
    count = terms.shape[-1]
    if count < 2:
        return terms
    even, odd = slice(0, count - 1, 2), slice(1, None, 2)
    at_odd = recurrence(
        factors[..., odd] * factors[..., even],
        factors[..., odd] * terms[..., even] + terms[..., odd],
    )
    later = slice(2, None, 2)
    before = at_odd[..., : (count - 1) // 2]
    at_even = np.concatenate(
        [terms[..., :1], factors[..., later] * before + terms[..., later]], axis=-1
    )
    return _interleaved(at_even, at_odd)


def _interleaved(at_even: Any, at_odd: Any) -> Any:
    half = at_odd.shape[-1]
    pairs = np.stack([at_even[..., :half], at_odd], axis=-1)
    merged = np.reshape(pairs, (*pairs.shape[:-2], 2 * half))
    return np.concatenate([merged, at_even[..., half:]], axis=-1)


def _shifted(a: Any, first: Any) -> Any:
    """The element before each along the last axis; `first` before the first."""
    return np.concatenate([np.full((*a.shape[:-1], 1), first, a.dtype), a[..., :-1]], axis=-1)


def _cumprod_jvp(tangent: Any, a: Any, out: Any, *, axis: int) -> Any:
    tangent, a, out = (np.moveaxis(x, axis, -1) for x in (tangent, a, out))
    return np.moveaxis(recurrence(a, _shifted(out, 1) * tangent), -1, axis)


def _cumprod_vjp(adjoint: Any, a: Any, out: Any, *, axis: int) -> Any:
    adjoint, a, out = (np.moveaxis(x, axis, -1) for x in (adjoint, a, out))
    # y[i] = adjoint[i] + a[i + 1] * y[i + 1]: a recurrence from the end
    later = _backwards(recurrence(_shifted(a[..., ::-1], 0), adjoint[..., ::-1]), a.ndim - 1)
    return np.moveaxis(_shifted(out, 1) * later, -1, axis)


_zeros_among = Draw(
    "zeros among", (3, 6), lambda rng, shape: rng.standard_normal(shape) * (rng.random(shape) > 0.3)
)

running_product = general(
    lambda a, *, axis: np.cumprod(a, axis=axis),
    name="cumprod",
    operands=("a",),
    vjp=_cumprod_vjp,
    jvp=_cumprod_jvp,
    formula="with out before here times the sum, from here on, of adjoints times products since",
    batch="axis",
    samples=[*_some, call(_zeros_among, axis=1), call(normal(7), axis=0)],
)


def _cumulate(primitive: Any, a: Any, axis: Any, dtype: Any) -> Any:
    a = as_array(a) if dtype is None else as_array(a).astype(dtype)
    if axis is None or a.ndim == 0:
        a, axis = np.ravel(a), 0 if axis is None else axis
    return in_dtype(primitive(a, axis=normalized_axis(axis, a.ndim)), dtype)


_fronts = [call(normal(3, 4)), call(normal(3, 4), axis=-1), call(normal())]


@derived(np.cumsum, samples=_fronts)
def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Sums of the elements up to each."""
    return _cumulate(running_sum, a, axis, dtype)


@derived(np.cumprod, samples=_fronts)
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Products of the elements up to each."""
    return _cumulate(running_product, a, axis, dtype)


def _cumulative(
    cumulate: Any, identity: int, x: Any, axis: Any, dtype: Any, include_initial: Any
) -> Any:
    x = np.atleast_1d(as_array(x))
    if axis is None and x.ndim > 1:
        raise ValueError(
            "For arrays which have more than one dimension ``axis`` argument is required."
        )
    axis = normalized_axis(0 if axis is None else axis, x.ndim)
    out = cumulate(x, axis, dtype)
    if not include_initial:
        return out
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return np.concatenate([np.full(shape, identity, out.dtype), out], axis)


_with_initial = [call(normal(4)), call(normal(3, 4), axis=1, include_initial=True)]


@derived(np.cumulative_sum, samples=_with_initial)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: Any = False
) -> Any:
    """Sums of the elements up to each, if wanted from zero on."""
    return _cumulative(np.cumsum, 0, x, axis, dtype, include_initial)


@derived(np.cumulative_prod, samples=_with_initial)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: Any = False
) -> Any:
    """Products of the elements up to each, if wanted from one on."""
    return _cumulative(np.cumprod, 1, x, axis, dtype, include_initial)
