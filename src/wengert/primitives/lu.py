"""LU factors of square matrices with their rows in the order that pivoting finds.

The order is an integer, constant nearby; of the matrix with its rows in that order the factors, packed
into one matrix as LAPACK packs them, are a primitive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.family import derived, general, locally_constant
from wengert.primitives.matrix_functions import over_stack
from wengert.primitives.products import conjugated
from wengert.primitives.samples import call, complex_normal, normal, well_conditioned
from wengert.primitives.shaping import as_array
from wengert.primitives.triangular import GILES, solve_triangular, triangle

# ----------------------------------------------------------------------------------------- pivoting


def _pivots(a: Any) -> Any:
    if not a.size:
        return np.zeros(a.shape[:-1], np.int32)
    flat = np.reshape(a, (-1, *a.shape[-2:]))
    found = [linalg.lu_factor(each, check_finite=False)[1] for each in flat]
    return np.reshape(found, a.shape[:-1])


lu_pivots = locally_constant(
    _pivots,
    ("a",),
    name="lu_pivots",
    batch="leading",
    samples=[call(normal(3, 3)), call(normal(2, 3, 3))],
)


def _order(piv: Any) -> Any:
    """The order of rows that LAPACK's exchanges, one row after the other, come to."""
    order = np.broadcast_to(np.arange(piv.shape[-1]), piv.shape).copy()
    for row in range(piv.shape[-1]):
        other = piv[..., row, None]
        held = order[..., row].copy()
        order[..., row] = np.take_along_axis(order, other, -1)[..., 0]
        np.put_along_axis(order, other, held[..., None], -1)
    return order


row_order = locally_constant(
    _order,
    ("piv",),
    name="row_order",
    batch="leading",
    samples=[call(np.array([2, 1, 2])), call(np.array([[1, 1], [0, 1]]))],
)


def _rows(a: Any, order: Any) -> Any:
    return np.take_along_axis(a, order[..., :, None], axis=-2)


# ------------------------------------------------------------------------------------------- factors


def _packed(a: Any) -> Any:
    """L and U in one matrix; rows are in order already."""
    packed, piv = linalg.lu_factor(a, check_finite=False)
    if np.array_equal(piv, np.arange(len(a))):
        return packed
    packed = np.array(a)  # rounding has decided a tie the other way
    for k in range(len(a) - 1):
        packed[k + 1 :, k] /= packed[k, k]
        packed[k + 1 :, k + 1 :] -= np.outer(packed[k + 1 :, k], packed[k, k + 1 :])
    return packed


def _below(x: Any) -> Any:
    return triangle(x, 0.0, lower=True)


def _above(x: Any) -> Any:
    return triangle(x, lower=False)


def _unit(x: Any) -> Any:
    return _below(x) + np.eye(x.shape[-1], dtype=x.dtype)


def _lu_vjp(adjoint: Any, out: Any) -> Any:
    inner = _below(_unit(out).mT @ _below(adjoint)) + _above(_above(adjoint) @ _above(out).mT)
    half = solve_triangular(out.mT, inner, lower=False, unit_diagonal=True)
    return solve_triangular(out, half.mT, lower=False, unit_diagonal=False).mT


def _lu_jvp(tangent: Any, out: Any) -> Any:
    half = solve_triangular(out, tangent, lower=True, unit_diagonal=True)
    inner = solve_triangular(out.mT, half.mT, lower=True, unit_diagonal=False).mT
    return _below(_unit(out) @ _below(inner)) + _above(_above(inner) @ _above(out))


lu_packed = general(
    lambda a: over_stack(_packed, a),
    name="lu_packed",
    operands=("a",),
    vjp=_lu_vjp,
    jvp=_lu_jvp,
    formula="d L = L below(M), d U = above(M) U with M = inv(L) da inv(U)",
    source=GILES,
    batch="leading",
    samples=[
        call(well_conditioned(3, 3)),
        call(well_conditioned(2, 3, 3)),
        call(complex_normal(3, 3)),
        call(well_conditioned(0, 0)),
    ],
)


def _factored(a: Any) -> tuple[Any, Any]:
    a = as_array(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise UnsupportedFunctionError(
            f"the LU factors of a matrix of shape {a.shape}, which is not square, have no rule.",
            "Use np.linalg.qr, or factor the square part.",
        )
    piv = lu_pivots(a)
    return lu_packed(_rows(a, row_order(piv))), piv


@derived(linalg.lu_factor, samples=[call(normal(3, 3), max_order=0)])
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return _factored(a)


@derived(
    linalg.lu,
    samples=[
        call(normal(3, 3)),
        call(normal(3, 3), permute_l=True),
        call(normal(2, 3, 3), permute_l=True),
        call(normal(3, 3), p_indices=True, max_order=0),
    ],
)
def lu(
    a: Any,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> Any:
    packed, piv = _factored(a)
    order = row_order(piv)
    lower, upper = _unit(packed), _above(packed)
    if permute_l:
        return _rows(lower, np.argsort(order, axis=-1)), upper
    if p_indices:
        return np.argsort(order, axis=-1), lower, upper
    places = np.arange(packed.shape[-1])
    return (places[:, None] == order[..., None, :]).astype(packed.dtype), lower, upper


_factors = np.array([[2.0, 0.5, -1.0], [0.25, 1.5, 0.5], [-0.5, 0.75, 3.0]])


# The derivative by the factors is in tests/primitives/test_scipy_linalg.py.
@derived(
    linalg.lu_solve,
    samples=[
        call((_factors, np.array([2, 1, 2])), normal(3)),
        call((_factors, np.array([2, 1, 2])), normal(3, 2), trans=1),
        call((_factors * (1 + 0.5j), np.array([0, 2, 2])), normal(3), trans=2),
    ],
)
def lu_solve(
    lu_and_piv: Any,
    b: Any,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    packed, piv = as_array(lu_and_piv[0]), as_array(lu_and_piv[1])
    b = as_array(b)
    sides = b[:, None] if b.ndim == 1 else b
    order = row_order(piv)
    if trans == 0:
        half = solve_triangular(packed, _rows(sides, order), lower=True, unit_diagonal=True)
        out = solve_triangular(packed, half, lower=False, unit_diagonal=False)
    else:
        packed = packed.mT if trans == 1 else conjugated(packed).mT
        half = solve_triangular(packed, sides, lower=True, unit_diagonal=False)
        half = solve_triangular(packed, half, lower=False, unit_diagonal=True)
        out = _rows(half, np.argsort(order, axis=-1))
    return out[:, 0] if b.ndim == 1 else out
