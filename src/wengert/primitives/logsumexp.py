"""Sums of exponentials, safe from overflow: logsumexp, softmax, log_softmax.

Rules read the output. The one difficulty is a row that is masked with -inf altogether: its logarithm is
-inf, its derivative zero, not NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from wengert.primitives.family import derived, general, locally_constant
from wengert.primitives.reductions import add_up, count_along, normalized_axes
from wengert.primitives.samples import call, complex_normal, normal, positive
from wengert.primitives.shaping import as_array
from wengert.primitives.ufunc_methods import logsumexp_jvp, logsumexp_vjp


def _finite_maximum(a: Any, *, axis: tuple[int, ...]) -> Any:
    """What is taken off exponents: the maximum, or zero where that is infinite."""
    top = np.max(np.real(a), axis=axis, keepdims=True)
    return np.where(np.isfinite(top), top, np.zeros((), top.dtype))


def _logsumexp(a: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if a.dtype.kind == "c":
        return special.logsumexp(a, axis=axis, keepdims=keepdims)
    top = np.max(a, axis=axis, keepdims=True)
    is_top = a == top
    count = np.maximum(np.count_nonzero(is_top, axis=axis, keepdims=True), 1).astype(a.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        # The largest terms stand apart, so that log1p keeps a sum that is small beside them.
        rest = np.where(is_top, np.zeros((), a.dtype), np.exp(a - _finite_maximum(a, axis=axis)))
        out = np.log1p(np.sum(rest, axis=axis, keepdims=True) / count) + np.log(count) + top
    return out if keepdims else np.squeeze(out, axis)[()]


log_of_sum = general(
    _logsumexp,
    name="logsumexp",
    operands=("a",),
    vjp=logsumexp_vjp,
    jvp=logsumexp_jvp,
    formula="the adjoint times exp(a - out)",
    lower="logsumexp",
    batch="axis",
    samples=[
        call(normal(3, 4), axis=(1,), keepdims=False),
        call(normal(3, 4), axis=(0, 1), keepdims=True),
        call(normal(), axis=(), keepdims=False),
        call(complex_normal(3), axis=(0,), keepdims=False),
    ],
)

exponent_shift = locally_constant(
    _finite_maximum, ("a",), batch="axis", samples=[call(normal(3, 4), axis=(1,))]
)


@derived(
    special.logsumexp,
    samples=[
        call(normal(3, 4)),
        call(normal(3, 4), axis=-1, keepdims=True),
        call(normal(3, 4), axis=(0, 1), b=np.array([1.0, 2.0, 0.0, 0.5])),
        call(normal(3, 4), 0, positive(3, 1)),
    ],
)
def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: Any = False, return_sign: Any = False
) -> Any:
    """Logarithm of the sum (weighted by `b`) of exponentials."""
    a = _floating(as_array(a))
    if b is not None:
        b = as_array(b)
        a = np.where(b == 0, -np.inf, a)
    axes = normalized_axes(axis, a.ndim)
    if count_along(a.shape, axes) == 0:
        out = np.sum(a, axes, keepdims=keepdims) - np.inf
        return (out, np.sign(out)) if return_sign else out
    if b is None and not return_sign:
        return log_of_sum(a, axis=axes, keepdims=bool(keepdims))
    # The result does not depend on the shift, so its derivative may be left out.
    shift = exponent_shift(a, axis=axes)
    terms = np.exp(a - shift) if b is None else b * np.exp(a - shift)
    total = np.sum(terms, axes, keepdims=keepdims)
    shift = shift if keepdims else np.reshape(shift, total.shape)
    if return_sign:
        return np.log(np.abs(total)) + shift, np.sign(total)
    return np.log(total) + shift


def _floating(a: Any) -> Any:
    return a if a.dtype.kind in "fc" else a.astype(float)


# ------------------------------------------------------------------------------------------ softmax


def _softmax(x: Any, *, axis: tuple[int, ...]) -> Any:
    exponentials = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)


def _softmax_vjp(adjoint: Any, out: Any, *, axis: tuple[int, ...]) -> Any:
    weighted = adjoint * out
    return weighted - out * add_up(weighted, axis=axis, keepdims=True)


_rows = [call(normal(3, 4), axis=(1,)), call(normal(3, 4), axis=(0, 1)), call(normal(), axis=())]

soft_maximum = general(
    _softmax,
    name="softmax",
    operands=("x",),
    vjp=_softmax_vjp,
    jvp=lambda tangent, out, *, axis: _softmax_vjp(tangent, out, axis=axis),  # symmetric
    formula="out * (adjoint - sum(adjoint * out))",
    lower="softmax",
    batch="axis",
    samples=_rows,
)


def _log_softmax(x: Any, *, axis: tuple[int, ...]) -> Any:
    shifted = x - _finite_maximum(x, axis=axis)
    with np.errstate(divide="ignore"):
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _log_softmax_vjp(adjoint: Any, out: Any, *, axis: tuple[int, ...]) -> Any:
    return adjoint - np.exp(out) * add_up(adjoint, axis=axis, keepdims=True)


def _log_softmax_jvp(tangent: Any, out: Any, *, axis: tuple[int, ...]) -> Any:
    return tangent - add_up(np.exp(out) * tangent, axis=axis, keepdims=True)


log_soft_maximum = general(
    _log_softmax,
    name="log_softmax",
    operands=("x",),
    vjp=_log_softmax_vjp,
    jvp=_log_softmax_jvp,
    formula="adjoint - exp(out) * sum(adjoint)",
    lower="log_softmax",
    batch="axis",
    samples=_rows,
)

_softmaxes = [call(normal(3, 4)), call(normal(3, 4), axis=-1), call(normal(2, 3, 2), axis=(0, 2))]


@derived(special.softmax, samples=_softmaxes)
def softmax(x: Any, axis: Any = None) -> Any:
    """Exponentials divided by their sum."""
    x = _floating(as_array(x))
    return soft_maximum(x, axis=normalized_axes(axis, x.ndim))


@derived(special.log_softmax, samples=_softmaxes)
def log_softmax(x: Any, axis: Any = None) -> Any:
    """Logarithm of `softmax`, without loss where that vanishes."""
    x = _floating(as_array(x))
    return log_soft_maximum(x, axis=normalized_axes(axis, x.ndim))
