"""Convolution, correlation, and polynomials given by their coefficients, highest power first.

One primitive, the full convolution; "same" and "valid" are parts of it. Rational work on polynomials is
NumPy's own, written out of place. The one difficulty is which part "same" means: convolve centres on
the longer operand, correlate rounds the other way when its second operand is the longer.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wengert.primitives.adjoints import Like
from wengert.primitives.family import derived, linear
from wengert.primitives.products import conjugated
from wengert.primitives.samples import call, complex_normal, normal, positive
from wengert.primitives.shaping import as_array

_MODES = {0: "valid", 1: "same", 2: "full", "valid": "valid", "same": "same", "full": "full"}


def _convolve_a(adjoint: Any, v: Any, like: Like) -> Any:
    return _middle(convolve_full(adjoint, v[::-1]), v.shape[0], like.shape[0])


def _convolve_v(adjoint: Any, a: Any, like: Like) -> Any:
    return _middle(convolve_full(adjoint, a[::-1]), a.shape[0], like.shape[0])


def _middle(full: Any, length: int, count: int) -> Any:
    return full[length - 1 : length - 1 + count]


def _convolve_batched(primitive: Any, values: Any, batched: Any, size: int) -> Any:
    """Convolution of rows: windows of the one, each times the other reversed."""
    a, v = values
    if batched[1] and not batched[0]:
        return _convolve_batched(primitive, (v, a), (True, False), size)
    count, length = a.shape[-1], v.shape[-1]
    margin = np.zeros((size, length - 1), a.dtype)
    padded = np.concatenate([margin, a, margin], axis=1)
    windows = padded[:, np.arange(count + length - 1)[:, None] + np.arange(length)]
    reversed_v = v[..., ::-1]
    if not batched[1]:
        return np.matmul(windows, reversed_v)
    return np.matmul(windows, reversed_v[..., None])[..., 0]


convolve_full = linear(
    lambda a, v: np.convolve(a, v, "full"),
    name="convolve_full",
    operands=("a", "v"),
    each=True,
    transpose=(_convolve_a, _convolve_v),
    formula=("correlation of the adjoint with v", "correlation of the adjoint with a"),
    batch=_convolve_batched,
    samples=[
        call(normal(5), normal(3)),
        call(normal(2), normal(4)),
        call(normal(1), normal(1)),
        call(complex_normal(4), normal(3)),
    ],
)

_pairs = [
    *(
        call(normal(m), normal(n), mode)
        for mode in ("full", "same", "valid")
        for m, n in ((5, 3), (2, 4), (4, 4))
    ),
    call(complex_normal(4), complex_normal(3)),
]


@derived(np.convolve, samples=[*_pairs, call(normal(), normal(3))])
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    a, v = np.atleast_1d(as_array(a), as_array(v))
    mode = _checked_mode(a, v, mode)
    short = min(a.shape[0], v.shape[0])
    return _part(convolve_full(a, v), a, v, mode, (short - 1) // 2)


@derived(np.correlate, samples=[call(normal(5), normal(3)), *_pairs])
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    a, v = as_array(a), as_array(v)
    mode = _checked_mode(a, v, mode)
    short = min(a.shape[0], v.shape[0])
    start = (short - 1) // 2 if v.shape[0] <= a.shape[0] else short // 2
    return _part(convolve_full(a, conjugated(v[::-1])), a, v, mode, start)


def _checked_mode(a: Any, v: Any, mode: Any) -> str:
    if a.ndim != 1 or v.ndim != 1:
        fault = "of too small depth" if min(a.ndim, v.ndim) < 1 else "too deep"
        raise ValueError(f"object {fault} for desired array")
    if mode not in _MODES:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    if a.shape[0] == 0:
        raise ValueError("a cannot be empty")
    if v.shape[0] == 0:
        raise ValueError("v cannot be empty")
    return _MODES[mode]


def _part(full: Any, a: Any, v: Any, mode: str, start: int) -> Any:
    """What NumPy's mode keeps of a full convolution, "same" from `start`."""
    short, long = sorted((a.shape[0], v.shape[0]))
    if mode == "same":
        return full[start : start + long]
    return full if mode == "full" else full[short - 1 : long]


# --------------------------------------------------------------------------------------- polynomials


