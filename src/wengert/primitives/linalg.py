"""Linear systems: solve, inv, det, slogdet, pinv, lstsq, and the products made of them.

Decompositions (cholesky, eigh, svd, qr, eig) are in `decompositions.py`, norms in `norms.py`. Rules are
matrix formulas, so they hold for stacks of matrices and for complex ones. The one difficulty is singular
matrices: the determinant has a derivative there too, its cofactors, though the inverse has none.
"""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import numpy as np

from wengert.primitives.decompositions import GILES, dagger, from_triangle, matrices, square
from wengert.primitives.family import derived, general
from wengert.primitives.products import conjugated
from wengert.primitives.reductions import surely
from wengert.primitives.samples import call, complex_normal, normal, well_conditioned
from wengert.primitives.shaping import as_array

_GOLUB = (
    "G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares "
    "problems whose variables separate, SIAM J. Numer. Anal. 10(2) (1973)"
)

_SPECTRAL = (
    "V. Noferini, A formula for the Frechet derivative of a generalized matrix function, SIAM J. Matrix "
    "Anal. Appl. 38(2) (2017)"
)


# ----------------------------------------------------------------------------------- solve and inverse


def _solve_a(adjoint: Any, a: Any, out: Any) -> Any:
    return -solve_matrices(a.mT, adjoint) @ out.mT


def _solve_b(adjoint: Any, a: Any) -> Any:
    return solve_matrices(a.mT, adjoint)


def _solve_a_jvp(tangent: Any, a: Any, out: Any) -> Any:
    return -solve_matrices(a, tangent @ out)


def _solve_b_jvp(tangent: Any, a: Any) -> Any:
    return solve_matrices(a, tangent)


solve_matrices = general(
    lambda a, b: np.linalg.solve(a, b),
    name="solve_matrices",
    operands=("a", "b"),
    vjp=(_solve_a, _solve_b),
    jvp=(_solve_a_jvp, _solve_b_jvp),
    formula=("-solve(a.T, adjoint) @ out.T", "solve(a.T, adjoint)"),
    source=GILES,
    batch="broadcast",
    live=lambda: ("all", "all"),
    samples=[
        call(well_conditioned(3, 3), normal(3, 2)),
        call(well_conditioned(2, 3, 3), normal(3, 2)),
        call(well_conditioned(3, 3), normal(2, 3, 1)),
        call(well_conditioned(3, 3), complex_normal(3, 2)),
        call(well_conditioned(3, 3), normal(3, 0)),
        call(well_conditioned(0, 0), normal(0, 2)),
    ],
)


@derived(
    np.linalg.solve,
    samples=[
        call(well_conditioned(3, 3), normal(3)),
        call(well_conditioned(2, 3, 3), normal(3)),
        call(well_conditioned(2, 3, 3), normal(2, 3, 2)),
    ],
)
def solve(a: Any, b: Any) -> Any:
    a, b = square(a), as_array(b)
    if b.ndim == 1:  # one vector; NumPy takes all else as matrices
        return solve_matrices(a, b[:, None])[..., 0]
    return solve_matrices(a, b)


inv = general(
    np.linalg.inv,
    operands=("a",),
    vjp=lambda adjoint, out: -out.mT @ adjoint @ out.mT,
    jvp=lambda tangent, out: -out @ tangent @ out,
    formula="d out = -out da out",
    source=GILES,
    batch="leading",
    live=lambda: ("all",),
    samples=[
        call(well_conditioned(3, 3)),
        call(well_conditioned(2, 4, 4)),
        call(well_conditioned(0, 0)),
        call(complex_normal(3, 3)),
    ],
)


# ---------------------------------------------------------------------------------------- determinants


