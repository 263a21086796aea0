"""The Cholesky factor, and how an adjoint passes through it.

NumPy reads one triangle of the matrix, so the adjoint of the other is zero. For real matrices the
reverse rule is a primitive of its own, in blocks: it takes twice the work of the factorisation, where
the formula, two triangular systems and a product, takes ten times as much.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.decompositions import dagger, from_triangle, square
from wengert.primitives.family import General, derived, general
from wengert.primitives.products import conjugated
from wengert.primitives.samples import call, normal, positive_definite, well_conditioned
from wengert.primitives.triangular import solve_triangular, triangle

MURRAY = "I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527 (2016)"
_BLOCK = 128

# --------------------------------------------------------------------------------- both directions


def _cholesky_vjp(adjoint: Any, out: Any, *, upper: bool) -> Any:
    low, given = (dagger(out), dagger(adjoint)) if upper else (out, adjoint)
    if low.dtype.kind == "c":
        return _pulled_by_formula(low, given, lower=not upper)
    found = cholesky_pullback(low, given)
    return found.mT if upper else found


def _pulled_by_formula(low: Any, given: Any, *, lower: bool) -> Any:
    inner = from_triangle(low.mT @ given, lower=True)
    # inv(low).T inner inv(conjugate(low)), which is Hermitian: its transpose is its conjugate.
    half = _upper_system(low.mT, inner)
    whole = _upper_system(dagger(low), half.mT)
    return triangle(conjugated(whole), 0.5, lower=lower)


def _upper_system(a: Any, b: Any) -> Any:
    return solve_triangular(a, b, lower=False, unit_diagonal=False)


def _inner_change(low: Any, change: Any) -> Any:
    """The triangle of inv(low) change inv(low).H, half of its diagonal, for a Hermitian change."""
    half = solve_triangular(low, change, lower=True, unit_diagonal=False)
    whole = solve_triangular(conjugated(low), half.mT, lower=True, unit_diagonal=False)
    return triangle(conjugated(whole), 0.5, lower=True)


def _cholesky_jvp(tangent: Any, out: Any, *, upper: bool) -> Any:
    low = dagger(out) if upper else out
    moved = low @ _inner_change(low, from_triangle(tangent, lower=not upper))
    return dagger(moved) if upper else moved


# -------------------------------------------------------------------------------- the pullback, real


def _pullback(factor: Any, adjoint: Any) -> Any:
    dtype = np.result_type(factor, adjoint)
    if np.ndim(factor) == np.ndim(adjoint) == 2 and len(factor) > _BLOCK:
        return _pulled_by_blocks(factor, np.array(adjoint, dtype, order="C"))
    factor = np.tril(factor)
    product = np.tril(factor.mT @ np.tril(adjoint))
    half = _solved_transposed(factor, product + np.tril(product, -1).mT)
    out = np.tril(_solved_transposed(factor, half.mT))
    _halve_diagonal(out)
    return out


def _pulled_by_blocks(factor: Any, out: Any) -> Any:
    """Murray's blocked algorithm: the factorisation in blocks, its steps pulled back in place."""
    n = len(out)
    for end in range(n, 0, -_BLOCK):
        start = max(0, end - _BLOCK)
        rows, below, left = slice(start, end), slice(end, n), slice(start)
        corner = np.tril(factor[rows, rows])
        panel = out[below, rows] = _solved_transposed(corner, out[below, rows].T).T
        out[below, left] -= panel @ factor[rows, left]
        out[rows, left] -= panel.T @ factor[below, left]
        own = _pullback(corner, out[rows, rows] - panel.T @ factor[below, rows])
        out[rows, left] -= (own + own.T) @ factor[rows, left]
        out[rows, rows] = own
        out[rows, below] = 0
    return out


def _solved_transposed(factor: Any, b: Any) -> Any:
    # Of an upper triangle the LU factors are itself, and no row moves. SciPy's BLAS would solve it
    # directly, but has threads of its own: those wait in a loop while NumPy's have work.
    return np.linalg.solve(factor.mT, b)


def _halve_diagonal(a: Any) -> None:
    diagonal = np.einsum("...ii->...i", a)
    diagonal *= 0.5


def _pullback_factor(adjoint: Any, factor: Any, given: Any, out: Any) -> Any:
    """By the factor: of ``tril(inv(L).T S inv(L))`` with ``S`` the symmetric ``tril(L.T @ given)``."""
    whole, change = out + out.mT, from_triangle(adjoint, lower=True)
    turned = solve_triangular(factor, change @ whole, lower=True, unit_diagonal=False).mT
    return triangle(given @ _inner_change(factor, change).mT - turned, lower=True)


def _pullback_factor_jvp(tangent: Any, factor: Any, given: Any, out: Any) -> Any:
    tangent = triangle(tangent, lower=True)
    turned = _upper_system(factor.mT, tangent.mT @ (out + out.mT))
    half = _upper_system(factor.mT, from_triangle(tangent.mT @ given, lower=True))
    whole = _upper_system(factor.mT, half.mT) - turned - turned.mT
    return triangle(whole, 0.5, lower=True)


def _pullback_given_jvp(tangent: Any, factor: Any) -> Any:
    return cholesky_pullback(factor, tangent)


cholesky_pullback: General = general(
    _pullback,
    name="cholesky_pullback",
    operands=("factor", "given"),
    vjp=(
        _pullback_factor,
        # The transpose of the pullback is the push-forward.
        lambda adjoint, factor: _cholesky_jvp(adjoint, triangle(factor, lower=True), upper=False),
    ),
    jvp=(
        _pullback_factor_jvp,
        _pullback_given_jvp,
    ),
    formula=(
        "tril(given inner.T - whole adjoint inv(L).T)",
        "L inner, with inner = tril(inv(L) adjoint inv(L).T, half of the diagonal)",
    ),
    source=MURRAY,
    batch="broadcast",
    samples=[
        call(well_conditioned(3, 3), normal(3, 3)),
        call(well_conditioned(2, 3, 3), normal(2, 3, 3)),
        call(well_conditioned(3, 3), normal(2, 3, 3)),
        call(well_conditioned(0, 0), normal(0, 0)),
    ],
)


cholesky_factor = general(
    lambda a, *, upper: np.linalg.cholesky(a, upper=upper),
    name="cholesky_factor",
    operands=("a",),
    vjp=_cholesky_vjp,
    jvp=_cholesky_jvp,
    formula="d L = L tril(inv(L) da inv(L).H, half of the diagonal)",
    source=MURRAY,
    batch="leading",
    live=lambda *, upper: ("upper" if upper else "lower",),
    samples=[
        call(positive_definite(3, 3), upper=False),
        call(positive_definite(2, 3, 3), upper=True),
        call(positive_definite(1, 1), upper=False),
        call(positive_definite(0, 0), upper=False),
    ],
)


@derived(
    np.linalg.cholesky,
    samples=[call(positive_definite(3, 3)), call(positive_definite(3, 3), upper=True)],
)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return cholesky_factor(square(a), upper=bool(upper))