@derived(
    np.polyval,
    samples=[call(normal(4), normal(3)), call(normal(3), normal()), call(normal(3), normal(2, 2))],
)
def polyval(p: Any, x: Any) -> Any:
    x = as_array(x)
    y: Any = np.zeros(x.shape, x.dtype)
    for coefficient in p if hasattr(p, "shape") else list(p):
        y = y * x + coefficient
    return y


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Two polynomials of one length: zeros stand in front of the shorter."""
    a1, a2 = np.atleast_1d(as_array(a1), as_array(a2))
    length = max(len(a1), len(a2))
    return tuple(
        a if len(a) == length else np.concatenate([np.zeros(length - len(a), a.dtype), a])
        for a in (a1, a2)
    )  # type: ignore[return-value]


@derived(np.polyadd, samples=[call(normal(4), normal(2)), call(normal(), normal(3))])
def polyadd(a1: Any, a2: Any) -> Any:
    return np.add(*_aligned(a1, a2))


@derived(np.polysub, samples=[call(normal(2), normal(4)), call(normal(3), normal(3))])
def polysub(a1: Any, a2: Any) -> Any:
    return np.subtract(*_aligned(a1, a2))


@derived(np.polymul, samples=[call(normal(3), normal(2))])
def polymul(a1: Any, a2: Any) -> Any:
    return np.convolve(a1, a2)


@derived(np.polydiv, samples=[call(normal(4), positive(2)), call(normal(2), positive(3))])
def polydiv(u: Any, v: Any) -> Any:
    u, v = np.atleast_1d(as_array(u) + 0.0, as_array(v) + 0.0)
    count, scale, r = len(v), 1.0 / v[0], u
    quotient = []
    for k in range(len(u) - count + 1):
        factor = scale * r[k]
        quotient.append(factor)
        r = np.concatenate([r[:k], r[k : k + count] - factor * v, r[k + count :]])
    q = np.stack(quotient) if quotient else np.zeros(1, (u[0] + v[0]).dtype)
    while len(r) > 1 and bool(np.abs(r[0]) <= 1e-8):  # np.allclose(r[0], 0)
        r = r[1:]
    return q, r


@derived(np.polyder, samples=[call(normal(4)), call(normal(4), 2), call(normal(4), m=0)])
def polyder(p: Any, m: Any = 1) -> Any:
    p, m = as_array(p), int(m)
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@derived(np.polyint, samples=[call(normal(3)), call(normal(3), 2), call(normal(3), 2, [1.0, 2.0])])
def polyint(p: Any, m: Any = 1, k: Any = None) -> Any:
    p, m = as_array(p), int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else np.atleast_1d(as_array(k))
    if len(constants) == 1 and m > 1:
        constants = constants[0] * np.ones(m)
    if len(constants) < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for order in range(m):
        p = np.concatenate([p / np.arange(len(p), 0, -1), constants[order : order + 1]])
    return p


@derived(np.poly, samples=[call(normal(3)), call(complex_normal(2)), call(normal(3, 3))])
def poly(seq_of_zeros: Any) -> Any:
    zeros = np.atleast_1d(as_array(seq_of_zeros))
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] != 0:
        zeros = np.linalg.eigvals(zeros)
    elif zeros.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if len(zeros) == 0:
        return 1.0
    out: Any = np.ones(1, zeros.dtype)
    one = np.ones(1, zeros.dtype)
    for k in range(len(zeros)):
        out = np.convolve(out, np.concatenate([one, -zeros[k : k + 1]]))
    return np.real(out) if zeros.dtype.kind == "c" and _is_self_conjugate(zeros) else out


def _is_self_conjugate(zeros: Any) -> bool:
    """True if complex zeros come in conjugate pairs, so that their polynomial is real."""
    return bool(np.all(np.sort(zeros) == np.sort(np.conjugate(zeros))))


@derived(np.roots, samples=[call(normal(4)), call(complex_normal(3)), call(normal(1), max_order=0)])
def roots(p: Any) -> Any:
    p = np.atleast_1d(as_array(p))
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    nonzero = np.nonzero(p != 0)[0]
    if len(nonzero) == 0:
        return np.array([])
    p = p[int(nonzero[0]) :]
    if len(p) < 2:
        return np.array([])
    shift = np.eye(len(p) - 2, len(p) - 1, dtype=p.dtype)
    found = np.linalg.eigvals(np.concatenate([(-p[1:] / p[0])[None, :], shift]))
    # NumPy takes roots at zero out first and puts them at the end. They depend on the coefficients that are
    # zero, as the other roots do: so here they are eigenvalues too.
    at_zero = len(p) - 1 - int(nonzero[-1] - nonzero[0])
    if not at_zero:
        return found
    smallest = np.argsort(np.argsort(np.abs(found))) < at_zero
    return found[np.argsort(smallest, kind="stable")]


# ------------------------------------------------------------------------------------------- fitting


@derived(
    np.polyfit,
    samples=[
        call(normal(6), normal(6), 2),
        call(normal(5), normal(5, 2), 1, w=np.array([1.0, 2.0, 1.0, 0.5, 1.0])),
        call(normal(7), normal(7), 2, cov=True),
    ],
)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    order = int(deg) + 1
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    _check_fit(x, y, order)
    if rcond is None:
        rcond = len(x) * float(np.finfo(x.dtype).eps)
    table, target = _weighted(np.vander(x, order), y, w)
    scale = np.sqrt(np.sum(table * table, axis=0))
    table = table / scale
    c, residuals, rank, s = np.linalg.lstsq(table, target, rcond)
    c = np.transpose(np.transpose(c) / scale)
    if not full and isinstance(rank, np.integer) and rank != order:  # under vmap no one number
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    spread = np.linalg.inv(np.dot(np.transpose(table), table)) / np.outer(scale, scale)
    spread = spread if y.ndim == 1 else np.expand_dims(spread, -1)
    return c, spread if cov == "unscaled" else spread * _variance(residuals, len(x) - order)


def _check_fit(x: Any, y: Any, order: int) -> None:
    if order < 1:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if x.size == 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if x.shape[0] != y.shape[0]:
        raise TypeError("expected x and y to have same length")


def _weighted(table: Any, y: Any, w: Any) -> tuple[Any, Any]:
    if w is None:
        return table, y
    w = as_array(w) + 0.0
    if w.ndim != 1:
        raise TypeError("expected a 1-d array for weights")
    if w.shape[0] != y.shape[0]:
        raise TypeError("expected w and y to have the same length")
    return table * w[:, None], y * (w[:, None] if y.ndim == 2 else w)


def _variance(residuals: Any, freedom: int) -> Any:
    if freedom <= 0:
        raise ValueError(
            "the number of data points must exceed order to scale the covariance matrix"
        )
    return residuals / freedom