def _cofactors(a: Any) -> Any:
    """The derivative of each determinant by the entries of its matrix."""
    det = np.linalg.det(a)
    singular = (det == 0)[..., None, None]
    if not np.any(singular):
        return np.linalg.inv(a).mT * _per_matrix(det)
    regular = np.where(singular, np.eye(a.shape[-1], dtype=a.dtype), a)
    found = np.linalg.inv(regular).mT * _per_matrix(det)
    return np.where(singular, _cofactors_by_svd(a), found)


def _cofactors_by_svd(a: Any) -> Any:
    u, s, vh = np.linalg.svd(a)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    others = _products_without(s, 1)
    return _per_matrix(phase) * (conjugated(u) * others[..., None, :]) @ conjugated(vh)


def _products_without(s: Any, left_out: int) -> Any:
    """Products of all numbers of the last axis but one (for each), or but two (for each pair)."""
    n = s.shape[-1]
    out = np.eye(n, dtype=bool)
    if left_out == 2:
        out = out[:, None, :] | out[None, :, :]
    return np.prod(np.where(out, 1, np.expand_dims(s, tuple(range(-1 - left_out, -1)))), axis=-1)


def _cofactor_jvp(tangent: Any, a: Any) -> Any:
    """The derivative of the cofactors, in the basis of the singular vectors: no division anywhere."""
    u, s, vh = np.linalg.svd(a)
    turned = dagger(u) @ tangent @ dagger(vh)
    pairs = _products_without(s, 2) * (1 - np.eye(s.shape[-1], dtype=s.dtype))
    diagonal = np.diagonal(turned, 0, -2, -1)
    own = (pairs @ diagonal[..., None]) * np.eye(s.shape[-1], dtype=s.dtype)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    return _per_matrix(phase) * (conjugated(u) @ (own - pairs * turned.mT) @ conjugated(vh))


cofactor = general(
    lambda a: _cofactors(a),
    name="cofactor",
    operands=("a",),
    # The second derivative of det is symmetric: its transpose is itself.
    vjp=lambda adjoint, a: _cofactor_jvp(adjoint, a),
    jvp=_cofactor_jvp,
    formula="d out = (sum(out * da) out - out da.T out) / det(a)",
    source=GILES,
    batch="leading",
    samples=[call(well_conditioned(3, 3)), call(normal(2, 2, 2)), call(complex_normal(3, 3))],
)


def _per_matrix(x: Any) -> Any:
    """Numbers, one for each matrix of a stack, in a shape that multiplies matrices."""
    return np.reshape(x, (*np.shape(x), 1, 1))


def _trace_of_product(x: Any, y: Any) -> Any:
    return np.sum(x * y, axis=(-2, -1))


det = general(
    np.linalg.det,
    operands=("a",),
    vjp=lambda adjoint, a: _per_matrix(adjoint) * cofactor(a),
    jvp=lambda tangent, a: _trace_of_product(cofactor(a), tangent),
    formula="d out = sum(cofactor(a) * da)",
    source=GILES,
    batch="leading",
    samples=[
        call(well_conditioned(3, 3)),
        call(normal(2, 2, 2)),
        call(complex_normal(3, 3)),
        call(normal(1, 1)),
        call(normal(0, 0)),
    ],
)


def _slogdet_vjp(adjoint: Any, a: Any, out: Any) -> Any:
    sign, size = adjoint
    if a.dtype.kind == "c":  # the sign is exp(i t), where log(det) = out[1] + i t
        size = size - 1j * np.real(1j * sign * out[0])
    return _per_matrix(size) * np.linalg.inv(a).mT


def _slogdet_jvp(tangent: Any, a: Any, out: Any) -> Any:
    logarithm = _trace_of_product(np.linalg.inv(a).mT, tangent)
    if a.dtype.kind != "c":
        return np.zeros(logarithm.shape, a.dtype), logarithm
    return 1j * np.imag(logarithm) * out[0], np.real(logarithm)


