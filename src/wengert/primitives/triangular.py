"""Triangular matrices: one triangle of a matrix, and systems that substitution solves.

Only one triangle of a matrix is read, so the derivatives by the other are zero. Compiled, a system is
one call of BLAS.
"""

from __future__ import annotations

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


def _solve(a: Any, b: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        np.einsum("...ii->...i", a)[...] = 1
    # Of an upper triangle the LU factors are itself and no row moves, so that this is substitution,
    # by the BLAS of NumPy, in stacks too. The system turned round has one.
    if not lower:
        return np.linalg.solve(a, b)
    turned = np.linalg.solve(a[..., ::-1, ::-1], b[..., ::-1, :])
    return np.ascontiguousarray(turned[..., ::-1, :])


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
    _solve,
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
