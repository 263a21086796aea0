"""Decompositions of matrices: eigh, svd, qr, eig; the Cholesky factor is in `cholesky.py`.

NumPy reads one triangle of a symmetric (Hermitian) matrix, and so do the derivatives: that of an entry
which is not read is zero. Singular and eigenvectors of equal values have no derivative; a difference of
equal values is divided by only where something depends on it. The one difficulty is phases: rules give
the derivative in NumPy's normalisation for eig and qr, and one fixed choice for eigh and svd.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.family import derived, general, linear
from wengert.primitives.products import conjugated
from wengert.primitives.samples import (
    call,
    complex_normal,
    normal,
    positive_definite,
    well_conditioned,
)
from wengert.primitives.shaping import as_array
from wengert.primitives.triangular import GILES, solve_triangular, triangle

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


def _from_triangle(a: Any, *, lower: bool) -> Any:
    return _hermitian(triangle(a, 0.5, lower=lower))


def _read_triangle(adjoint: Any, *, lower: bool) -> Any:
    """The adjoint of a matrix of which one triangle is read, given that of the Hermitian matrix."""
    return triangle(_hermitian(adjoint), 0.5, lower=lower)


def _hermitian(a: Any) -> Any:
    return a + dagger(a)


from_triangle = linear(
    _from_triangle,
    name="from_triangle",
    operands=("a",),
    transpose=_read_triangle,
    formula="the adjoint and its conjugate transpose added up, where the triangle was read",
    batch="leading",
    samples=[
        call(normal(3, 3), lower=True),
        call(normal(2, 3, 3), lower=False),
        call(complex_normal(3, 3), lower=True),
    ],
)


def _own_diagonal(a: Any) -> Any:
    return np.diagonal(a, 0, -2, -1)


def _off_diagonal(a: Any) -> Any:
    return a * (1 - np.eye(a.shape[-1], dtype=np.finfo(a.dtype).dtype))


def _as_diagonal(a: Any) -> Any:
    """Vectors as diagonal matrices."""
    return a[..., None] * np.eye(a.shape[-1], dtype=np.finfo(a.dtype).dtype)


def _reciprocals(differences: Any, *numerators: Any) -> Any:
    """1/x; zero for x = 0 where no numerator depends on it."""
    idle = differences == 0
    for numerator in numerators:
        idle = np.logical_and(idle, numerator == 0)
    return np.where(idle, 0, 1 / np.where(idle, 1, differences))


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
    mixing = _off_diagonal(vectors.mT @ adjoint[1])
    mixing = mixing * _reciprocals(_gaps(values), mixing, mixing.mT)
    inner = mixing + _as_diagonal(adjoint[0])
    return _read_triangle(conjugated(vectors) @ inner @ vectors.mT, lower=lower)


def _eigh_jvp(tangent: Any, out: Any, *, lower: bool) -> Any:
    values, vectors = out
    turned = dagger(vectors) @ from_triangle(tangent, lower=lower) @ vectors
    off = _off_diagonal(turned)
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
        call(
            normal(1, 1), lower=True
        ),  # complex ones, whose phases are LAPACK's: test_decompositions.py
    ],
)


@derived(
    np.linalg.eigh, samples=[call(positive_definite(3, 3)), call(positive_definite(3, 3), "U")]
)
def eigh(a: Any, UPLO: str = "L") -> Any:
    return eigh_of(square(a), lower=_is_lower(UPLO))


def _eigvalsh_vjp(adjoint: Any, a: Any, *, lower: bool) -> Any:
    vectors = eigh_of(a, lower=lower)[1]
    return _read_triangle(conjugated(vectors) * adjoint[..., None, :] @ vectors.mT, lower=lower)


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


@derived(
    np.linalg.eigvalsh,
    samples=[call(positive_definite(3, 3)), call(complex_normal(3, 3), UPLO="U")],
)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigvalsh_of(square(a), lower=_is_lower(UPLO))


# ------------------------------------------------------------------------------------------------ svd
#
# A reduced decomposition is u (..., m, k), s (..., k), vh (..., k, n) with k = min(m, n). Of a full one the
# further columns of u, or rows of vh, are any basis of the rest: they turn as little as the others allow.


def _svd_inner(left: Any, right: Any, own: Any, s: Any) -> Any:
    """The adjoint of u.H da v, given that of s, and u.T, v.T times the adjoints of u, v."""
    row, column = s[..., None, :], s[..., :, None]
    turned1, turned2 = _off_diagonal(left), _off_diagonal(right)
    numerators = (turned1, turned1.mT, turned2, turned2.mT)
    over = _reciprocals((row - column) * (row + column), *numerators)
    inner = (
        _hermitian(over * turned1) * row + column * _hermitian(over * turned2) + _as_diagonal(own)
    )
    if left.dtype.kind == "c":  # the phase, which u and v share, is put into u
        turn = np.imag(_own_diagonal(left))
        inner = inner + 1j * _as_diagonal(turn * _reciprocals(s, turn))
    return inner


def _svd_vjp(adjoint: Any, out: Any, *, full_matrices: bool) -> Any:
    s, k = out[1], out[1].shape[-1]
    u, v, given_u, given_v = out[0], dagger(out[2]), adjoint[0], dagger(adjoint[2])
    u1, v1 = u[..., :k], v[..., :k]
    left, right = u1.mT @ given_u[..., :k], v1.mT @ given_v[..., :k]
    part = conjugated(u1) @ _svd_inner(left, right, adjoint[1], s) @ v1.mT
    if u.shape[-2] > k:
        part = part + _svd_outside(u, given_u, left, s) @ v1.mT
    if v.shape[-2] > k:
        part = part + conjugated(u1) @ dagger(_svd_outside(v, given_v, right, s))
    return part


def _svd_outside(u: Any, given: Any, left: Any, s: Any) -> Any:
    """What the columns of u and their complement add to the adjoint, before it meets v.T."""
    k = s.shape[-1]
    out = given[..., :k] - conjugated(u[..., :k]) @ left
    if u.shape[-1] > k:
        out = out - conjugated(u[..., k:]) @ (dagger(given[..., k:]) @ conjugated(u[..., :k]))
    return out * _reciprocals(s[..., None, :], np.max(np.abs(out), axis=-2, keepdims=True))


def _svd_jvp(tangent: Any, out: Any, *, full_matrices: bool) -> Any:
    s, k = out[1], out[1].shape[-1]
    u, v = out[0], dagger(out[2])
    u1, v1 = u[..., :k], v[..., :k]
    inner = dagger(u1) @ tangent @ v1
    row, column = s[..., None, :], s[..., :, None]
    turn1 = _off_diagonal(inner * row + column * dagger(inner))
    turn2 = _off_diagonal(column * inner + row * dagger(inner))
    over = _reciprocals((row - column) * (row + column), turn1, turn2)
    turn1, turn2 = over * turn1, over * turn2
    if inner.dtype.kind == "c":
        phase = np.imag(_own_diagonal(inner))
        turn1 = turn1 + 1j * _as_diagonal(phase * _reciprocals(s, phase))
    du = _svd_turned(u, turn1, tangent @ v1 - u1 @ inner, s)
    dv = _svd_turned(v, turn2, dagger(tangent) @ u1 - v1 @ dagger(inner), s)
    return du, np.real(_own_diagonal(inner)), dagger(dv)


def _svd_turned(u: Any, turn: Any, outside: Any, s: Any) -> Any:
    """The tangent of u, given the rotation among its columns and the pull out of their span."""
    k = s.shape[-1]
    u1 = u[..., :k]
    if u.shape[-2] == k:
        return u1 @ turn
    outside = outside * _reciprocals(
        s[..., None, :], np.max(np.abs(outside), axis=-2, keepdims=True)
    )
    du = u1 @ turn + outside
    if u.shape[-1] == k:
        return du
    return np.concatenate([du, -u1 @ (dagger(outside) @ u[..., k:])], axis=-1)


_WAN = "Z.-Q. Wan and S.-X. Zhang, Automatic differentiation for complex valued SVD, arXiv:1909.02659 (2019)"

svd_of = general(
    lambda a, *, full_matrices: np.linalg.svd(a, full_matrices=full_matrices),
    name="svd_of",
    operands=("a",),
    vjp=_svd_vjp,
    jvp=_svd_jvp,
    outputs=3,
    formula="with P = u.H da v: d s = diag(P), d u = u ((P s + s P.H) / (s[j]**2 - s[i]**2)) + ...",
    source=_WAN,
    batch="leading",
    samples=[
        call(well_conditioned(3, 3), full_matrices=False),
        call(normal(4, 2), full_matrices=False),
        call(normal(2, 2, 3), full_matrices=False),
    ],
)


def _svdvals_vjp(adjoint: Any, a: Any, out: Any) -> Any:
    u, _, vh = svd_of(a, full_matrices=False)
    return conjugated(u) * _above_zero(adjoint, out)[..., None, :] @ conjugated(vh)


def _svdvals_jvp(tangent: Any, a: Any, out: Any) -> Any:
    u, _, vh = svd_of(a, full_matrices=False)
    change = np.real(np.sum(conjugated(u) * (tangent @ dagger(vh)), axis=-2))
    return _above_zero(change, out)


def _above_zero(change: Any, s: Any) -> Any:
    """A singular value has a kink at zero, as abs has: its derivative there is zero."""
    return np.where(s == 0, 0, change)


svdvals_of = general(
    lambda a: np.linalg.svd(a, compute_uv=False),
    name="svdvals_of",
    operands=("a",),
    vjp=_svdvals_vjp,
    jvp=_svdvals_jvp,
    formula="d s = diag(u.H da v)",
    source=GILES,
    kinks={0.0: 0.0},
    batch="leading",
    samples=[call(normal(3, 2)), call(normal(2, 2, 3)), call(complex_normal(3, 3))],
)

_SVDResult = type(np.linalg.svd(np.ones((1, 1))))  # NumPy's named tuple


@derived(
    np.linalg.svd,
    samples=[
        call(well_conditioned(3, 3)),
        call(normal(3, 2), full_matrices=False),
        call(normal(2, 3), compute_uv=False),
        call(well_conditioned(3, 3), hermitian=True),
        call(well_conditioned(2, 3, 3), compute_uv=False, hermitian=True),
    ],
)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    a = matrices(a)
    if hermitian:
        return _svd_of_hermitian(square(a), compute_uv)
    if not compute_uv:
        return svdvals_of(a)
    return svd_of(a, full_matrices=bool(full_matrices) and a.shape[-1] != a.shape[-2])


def _svd_of_hermitian(a: Any, compute_uv: bool) -> Any:
    if not compute_uv:
        return np.sort(np.abs(np.linalg.eigvalsh(a)), axis=-1)[..., ::-1]
    values, vectors = np.linalg.eigh(a)
    order = np.argsort(np.abs(values), axis=-1)[..., ::-1]
    values = np.take_along_axis(values, order, axis=-1)
    u = np.take_along_axis(vectors, order[..., None, :], axis=-1)
    sign = np.where(np.signbit(values), -1.0, 1.0).astype(values.dtype)  # -0.0 too
    return _SVDResult(u, np.abs(values), dagger(u * sign[..., None, :]))


@derived(np.linalg.svdvals, samples=[call(normal(3, 2)), call(normal(2, 2, 2))])
def svdvals(x: Any, /) -> Any:
    return svdvals_of(matrices(x))


# ------------------------------------------------------------------------------------------------- qr
#
# a = q r with k = min(m, n) rows in r, or m where `complete`. The first k columns of a and r determine q; the
# further columns of r, where a is wide, are q.H times those of a.


def _upper(a: Any) -> Any:
    return a * np.tri(*a.shape[-2:][::-1], dtype=np.finfo(a.dtype).dtype).T


def _strictly_lower(a: Any) -> Any:
    return triangle(a, 0.0, lower=True)


def _phase(a: Any) -> Any:
    """The imaginary diagonal: r has a real one, so the phase of a column goes into q."""
    return 1j * _as_diagonal(np.imag(_own_diagonal(a))) if a.dtype.kind == "c" else 0


def _qr_vjp(adjoint: Any, out: Any, *, complete: bool) -> Any:
    k = min(out[0].shape[-2], out[1].shape[-1])
    q, r = out[0][..., :k], out[1][..., :k, :k]
    given_q, given_r = adjoint[0][..., :k], _upper(adjoint[1][..., :k, :])
    given_r, given_rest = given_r[..., :k], given_r[..., k:]
    rest = out[1][..., :k, k:]
    if rest.shape[-1]:
        given_q = given_q + conjugated(q) @ (conjugated(rest) @ dagger(given_rest))
    scaled, turned = given_r @ r.mT, q.mT @ given_q
    excess = turned - scaled
    inner = _strictly_lower(excess - dagger(excess)) + _phase(excess) + scaled - turned
    part = given_q + conjugated(q) @ inner
    if out[0].shape[-1] > k:
        others = out[0][..., k:]
        part = part - conjugated(others) @ (dagger(adjoint[0][..., k:]) @ conjugated(q))
    part = solve_triangular(r, part.mT, lower=False, unit_diagonal=False).mT
    if not rest.shape[-1]:
        return part
    return np.concatenate([part, conjugated(q) @ given_rest], axis=-1)


def _qr_jvp(tangent: Any, out: Any, *, complete: bool) -> Any:
    k = min(out[0].shape[-2], out[1].shape[-1])
    q, r, rest = out[0][..., :k], out[1][..., :k, :k], out[1][..., :k, k:]
    moved = solve_triangular(r.mT, tangent[..., :k].mT, lower=True, unit_diagonal=False).mT
    inner = dagger(q) @ moved
    below = _strictly_lower(inner)
    turn = below - dagger(below) + _phase(inner)
    dq = q @ turn + moved - q @ inner
    dr = _upper((inner - turn) @ r)
    if rest.shape[-1]:
        change = dagger(dq) @ (q @ rest) + dagger(q) @ tangent[..., k:]
        return dq, np.concatenate([dr, change], axis=-1)
    if out[0].shape[-1] == k:
        return dq, dr
    others = out[0][..., k:]
    dq = np.concatenate([dq, -q @ (dagger(moved) @ others)], axis=-1)
    below = np.zeros((*dr.shape[:-2], out[1].shape[-2] - k, dr.shape[-1]), dr.dtype)
    return dq, np.concatenate([dr, below], axis=-2)


qr_of = general(
    lambda a, *, complete: np.linalg.qr(a, "complete" if complete else "reduced"),
    name="qr_of",
    operands=("a",),
    vjp=_qr_vjp,
    jvp=_qr_jvp,
    outputs=2,
    formula="with W = q.H da inv(r): d r = (W - O) r, d q = q O + (1 - q q.H) da inv(r), O = tril(W) - tril(W).H",
    source=(
        "S. F. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions, "
        "arXiv:1001.1654 (2010)"
    ),
    batch="leading",
    samples=[
        call(well_conditioned(3, 3), complete=False),
        call(normal(4, 2), complete=False),
        call(normal(2, 2, 4), complete=False),
        call(complex_normal(3, 2), complete=False),
        call(complex_normal(3, 3), complete=False),
        call(complex_normal(2, 3), complete=False),
    ],
)


@derived(
    np.linalg.qr,
    samples=[call(normal(3, 2)), call(normal(2, 3), mode="complete"), call(normal(4, 3), "r")],
)
def qr(a: Any, mode: str = "reduced") -> Any:
    a = matrices(a)
    if mode == "raw":
        raise UnsupportedFunctionError(
            "numpy.linalg.qr with mode='raw' returns Householder reflectors, which have no rule.",
            "Use mode='reduced' or mode='complete'.",
        )
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    out = qr_of(a, complete=mode == "complete" and a.shape[-2] > a.shape[-1])
    return out[1] if mode == "r" else out


# ------------------------------------------------------------------------------------------------ eig
#
# NumPy's eigenvectors have length one and, where complex, a real largest component. Rules keep to that, so
# that derivatives of the vectors are those of what NumPy returns; functions of the values are holomorphic.


def _largest(vectors: Any) -> Any:
    """One in each column: at the component that NumPy's normalisation made real."""
    size = np.where(np.imag(vectors) == 0, np.abs(vectors), -1)
    chosen = np.argmax(size, axis=-2)
    return np.arange(vectors.shape[-2])[:, None] == chosen[..., None, :]