slogdet = general(
    np.linalg.slogdet,
    operands=("a",),
    vjp=_slogdet_vjp,
    jvp=_slogdet_jvp,
    outputs=2,
    formula="d log|det a| = sum(inv(a).T * da)",
    source=GILES,
    batch="leading",
    samples=[
        call(well_conditioned(3, 3)),
        call(normal(2, 2, 2)),
        call(complex_normal(3, 3)),
        call(complex_normal(2, 2, 2)),
    ],
)


# ----------------------------------------------------------------------- pseudo-inverse, least squares


def _pinv_vjp(adjoint: Any, a: Any, out: Any, *, rcond: Any) -> Any:
    p, q, b = out.mT, conjugated(out), conjugated(a)
    flipped = dagger(adjoint)
    first, second = flipped @ (q @ p), p @ (q @ flipped)
    return first - b @ (q @ first) + second - (second @ q) @ b - p @ adjoint @ p


def _pinv_jvp(tangent: Any, a: Any, out: Any, *, rcond: Any) -> Any:
    flipped = dagger(tangent)
    first, second = out @ dagger(out) @ flipped, flipped @ dagger(out) @ out
    return first - (first @ a) @ out + second - out @ (a @ second) - out @ tangent @ out


pinv_cut = general(
    lambda a, *, rcond: np.linalg.pinv(a, rcond),
    name="pinv_cut",
    operands=("a",),
    vjp=_pinv_vjp,
    jvp=_pinv_jvp,
    formula="d P = -P da P + P P.H da.H (1 - a P) + (1 - P a) da.H P.H P",
    source=_GOLUB,
    batch="leading",
    samples=[
        call(normal(4, 2), rcond=1e-15),
        call(normal(2, 2, 4), rcond=1e-15),
        call(complex_normal(3, 2), rcond=1e-15),
        call(normal(0, 2), rcond=1e-15),
    ],
)


# By a larger rcond the inverse leaves out singular values that are not rounding errors. What it inverts is
# then not `a` but a part of it, whose derivative has the gaps between values kept and left out below.


