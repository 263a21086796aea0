"""Decompositions of matrices: cholesky, eigh, svd, qr, eig.

NumPy reads one triangle of a symmetric (Hermitian) matrix, and so do the derivatives: that of an entry
which is not read is zero. Singular and eigenvectors of equal values have no derivative; a difference of
equal values is divided by only where something depends on it. The one difficulty is phases: rules give
the derivative in NumPy's normalisation for eig and qr, and one fixed choice for eigh and svd.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, general, linear
from wengert.primitives.products import conjugated
from wengert.primitives.samples import call, complex_normal, normal, positive_definite, well_conditioned
from wengert.primitives.shaping import as_array

GILES = (
    "M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic "
    "differentiation, in: Advances in Automatic Differentiation (2008)"
)

# ------------------------------------------------------------------------------------------- matrices


def dagger(x: Any) -> Any:
    """The conjugate transpose of each matrix of a stack."""
    return conjugated(x).mT


def matrices(a: Any) -> Any:
    """A matrix or a stack of them, or NumPy's error."""
    a = as_array(a)
    if a.ndim < 2:
        raise np.linalg.LinAlgError(
            f"{a.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    return a


def square(a: Any) -> Any:
    """A square matrix or a stack of them, or NumPy's error."""
    a = matrices(a)
    if a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return a


def _weights(n: int, dtype: Any, below: float, diagonal: float, above: float = 0.0) -> Any:
    """A square matrix of one number below the diagonal, one on it, one above it."""
    real = np.finfo(dtype).dtype
    ones = np.ones((n, n), real)
    return below * np.tril(ones, -1) + diagonal * np.eye(n, dtype=real) + above * np.triu(ones, 1)


def _triangle(a: Any, diagonal: float, lower: bool = True) -> Any:
    """The triangle of each matrix, its diagonal multiplied by a number."""
    weights = _weights(a.shape[-1], a.dtype, 1.0, diagonal)
    return a * (weights if lower else weights.T)


def _from_triangle(a: Any, *, lower: bool) -> Any:
    half = _triangle(a, 0.5, lower)
    return half + dagger(half)


from_triangle = linear(
    _from_triangle,
    name="from_triangle",
    operands=("a",),
    transpose=lambda adjoint, *, lower: _triangle(adjoint + dagger(adjoint), 0.5, lower),
    formula="the adjoint and its conjugate transpose added up, where the triangle was read",
    batch="leading",
    samples=[
        call(normal(3, 3), lower=True),
        call(normal(2, 3, 3), lower=False),
        call(complex_normal(3, 3), lower=True),
    ],
)


def _read_triangle(adjoint: Any, lower: bool) -> Any:
    """The adjoint of a matrix of which NumPy reads one triangle, given that of the Hermitian one."""
    return _triangle(adjoint + dagger(adjoint), 0.5, lower)


def _own_diagonal(a: Any) -> Any:
    return np.diagonal(a, 0, -2, -1)


def _reciprocals(differences: Any, *numerators: Any) -> Any:
    """1/x; zero for x = 0 where no numerator depends on it."""
    idle = differences == 0
    for numerator in numerators:
        idle = idle & (numerator == 0)
    return np.where(idle, 0, 1 / np.where(idle, 1, differences))


# ------------------------------------------------------------------------------------------- cholesky


def _cholesky_vjp(adjoint: Any, out: Any, *, upper: bool) -> Any:
    low, given = (dagger(out), dagger(adjoint)) if upper else (out, adjoint)
    inner = _triangle(low.mT @ given, 0.5)
    inverse = np.linalg.inv(low)
    full = inverse.mT @ inner @ conjugated(inverse)
    return _read_triangle(0.5 * (full + dagger(full)), not upper)


def _cholesky_jvp(tangent: Any, out: Any, *, upper: bool) -> Any:
    low = dagger(out) if upper else out
    inverse = np.linalg.inv(low)
    change = from_triangle(tangent, lower=not upper)
    moved = low @ _triangle(inverse @ change @ dagger(inverse), 0.5)
    return dagger(moved) if upper else moved


cholesky_factor = general(
    lambda a, *, upper: np.linalg.cholesky(a, upper=upper),
    name="cholesky_factor",
    operands=("a",),
    vjp=_cholesky_vjp,
    jvp=_cholesky_jvp,
    formula="d L = L tril(inv(L) da inv(L).H, half of the diagonal)",
    source="I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527 (2016)",
    batch="leading",
    samples=[
        call(positive_definite(3, 3), upper=False),
        call(positive_definite(2, 3, 3), upper=True),
        call(positive_definite(1, 1), upper=False),
        call(positive_definite(0, 0), upper=False),
    ],
)


@derived(np.linalg.cholesky, samples=[call(positive_definite(3, 3)), call(positive_definite(3, 3), upper=True)])
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return cholesky_factor(square(a), upper=bool(upper))


# ----------------------------------------------------------------------------------------------- eigh


def _is_lower(UPLO: str) -> bool:
    if str(UPLO).upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return str(UPLO).upper() == "L"


def _gaps(values: Any) -> Any:
    """values[j] - values[i] at (i, j)."""
    return values[..., None, :] - values[..., :, None]


def _eigh_vjp(adjoint: Any, out: Any, *, lower: bool) -> Any:
    values, vectors = out
    mixing = vectors.mT @ adjoint[1]
    gaps = _gaps(values)
    inner = mixing * _reciprocals(gaps, mixing, mixing.mT)
    inner = inner + adjoint[0][..., None] * np.eye(values.shape[-1], dtype=values.dtype)
    return _read_triangle(0.5 * _hermitian(conjugated(vectors) @ inner @ vectors.mT), lower)


def _hermitian(a: Any) -> Any:
    return a + dagger(a)


def _eigh_jvp(tangent: Any, out: Any, *, lower: bool) -> Any:
    values, vectors = out
    turned = dagger(vectors) @ from_triangle(tangent, lower=lower) @ vectors
    n = values.shape[-1]
    off = turned * (1 - np.eye(n, dtype=values.dtype))
    return np.real(_own_diagonal(turned)), vectors @ (off * _reciprocals(_gaps(values), off))


eigh_of = general(
    lambda a, *, lower: np.linalg.eigh(a, "L" if lower else "U"),
    name="eigh_of",
    operands=("a",),
    vjp=_eigh_vjp,
    jvp=_eigh_jvp,
    outputs=2,
    formula="d w = diag(V.H da V), d V = V (V.H da V / (w[j] - w[i]), zero where i = j)",
    source=GILES,
    batch="leading",
    samples=[
        call(positive_definite(3, 3), lower=True),
        call(positive_definite(2, 3, 3), lower=False),
        call(normal(1, 1), lower=True),
    ],
)


@derived(np.linalg.eigh, samples=[call(positive_definite(3, 3)), call(positive_definite(3, 3), "U")])
def eigh(a: Any, UPLO: str = "L") -> Any:
    return eigh_of(square(a), lower=_is_lower(UPLO))


def _eigvalsh_vjp(adjoint: Any, a: Any, *, lower: bool) -> Any:
    vectors = eigh_of(a, lower=lower)[1]
    return _read_triangle(conjugated(vectors) * adjoint[..., None, :] @ vectors.mT, lower)


def _eigvalsh_jvp(tangent: Any, a: Any, *, lower: bool) -> Any:
    vectors = eigh_of(a, lower=lower)[1]
    change = from_triangle(tangent, lower=lower)
    return np.real(np.sum(conjugated(vectors) * (change @ vectors), axis=-2))


eigvalsh_of = general(
    lambda a, *, lower: np.linalg.eigvalsh(a, "L" if lower else "U"),
    name="eigvalsh_of",
    operands=("a",),
    vjp=_eigvalsh_vjp,
    jvp=_eigvalsh_jvp,
    formula="d w = diag(V.H da V)",
    source=GILES,
    batch="leading",
    samples=[
        call(positive_definite(3, 3), lower=True),
        call(positive_definite(2, 3, 3), lower=False),
        call(complex_normal(3, 3), lower=True),
    ],
)


@derived(np.linalg.eigvalsh, samples=[call(positive_definite(3, 3)), call(complex_normal(3, 3), UPLO="U")])
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigvalsh_of(square(a), lower=_is_lower(UPLO))


# ------------------------------------------------------------------------------------------------ svd
#
# A reduced decomposition is u (..., m, k), s (..., k), v (..., n, k) with k = min(m, n). Of a full one the
# further columns of u or v are any basis of the rest; they turn as little as the others make them.


def _svd_inner(left: Any, right: Any, values: Any, s: Any) -> Any:
    """The adjoint of u.H da v, given u.H times that of u, v.H times that of v, and that of s."""
    squares = (s[..., None, :] - s[..., :, None]) * (s[..., None, :] + s[..., :, None])
    over = _reciprocals(squares, left, left.mT, right, right.mT)
    n = s.shape[-1]
    eye = np.eye(n, dtype=s.dtype)
    off = over * (1 - eye)
    inner = _antisymmetric(off * left) * s[..., None, :] + s[..., :, None] * _antisymmetric(off * right)
    inner = inner + values[..., None] * eye
    if left.dtype.kind == "c":  # the phase, which u and v share, is put into u
        turn = np.imag(_own_diagonal(left))
        inner = inner + 1j * (turn * _reciprocals(s, turn))[..., None] * eye
    return inner
