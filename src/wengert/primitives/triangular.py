"""Triangular matrices: one triangle of a matrix, and systems that substitution solves.

Only one triangle of a matrix is read, so the derivatives by the other are zero. Stacks of small
matrices are solved together, row by row; large matrices one by one, by BLAS, in whichever order they
lie in memory.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from wengert.primitives.family import general, linear
from wengert.primitives.samples import call, complex_normal, normal, well_conditioned

GILES = (
    "M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic "
    "differentiation, in: Advances in Automatic Differentiation (2008)"
)


def _triangle(a: Any, *, lower: bool, diagonal: float) -> Any:
    out = np.tril(a) if lower else np.triu(a)
    if diagonal != 1:
        own = np.einsum("...ii->...i", out)
        own *= diagonal
    return out


triangle_of = linear(
    _triangle,
    name="triangle_of",
    operands=("a",),
    transpose=lambda adjoint, *, lower, diagonal: triangle(adjoint, diagonal, lower=lower),
    formula="the adjoint in the triangle, with the same factor on the diagonal",
    batch="leading",
    samples=[
        call(normal(3, 3), lower=True, diagonal=0.5),
        call(normal(2, 3, 3), lower=False, diagonal=0.0),
        call(complex_normal(3, 3), lower=True, diagonal=1.0),
        call(normal(0, 0), lower=True, diagonal=0.5),
    ],
)


def triangle(a: Any, diagonal: float = 1.0, *, lower: bool) -> Any:
    """One triangle of each square matrix, zeros elsewhere, its diagonal multiplied by a number."""
    return triangle_of(a, lower=lower, diagonal=diagonal)


# --------------------------------------------------------------------------------- triangular systems


def solved(a: Any, b: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    """The solution of a triangular system, or of a stack of them: plain arrays."""
    dtype = np.result_type(a, b, np.float32)
    if not unit_diagonal and not np.diagonal(a, 0, -2, -1).all():
        raise np.linalg.LinAlgError("Singular matrix")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    n, sides = b.shape[-2:]
    if not prod(batch) * n * sides:
        return np.zeros((*batch, n, sides), dtype)
    if not batch:
        return _solved_by_blas(a, b, dtype, lower, unit_diagonal)
    if prod(batch) > n:
        return _substituted(a, b, np.empty((*batch, n, sides), dtype), lower, unit_diagonal)
    a, b = (np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b))
    out = np.empty((*batch, n, sides), dtype)
    for at in np.ndindex(batch):
        out[at] = _solved_by_blas(a[at], b[at], dtype, lower, unit_diagonal)
    return out


def _substituted(a: Any, b: Any, out: Any, lower: bool, unit_diagonal: bool) -> Any:
    """Every system of a stack at once: one row of all unknowns after the other."""
    n = out.shape[-2]
    for row in range(n) if lower else reversed(range(n)):
        known = slice(row) if lower else slice(row + 1, n)
        rest = b[..., row, :] - (a[..., row, None, known] @ out[..., known, :])[..., 0, :]
        out[..., row, :] = rest if unit_diagonal else rest / a[..., row, row, None]
    return out


def _solved_by_blas(a: Any, b: Any, dtype: Any, lower: bool, unit_diagonal: bool) -> Any:
    """One system. BLAS reads columns first: what lies in rows is for it the transpose."""
    from scipy.linalg import get_blas_funcs  # noqa: PLC0415 (30 ms that few programs need)

    a, b = np.asarray(a, dtype), np.asarray(b, dtype)
    is_turned = not a.flags.f_contiguous
    matrix = a.T if is_turned else a  # BLAS copies what is contiguous neither way
    is_lower = lower != is_turned
    if b.shape[1] == 1:
        trsv = get_blas_funcs("trsv", dtype=dtype)
        column = trsv(matrix, b[:, 0], lower=is_lower, trans=is_turned, diag=unit_diagonal)
        return column[:, None]
    trsm = get_blas_funcs("trsm", dtype=dtype)
    given = {"lower": is_lower, "diag": unit_diagonal}
    if b.flags.f_contiguous:
        return trsm(1, matrix, b, trans_a=is_turned, **given)
    return trsm(1, matrix, b.T, side=1, trans_a=not is_turned, **given).T  # x.T @ a.T = b.T


def _solve_a(adjoint: Any, a: Any, out: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    solved = solve_triangular(a.mT, adjoint, lower=not lower, unit_diagonal=unit_diagonal)
    return triangle(-solved @ out.mT, 0.0 if unit_diagonal else 1.0, lower=lower)


def _solve_b(adjoint: Any, a: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    return solve_triangular(a.mT, adjoint, lower=not lower, unit_diagonal=unit_diagonal)


def _solve_a_jvp(tangent: Any, a: Any, out: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    change = triangle(tangent, 0.0 if unit_diagonal else 1.0, lower=lower)
    return -solve_triangular(a, change @ out, lower=lower, unit_diagonal=unit_diagonal)


def _solve_b_jvp(tangent: Any, a: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    return solve_triangular(a, tangent, lower=lower, unit_diagonal=unit_diagonal)


solve_triangular = general(
    solved,
    name="solve_triangular",
    operands=("a", "b"),
    vjp=(_solve_a, _solve_b),
    jvp=(_solve_a_jvp, _solve_b_jvp),
    formula=("the triangle of -solve(a.T, adjoint) @ out.T", "solve(a.T, adjoint)"),
    source=GILES,
    batch="broadcast",
    samples=[
        call(well_conditioned(3, 3), normal(3, 2), lower=True, unit_diagonal=False),
        call(well_conditioned(3, 3), normal(3, 1), lower=False, unit_diagonal=False),
        call(well_conditioned(3, 3), normal(3, 2), lower=True, unit_diagonal=True),
        call(well_conditioned(2, 3, 3), normal(3, 2), lower=False, unit_diagonal=False),
        call(well_conditioned(4, 3, 3), normal(3, 2), lower=True, unit_diagonal=True),
        call(well_conditioned(3, 3), normal(2, 3, 1), lower=True, unit_diagonal=False),
        call(well_conditioned(3, 3), complex_normal(3, 2), lower=False, unit_diagonal=False),
        call(complex_normal(2, 2), complex_normal(2, 1), lower=True, unit_diagonal=False),
        call(well_conditioned(3, 3), normal(3, 0), lower=True, unit_diagonal=False),
        call(well_conditioned(0, 0), normal(0, 2), lower=True, unit_diagonal=False),
    ],
)