def _spectral_move(a: Any, change: Any, rcond: Any) -> Any:
    """The change of ``U f(s) V.H`` with ``f = 1/s`` where s is kept, 0 elsewhere, by that of `a`."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    kept = s > np.asarray(rcond)[..., None] * np.max(s, axis=-1, keepdims=True, initial=0)
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    both, one = kept[..., :, None] & kept[..., None, :], kept[..., :, None] ^ kept[..., None, :]
    product = inverse[..., :, None] * inverse[..., None, :]
    gap = np.where(one, s[..., :, None] - s[..., None, :], 1)
    rise = inverse[..., :, None] - inverse[..., None, :]
    even = np.where(both, -product, np.where(one, rise / gap, 0))
    reach = np.where(both | one, s[..., :, None] + s[..., None, :], 1)
    odd = np.where(both | one, (inverse[..., :, None] + inverse[..., None, :]) / reach, 0)
    v = dagger(vh)
    inner = dagger(u) @ change @ v
    turned = dagger(inner)
    out = u @ (even * (inner + turned) / 2 + odd * (inner - turned) / 2) @ vh
    square = inverse**2
    left, right = change @ v - u @ inner, dagger(u) @ change - inner @ vh
    return out + (left * square[..., None, :]) @ vh + u @ (square[..., :, None] * right)


pinv_part = general(
    lambda a, *, rcond: np.linalg.pinv(a, rcond),
    name="pinv_part",
    operands=("a",),
    vjp=lambda adjoint, a, *, rcond: conjugated(_spectral_move(a, adjoint.mT, rcond)),
    jvp=lambda tangent, a, *, rcond: dagger(_spectral_move(a, tangent, rcond)),
    formula="the change of V f(s) U.H, by the differences f(s[i]) - f(s[j]) over s[i] - s[j]",
    source=_SPECTRAL,
    batch="leading",
    samples=[
        call(well_conditioned(3, 3), rcond=0.6),
        call(normal(4, 3), rcond=0.5),
        call(normal(2, 3, 4), rcond=0.4),
        call(complex_normal(3, 2), rcond=0.5),
    ],
)


def _is_rounding(rcond: Any, dtype: Any) -> bool:
    """True if what `rcond` leaves out is so small that the formula for a matrix of full rank holds."""
    return bool(np.max(rcond) <= np.sqrt(np.finfo(dtype).eps))


def inverted(a: Any, rcond: Any) -> Any:
    """The pseudo-inverse, by the rule that holds for what `rcond` leaves out."""
    return (pinv_cut if _is_rounding(rcond, a.dtype) else pinv_part)(a, rcond=rcond)


@derived(
    np.linalg.pinv,
    samples=[
        call(normal(3, 2)),
        call(normal(2, 3), rtol=None),
        call(well_conditioned(3, 3), hermitian=True),
        call(normal(3, 2), 0.5),
    ],
)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, **given: Any) -> Any:
    a = matrices(a)
    if given.keys() - {"rtol"}:
        raise TypeError(
            f"pinv() got an unexpected keyword argument {min(given.keys() - {'rtol'})!r}"
        )
    if rcond is not None and given:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if rcond is None:
        rcond = given.get("rtol", 1e-15)
    if rcond is None:
        rcond = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)
    return inverted(from_triangle(square(a), lower=True) if hermitian else a, rcond)


def _is_zero(adjoint: Any) -> bool:
    """True for the plain zeros that stand for a part of the result nobody used."""
    return type(adjoint) is np.ndarray and not adjoint.any()


def _least_squares(a: Any, b: Any, *, rcond: Any) -> Any:
    """With the squares of residuals wherever there are any: NumPy's shape depends on the rank."""
    x, residuals, _, s = np.linalg.lstsq(a, b, rcond)
    if a.shape[0] > a.shape[1] and not residuals.size:
        difference = b - a @ x
        residuals = np.sum(np.real(difference * np.conjugate(difference)), axis=0)
    return x, residuals, s


def _lstsq_a(adjoint: Any, a: Any, b: Any, out: Any, *, rcond: Any) -> Any:
    x, p = out[0], np.linalg.pinv(a, rcond)
    own, unsquared, singular = adjoint
    residual = conjugated(b - a @ x)
    back = p.mT @ own
    flat = conjugated(own)
    part = (
        residual @ (p @ conjugated(back)).mT
        + p.mT @ conjugated(x) @ (flat - p @ (a @ flat)).mT
        - back @ x.mT
    )
    if unsquared.shape[0] and not _is_zero(unsquared):
        part = part - 2 * (residual * unsquared) @ x.mT
    if not _is_zero(singular):
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        part = part + (conjugated(u) * singular) @ conjugated(vh)
    return part


def _lstsq_b(adjoint: Any, a: Any, b: Any, out: Any, *, rcond: Any) -> Any:
    own, unsquared, _ = adjoint
    part = np.linalg.pinv(a, rcond).mT @ own
    if unsquared.shape[0] and not _is_zero(unsquared):
        part = part + 2 * conjugated(b - a @ out[0]) * unsquared
    return part


def _lstsq_a_jvp(tangent: Any, a: Any, b: Any, out: Any, *, rcond: Any) -> Any:
    x, p = out[0], np.linalg.pinv(a, rcond)
    residual, flipped, moved = b - a @ x, dagger(tangent), tangent @ x
    along = flipped @ (dagger(p) @ x)
    dx = p @ (dagger(p) @ (flipped @ residual)) + along - p @ (a @ along) - p @ moved
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    singular = np.real(np.sum(conjugated(u) * (tangent @ dagger(vh)), axis=0))
    return dx, _of_squares(residual, -moved, out[1]), singular