def _eig_vjp(adjoint: Any, out: Any) -> Any:
    values, vectors = out
    given = adjoint[1]
    along = np.sum(given * vectors, axis=-2, keepdims=True)
    given = given - np.real(along) * conjugated(vectors)
    if vectors.dtype.kind == "c":
        largest = _largest(vectors)
        size = np.real(np.sum(np.where(largest, vectors, 0), axis=-2, keepdims=True))
        given = given - 1j * np.where(largest, np.imag(along) / size, 0)
    mixing = _off_diagonal(vectors.mT @ given)
    inner = mixing * _reciprocals(_gaps(values), mixing) + _as_diagonal(adjoint[0])
    return np.linalg.solve(vectors.mT, inner @ vectors.mT)


def _eig_jvp(tangent: Any, out: Any) -> Any:
    values, vectors = out
    turned = np.linalg.solve(vectors, tangent @ vectors)
    off = _off_diagonal(turned)
    change = vectors @ (off * _reciprocals(_gaps(values), off))
    scale = -np.real(np.sum(conjugated(vectors) * change, axis=-2, keepdims=True))
    if vectors.dtype.kind == "c":
        largest = _largest(vectors)
        size = np.real(np.sum(np.where(largest, vectors, 0), axis=-2, keepdims=True))
        turn = np.imag(np.sum(np.where(largest, change, 0), axis=-2, keepdims=True))
        scale = scale - 1j * turn / size
    return _own_diagonal(turned), change + vectors * scale


eig = general(
    np.linalg.eig,
    operands=("a",),
    vjp=_eig_vjp,
    jvp=_eig_jvp,
    outputs=2,
    formula="d w = diag(inv(V) da V), d V = V (inv(V) da V / (w[j] - w[i]), zero where i = j), normalised again",
    source=GILES,
    batch="leading",
    samples=[
        # LAPACK may turn the sign of a complex vector at any time: those are in test_decompositions.py.
        call(well_conditioned(3, 3)),
        call(well_conditioned(2, 3, 3)),
    ],
)


@derived(np.linalg.eigvals, samples=[call(well_conditioned(3, 3)), call(complex_normal(2, 2, 2))])
def eigvals(a: Any) -> Any:
    return eig(square(a))[0]
