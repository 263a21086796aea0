"""scipy.linalg in terms of the primitives for numpy.linalg: other names and arguments, the same rules.

`overwrite_a`, `check_finite` and LAPACK drivers change no value and are not looked at: NaN goes through
to the result. What has no rule (pivoting, left eigenvectors, subsets) is an error that says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.decompositions import dagger, eigh_of, from_triangle, square
from wengert.primitives.family import derived, general
from wengert.primitives.products import conjugated
from wengert.primitives.reductions import surely
from wengert.primitives.samples import (
    call,
    complex_normal,
    normal,
    positive_definite,
    well_conditioned,
)
from wengert.primitives.shaping import as_array
from wengert.primitives.triangular import GILES, solve_triangular, triangle

# -------------------------------------------------------------------------------------------- systems

_TRANSPOSED: dict[Any, int] = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


@derived(
    linalg.solve_triangular,
    name="scipy.linalg.solve_triangular",
    samples=[
        call(well_conditioned(3, 3), normal(3)),
        call(well_conditioned(3, 3), normal(3, 2), lower=True, unit_diagonal=True),
        call(well_conditioned(3, 3), normal(3), trans=1),
        call(complex_normal(2, 2), normal(2), trans="C", lower=True),
    ],
)
def triangular_solution(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    a, b, lower = square(a), as_array(b), bool(lower)
    if trans not in _TRANSPOSED:
        raise ValueError(f"trans is 0, 1, 2, 'N', 'T' or 'C', not {trans!r}")
    if _TRANSPOSED[trans]:
        a, lower = (a.mT, conjugated(a).mT)[_TRANSPOSED[trans] - 1], not lower
    sides = b[:, None] if b.ndim == 1 else b
    out = solve_triangular(a, sides, lower=lower, unit_diagonal=bool(unit_diagonal))
    return out[..., 0] if b.ndim == 1 else out


@derived(
    linalg.cho_factor,
    samples=[call(positive_definite(3, 3), max_order=0)],
)
def cho_factor(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    # Older versions of SciPy leave what they find in the other triangle; here it is zero.
    return np.linalg.cholesky(square(a), upper=not lower), bool(lower)


_factor = np.array([[2.0, 0.5, -1.0], [0.5, 1.5, 0.5], [-1.0, 0.75, 3.0]])


# The derivative by the factor is in tests/primitives/test_scipy_linalg.py.
@derived(
    linalg.cho_solve,
    samples=[
        call((_factor, True), normal(3)),
        call((_factor, False), normal(3, 2)),
        call((_factor * (1 + 0.5j), True), normal(3)),
    ],
)
def cho_solve(
    c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    factor, lower = as_array(c_and_lower[0]), bool(c_and_lower[1])
    b = as_array(b)
    sides = b[:, None] if b.ndim == 1 else b
    first, second = (factor, dagger(factor)) if lower else (dagger(factor), factor)
    half = solve_triangular(first, sides, lower=True, unit_diagonal=False)
    out = solve_triangular(second, half, lower=False, unit_diagonal=False)
    return out[..., 0] if b.ndim == 1 else out


def _as_assumed(a: Any, assume_a: Any, lower: bool) -> Any:
    """The matrix that LAPACK sees, where it reads one triangle or the diagonal alone."""
    if assume_a in ("her", "hermitian", "pos", "positive definite") or (
        assume_a in ("sym", "symmetric") and a.dtype.kind != "c"
    ):
        return from_triangle(a, lower=lower)
    if assume_a in ("sym", "symmetric"):
        half = triangle(a, 0.5, lower=lower)
        return half + half.mT
    if assume_a in ("upper triangular", "lower triangular"):
        return triangle(a, lower=assume_a.startswith("lower"))
    if assume_a == "diagonal":
        return a * np.eye(a.shape[-1], dtype=np.finfo(a.dtype).dtype)
    if assume_a in (None, "gen", "general", "banded", "tridiagonal"):
        return a
    raise ValueError(f"{assume_a!r} is not a recognized matrix structure")


@derived(
    linalg.solve,
    name="scipy.linalg.solve",
    samples=[
        call(well_conditioned(3, 3), normal(3)),
        call(positive_definite(3, 3), normal(3, 2), assume_a="pos"),
        call(positive_definite(3, 3), normal(3), assume_a="sym", lower=True),
        call(complex_normal(3, 3), normal(3), assume_a="sym"),
        call(well_conditioned(3, 3), normal(3), assume_a="upper triangular"),
        call(well_conditioned(3, 3), normal(3), assume_a="diagonal"),
        call(well_conditioned(3, 3), normal(3), transposed=True),
    ],
)
def solution(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: Any = None,
    transposed: bool = False,
) -> Any:
    a = _as_assumed(square(a), assume_a, bool(lower))
    return np.linalg.solve(a.mT if transposed else a, as_array(b))


@derived(
    linalg.inv,
    name="scipy.linalg.inv",
    samples=[
        call(well_conditioned(3, 3)),
        call(positive_definite(3, 3), assume_a="pos", lower=True),
    ],
)
def inverse(
    a: Any,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: Any = None,
    lower: bool = False,
) -> Any:
    return np.linalg.inv(_as_assumed(square(a), assume_a, bool(lower)))


@derived(linalg.det, name="scipy.linalg.det", samples=[call(normal(3, 3)), call(normal(2, 2, 2))])
def determinant(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.det(square(a))


@derived(
    linalg.lstsq, name="scipy.linalg.lstsq", samples=[call(normal(5, 3), normal(5), max_order=0)]
)
def least_squares_solution(
    a: Any,
    b: Any,
    cond: Any = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: Any = None,
) -> Any:
    a, b = as_array(a), as_array(b)
    if cond is None:
        cond = float(np.finfo(np.result_type(a.dtype, b.dtype, np.float32)).eps)
    x, residuals, rank, s = np.linalg.lstsq(a, b, rcond=cond)
    return x, residuals[0] if b.ndim == 1 and residuals.shape[0] else residuals, rank, s


@derived(linalg.pinv, name="scipy.linalg.pinv", samples=[call(normal(4, 2)), call(normal(2, 3))])
def pseudo_inverse(
    a: Any,
    *,
    atol: Any = None,
    rtol: Any = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    if atol:
        raise _without_rule("pinv with atol", "Pass rtol, which is relative to the largest.")
    a = as_array(a)
    if rtol is None:
        rtol = 0.0 if atol is not None else max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)
    out = np.linalg.pinv(a, rcond=rtol)
    return (out, np.linalg.matrix_rank(a, rtol=rtol)) if return_rank else out


# -------------------------------------------------------------------------------------- decompositions


def _without_rule(what: str, remedy: str) -> UnsupportedFunctionError:
    return UnsupportedFunctionError(f"scipy.linalg.{what} has no rule in Wengert.", remedy)


@derived(
    linalg.cholesky,
    name="scipy.linalg.cholesky",
    samples=[call(positive_definite(3, 3)), call(positive_definite(3, 3), lower=True)],
)
def cholesky_factor_of(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    return np.linalg.cholesky(square(a), upper=not lower)


def _pairs(a: Any, *, lower: bool) -> Any:
    if a.ndim == 2:
        return linalg.eigh(a, lower=lower) if a.size else np.linalg.eigh(a)
    pairs = [_pairs(each, lower=lower) for each in a]
    if not pairs:
        return np.linalg.eigh(a)
    return np.stack([values for values, _ in pairs]), np.stack([vectors for _, vectors in pairs])


# SciPy calls another routine of LAPACK than NumPy, whose vectors differ by signs.
eigenpairs = general(
    _pairs,
    name="eigenpairs",
    operands=("a",),
    vjp=eigh_of.rules,
    jvp=eigh_of.jvps,
    outputs=2,
    formula=eigh_of.formula,
    source=GILES,
    batch="leading",
    samples=[
        call(positive_definite(3, 3), lower=True, max_order=1),
        call(positive_definite(2, 3, 3), lower=False, max_order=1),
        call(normal(0, 0), lower=True),
    ],
)


@derived(
    linalg.eigh,
    name="scipy.linalg.eigh",
    samples=[
        call(positive_definite(3, 3), eigvals_only=True),
        call(positive_definite(3, 3), positive_definite(3, 3), eigvals_only=True),
        call(positive_definite(3, 3), subset_by_index=(1, 2), eigvals_only=True),
    ],
)
def eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: Any = None,
) -> Any:
    if type != 1 or subset_by_value is not None:
        raise _without_rule("eigh with type or subset_by_value", "Select from all eigenvalues.")
    a, lower = from_triangle(square(a), lower=bool(lower)), bool(lower)
    factor: Any = None
    if b is not None:  # to an ordinary problem, by the Cholesky factor of b
        factor = np.linalg.cholesky(from_triangle(square(b), lower=lower))
        half = solve_triangular(factor, a, lower=True, unit_diagonal=False)
        a = solve_triangular(factor, dagger(half), lower=True, unit_diagonal=False)
    first, last = (0, a.shape[-1] - 1) if subset_by_index is None else subset_by_index
    chosen = slice(int(first), int(last) + 1)
    if eigvals_only:
        return np.linalg.eigvalsh(a)[..., chosen]
    values, vectors = eigenpairs(a, lower=True)
    if factor is not None:
        vectors = solve_triangular(dagger(factor), vectors, lower=False, unit_diagonal=False)
    return values[..., chosen], vectors[..., chosen]


@derived(
    linalg.eigvalsh,
    name="scipy.linalg.eigvalsh",
    samples=[
        call(positive_definite(3, 3)),
        call(positive_definite(3, 3), positive_definite(3, 3), lower=False),
    ],
)
def eigvalsh(a: Any, b: Any = None, **options: Any) -> Any:
    return eigh(a, b, eigvals_only=True, **options)


@derived(linalg.eig, name="scipy.linalg.eig", samples=[call(normal(3, 3), max_order=0)])
def eig(
    a: Any,
    b: Any = None,
    left: bool = False,
    right: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    if b is not None or left or homogeneous_eigvals:
        raise _without_rule(
            "eig with b, left or homogeneous_eigvals",
            "Solve the ordinary problem: np.linalg.eig(np.linalg.solve(b, a)); left eigenvectors "
            "are those of a.conj().T.",
        )
    a = square(a)
    values, vectors = np.linalg.eig(a)
    if a.dtype.kind == "f" and surely(np.logical_not(np.any(np.imag(values)))):
        vectors = np.real(vectors)
    values = values.astype(np.result_type(values.dtype, np.complex64))
    return (values, vectors) if right else values


@derived(linalg.eigvals, name="scipy.linalg.eigvals", samples=[call(normal(3, 3))])
def eigvals(
    a: Any,
    b: Any = None,
    overwrite_a: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    return eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


@derived(
    linalg.svd,
    name="scipy.linalg.svd",
    samples=[
        call(normal(3, 2), compute_uv=False),
        call(normal(3, 2), full_matrices=False, max_order=0),
    ],
)
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    if not compute_uv:
        return np.linalg.svdvals(as_array(a))
    return tuple(np.linalg.svd(as_array(a), full_matrices=full_matrices))


@derived(linalg.svdvals, name="scipy.linalg.svdvals", samples=[call(normal(3, 2))])
def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.svdvals(as_array(a))


@derived(
    linalg.qr,
    name="scipy.linalg.qr",
    samples=[call(normal(3, 2), mode="economic"), call(normal(3, 3))],
)
def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    if pivoting or mode not in ("full", "economic", "r"):
        raise _without_rule(
            f"qr with mode={mode!r}, pivoting={pivoting}",
            "Use mode='full', 'economic' or 'r' without pivoting.",
        )
    q, r = np.linalg.qr(as_array(a), mode="reduced" if mode == "economic" else "complete")
    return (r,) if mode == "r" else (q, r)


@derived(
    linalg.norm,
    name="scipy.linalg.norm",
    samples=[call(normal(3, 2)), call(normal(3), ord=3), call(normal(3, 2), ord=1, axis=0)],
)
def norm(
    a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Any:
    return np.linalg.norm(as_array(a), ord, axis, keepdims)


# ------------------------------------------------------------------------------------- special matrices


@derived(
    linalg.toeplitz,
    samples=[call(normal(3)), call(normal(3), normal(2)), call(complex_normal(3))],
)
def toeplitz(c: Any, r: Any = None) -> Any:
    c = np.atleast_1d(as_array(c))
    r = conjugated(c) if r is None else np.atleast_1d(as_array(r))
    rows, columns = c.shape[-1], r.shape[-1]
    along = np.concatenate((c[..., ::-1], r[..., 1:]), axis=-1)
    return along[..., rows - 1 + np.arange(columns) - np.arange(rows)[:, None]]


@derived(linalg.circulant, samples=[call(normal(4)), call(normal(2, 3))])
def circulant(c: Any) -> Any:
    c = np.atleast_1d(as_array(c))
    places = np.arange(c.shape[-1])
    return c[..., (places[:, None] - places) % max(c.shape[-1], 1)]


@derived(linalg.hankel, samples=[call(normal(3)), call(normal(3), normal(4))])
def hankel(c: Any, r: Any = None) -> Any:
    c = np.ravel(as_array(c))
    r = np.zeros_like(c) if r is None else np.ravel(as_array(r))
    along = np.concatenate((c, r[..., 1:]), axis=-1)
    return along[..., np.arange(c.shape[-1])[:, None] + np.arange(r.shape[-1])]


@derived(linalg.block_diag, samples=[call(normal(2, 3), normal(), normal(2))])
def block_diag(*arrs: Any) -> Any:
    blocks = [np.atleast_2d(as_array(a)) for a in arrs]
    if not blocks:
        return np.zeros((1, 0))
    rows = []
    for k, block in enumerate(blocks):
        before = sum(b.shape[-1] for b in blocks[:k])
        after = sum(b.shape[-1] for b in blocks[k + 1 :])
        rows.append(np.pad(block, ((0, 0), (before, after))))
    return np.concatenate(rows)