def _lstsq_b_jvp(tangent: Any, a: Any, b: Any, out: Any, *, rcond: Any) -> Any:
    dx = np.linalg.pinv(a, rcond) @ tangent
    return dx, _of_squares(b - a @ out[0], tangent, out[1]), None


def _of_squares(residual: Any, change: Any, sums: Any) -> Any:
    """The derivative of the sums of squared residuals, where NumPy returns them."""
    return 2 * np.real(np.sum(conjugated(residual) * change, axis=0)) if sums.shape[0] else None


def _lstsq_batched(primitive: Any, values: Any, batched: Any, size: int, *, rcond: Any) -> Any:
    a, b = values
    (rows, columns), count = a.shape[-2:], b.shape[-1]
    if not batched[0]:  # one system, all right-hand sides at once
        side = np.reshape(np.moveaxis(b, 0, 1), (rows, size * count))
        x, residuals, s = primitive(a, side, rcond=rcond)
        x = np.moveaxis(np.reshape(x, (columns, size, count)), 1, 0)
        residuals = np.reshape(residuals, (size, count if residuals.shape[0] else 0))
        return x, residuals, np.broadcast_to(s, (size, *s.shape))
    x, s = np.linalg.pinv(a, rcond) @ b, np.linalg.svdvals(a)
    residuals = b - a @ x
    squares = np.sum(np.real(residuals * conjugated(residuals)), axis=1)
    return x, squares if rows > columns else np.zeros((size, 0), squares.dtype), s


least_squares = general(
    _least_squares,
    name="least_squares",
    operands=("a", "b"),
    vjp=(_lstsq_a, _lstsq_b),
    jvp=(_lstsq_a_jvp, _lstsq_b_jvp),
    outputs=3,
    formula="out = pinv(a) @ b",
    source=_GOLUB,
    batch=_lstsq_batched,
    samples=[
        call(normal(5, 3), normal(5, 2), rcond=1e-15),
        call(normal(2, 4), normal(2, 2), rcond=1e-15),
        call(complex_normal(4, 2), complex_normal(4, 1), rcond=1e-15),
        call(complex_normal(4, 2), normal(4, 1), rcond=1e-15),
    ],
)


def _partly_solved(a: Any, b: Any, rcond: Any) -> tuple[Any, Any, Any]:
    """As `least_squares`, where singular values are left out that are no rounding errors."""
    x, s = pinv_part(a, rcond=rcond) @ b, np.linalg.svdvals(a)
    rows, columns = a.shape
    squares = np.sum(np.abs(b - a @ x) ** 2, axis=0)
    is_given = rows > columns and bool(np.all(s > rcond * np.max(s)))
    return x, squares if is_given else squares[:0], s


# The rank is an integer, which check_grads refuses to differentiate: tests/primitives/test_linalg.py checks.
@derived(
    np.linalg.lstsq,
    samples=[
        call(normal(5, 3), normal(5), max_order=0),
        call(normal(3, 3), normal(3, 2), rcond=1e-10, max_order=0),
    ],
)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    sides = b[:, None] if b.ndim == 1 else b
    for x in (a, sides):
        if x.ndim != 2:
            raise np.linalg.LinAlgError(
                f"{x.ndim}-dimensional array given. Array must be two-dimensional"
            )
    if a.shape[0] != sides.shape[0]:
        raise np.linalg.LinAlgError("Incompatible dimensions")
    eps_dtype = np.result_type(a.dtype, b.dtype, np.float32)
    eps = float(np.finfo(eps_dtype).eps)
    if rcond is None:
        rcond = eps * max(a.shape)
    elif not 0 < rcond < 1:  # LAPACK then takes the machine's precision
        rcond = eps
    solved = least_squares if _is_rounding(rcond, eps_dtype) else _partly_solved
    x, residuals, s = solved(a, sides, rcond=rcond)
    rank = np.sum(s > rcond * np.max(s, initial=0), dtype=np.int32)
    if surely(rank < min(a.shape)):
        residuals = residuals[:0]
    return x[:, 0] if b.ndim == 1 else x, residuals, rank, s


# --------------------------------------------------------------------------------- products of matrices


@derived(
    np.linalg.matrix_power,
    samples=[
        *(call(well_conditioned(3, 3), n) for n in (1, 2, 3, 5, -1, -2)),
        call(well_conditioned(2, 3, 3), 6),
        call(well_conditioned(3, 3), 0, max_order=0),
    ],
)
def matrix_power(a: Any, n: Any) -> Any:
    a = square(a)
    try:
        n = operator.index(n)
    except TypeError as error:
        raise TypeError("exponent must be an integer") from error
    if n == 0:
        return np.array(np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape))
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n <= 3:
        return a if n == 1 else a @ a if n == 2 else a @ a @ a
    power: Any = None
    out: Any = None
    while n > 0:  # the binary digits of n, from the lowest
        power = a if power is None else power @ power
        n, digit = divmod(n, 2)
        if digit:
            out = power if out is None else out @ power
    return out


@derived(
    np.linalg.multi_dot,
    samples=[
        call([normal(2, 3), normal(3, 4)]),
        call([normal(2, 3), normal(3, 4), normal(4, 1)]),
        call([normal(3), normal(3, 4), normal(4, 2), normal(2)]),
    ],
)
def multi_dot(arrays: Any) -> Any:
    arrays = [as_array(a) for a in arrays]
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(arrays) == 2:
        return np.dot(arrays[0], arrays[1])
    row, column = arrays[0].ndim == 1, arrays[-1].ndim == 1
    arrays[0] = arrays[0][None, :] if row else arrays[0]
    arrays[-1] = arrays[-1][:, None] if column else arrays[-1]
    for a in arrays:
        if a.ndim != 2:
            raise np.linalg.LinAlgError(
                f"{a.ndim}-dimensional array given. Array must be two-dimensional"
            )
    splits = _cheapest_splits([a.shape[0] for a in arrays] + [arrays[-1].shape[1]])
    out = _product(arrays, splits, 0, len(arrays) - 1)
    if row and column:
        return out[0, 0]
    return np.ravel(out) if row or column else out


def _cheapest_splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each stretch of a chain of matrices (T. H. Cormen et al., 15.2)."""
    count = len(sizes) - 1
    costs = {(k, k): 0 for k in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            found = [
                costs[first, k] + costs[k + 1, last] + sizes[first] * sizes[k + 1] * sizes[last + 1]
                for k in range(first, last)
            ]
            costs[first, last] = min(found)
            splits[first, last] = first + found.index(min(found))
    return splits


def _product(arrays: list[Any], splits: dict[tuple[int, int], int], first: int, last: int) -> Any:
    if first == last:
        return arrays[first]
    middle = splits[first, last]
    return np.dot(
        _product(arrays, splits, first, middle), _product(arrays, splits, middle + 1, last)
    )


# -------------------------------------------------------------------------------------------- tensors


@derived(np.linalg.tensorinv, samples=[call(normal(4, 2, 2), ind=1), call(normal(2, 3, 3, 2))])
def tensorinv(a: Any, ind: int = 2) -> Any:
    a = as_array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    rest, count = a.shape[ind:], prod(a.shape[ind:])
    return np.reshape(np.linalg.inv(np.reshape(a, (count, -1))), (*rest, *a.shape[:ind]))


@derived(
    np.linalg.tensorsolve,
    samples=[call(normal(2, 3, 6), normal(2, 3)), call(normal(2, 6, 3), normal(2, 3), axes=(1,))],
)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    if axes is not None:
        last = [k % a.ndim for k in axes]
        a = np.transpose(a, [k for k in range(a.ndim) if k not in last] + last)
    shape = a.shape[b.ndim :]
    count = prod(shape)
    if a.size != count**2:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement "
            "prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (count, count)), np.ravel(b)), shape)
