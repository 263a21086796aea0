"""Decompositions: complex matrices up to their phases, the triangle that is read, equal values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg

RNG_SEED = 11


def complex_matrix(*shape: int) -> Any:
    rng = np.random.default_rng(RNG_SEED)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def hermitian(a: Any) -> Any:
    return a + np.conjugate(a).mT


TABLE = np.random.default_rng(1).standard_normal((4, 4))


def weights(*shape: int) -> Any:
    """Fixed numbers; sliced from a table, so that they can be used inside a traced function."""
    return (
        TABLE[tuple(slice(n) for n in shape)]
        if len(shape) == 2
        else TABLE.ravel()[: np.prod(shape)]
    )


# --------------------------------------------------------------------- complex, whatever the phases


def eigh_without_phase(a: Any, uplo: str = "L") -> Any:
    values, vectors = np.linalg.eigh(a, uplo)
    return vectors @ ((values**3 + 1)[..., None] * np.conjugate(vectors).mT), np.abs(vectors) ** 2


@pytest.mark.parametrize("uplo", ["L", "U"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3)])
def test_eigh_of_complex_matrices(shape: Any, uplo: str) -> None:
    wg.check_grads(lambda a: eigh_without_phase(a, uplo), (complex_matrix(*shape),), order=2)


def test_eigh_takes_a_function_of_a_matrix_to_its_matrix_derivative() -> None:
    a = hermitian(complex_matrix(3, 3))
    found = wg.grad(lambda a: np.real(np.sum(weights(3, 3) * eigh_without_phase(hermitian(a))[0])))(
        a / 2
    )
    cube = wg.grad(
        lambda a: np.real(np.sum(weights(3, 3) * np.linalg.matrix_power(hermitian(a), 3)))
    )(a / 2)
    assert_allclose(found, cube, rtol=1e-9)


def svd_without_phase(a: Any, full: bool) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=full)
    k = s.shape[-1]
    u1, v1 = u[..., :k], vh[..., :k, :]
    rest = np.abs(u[..., k:] @ np.conjugate(u[..., k:]).mT) if full and a.shape[-2] > k else s
    other = np.conjugate(vh[..., k:, :]).mT @ vh[..., k:, :] if full and a.shape[-1] > k else s
    return (u1 * np.sqrt(s)[..., None, :]) @ v1, np.abs(u1) ** 2, np.abs(v1), rest, np.real(other)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_svd_of_every_shape_up_to_phases(shape: Any, full: bool, kind: str) -> None:
    a = complex_matrix(*shape)
    wg.check_grads(
        lambda a: svd_without_phase(a, full), (a if kind == "complex" else np.real(a),), order=2
    )


def test_singular_values_of_complex_matrices_alone() -> None:
    a = complex_matrix(3, 4)
    wg.check_grads(np.linalg.svdvals, (a,), order=2)
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    found = wg.grad(lambda a: np.linalg.norm(a, "nuc"))(a)
    assert_allclose(found, np.conjugate(u @ vh), rtol=1e-10)


@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3)])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_qr_of_every_shape_and_mode(shape: Any, mode: str, kind: str) -> None:
    def f(a: Any) -> Any:
        if mode == "r":
            return np.linalg.qr(a, mode)
        q, r = np.linalg.qr(a, mode)
        k = min(a.shape[-2:])
        return q[..., :k], r, q[..., k:] @ np.conjugate(q[..., k:]).mT

    a = complex_matrix(*shape)
    wg.check_grads(f, (a if kind == "complex" else np.real(a),), order=2)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_eig_of_matrices_with_complex_eigenvalues(kind: str) -> None:
    turning = np.array([[0.2, 2.0, 0.1], [-2.0, 0.3, 0.4], [0.5, 0.2, 1.0]])
    a = complex_matrix(3, 3) if kind == "complex" else turning
    assert np.linalg.eig(a)[0].dtype.kind == "c"

    def f(a: Any) -> Any:  # no sign: LAPACK may turn it
        values, vectors = np.linalg.eig(a)
        return values, vectors * vectors, np.abs(vectors)

    wg.check_grads(f, (a,), order=2)


def test_eigenvalues_are_holomorphic_functions_of_a_matrix() -> None:
    a = complex_matrix(3, 3)
    found = wg.grad(lambda a: np.sum(np.linalg.eigvals(a) ** 2), holomorphic=True)(a)
    assert_allclose(found, 2 * a.T, rtol=1e-9)


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_of_complex_matrices(upper: bool) -> None:
    a = complex_matrix(3, 3)
    a = a @ np.conjugate(a).T + np.eye(3)
    wg.check_grads(lambda a: np.linalg.cholesky(a, upper=upper), (a,), order=2)


# ------------------------------------------------------------------------ the triangle that is read


@pytest.mark.parametrize(
    ("f", "kept"),
    [
        (np.linalg.cholesky, np.tril),
        (lambda a: np.linalg.cholesky(a, upper=True), np.triu),
        (np.linalg.eigvalsh, np.tril),
        (lambda a: np.linalg.eigh(a, "U")[1] ** 2, np.triu),
        (lambda a: np.linalg.pinv(a, hermitian=True), np.tril),
        (lambda a: np.linalg.svd(a, compute_uv=False, hermitian=True), np.tril),
    ],
)
def test_entries_that_numpy_does_not_read_have_derivative_zero(f: Any, kept: Any) -> None:
    a = weights(3, 3) @ weights(3, 3).T + np.diag([1.0, 2.0, 4.0])
    found = wg.grad(lambda a: np.sum(f(a) * weights(*np.shape(f(a)))))(a)
    assert_array_equal(found, kept(found))


# ------------------------------------------------------------------------------------- equal values

EQUAL_PAIR = np.diag([1.0, 1.0, 3.0])


def test_an_eigenvector_beside_an_equal_pair_is_finite_and_right() -> None:
    def f(a: Any) -> Any:
        return np.sum(weights(3) * np.linalg.eigh(a)[1][:, 2] ** 2)

    found = wg.grad(f)(EQUAL_PAIR)
    apart = wg.grad(f)(np.diag([1.0, 1.0 + 1e-7, 3.0]))
    assert np.all(np.isfinite(found))
    assert_allclose(found, apart, atol=1e-6)
    tangent = hermitian(weights(3, 3))
    moved = wg.jvp(f, (EQUAL_PAIR,), (tangent,))[1]
    assert_allclose(moved, np.sum(np.tril(tangent) * found), atol=1e-12)


def test_second_derivative_of_an_eigenvalue_beside_an_equal_pair() -> None:
    # Perturbation theory: w + t*dA has the top eigenvalue 3 + t*d22 + t**2 * sum(d2k**2 / (3 - 1)).
    tangent = hermitian(weights(3, 3))
    top = lambda t: np.linalg.eigvalsh(EQUAL_PAIR + t * tangent)[2]  # noqa: E731
    assert_allclose(wg.grad(wg.grad(top))(0.0), np.sum(tangent[2, :2] ** 2), rtol=1e-10)


def test_functions_of_eigenvalues_alone_have_gradients_at_equal_values() -> None:
    assert_allclose(wg.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(np.eye(3)), 2 * np.eye(3))
    assert_allclose(wg.grad(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2))(np.eye(3)), 2 * np.eye(3))


def test_eigenvectors_that_the_result_mixes_give_nan_rather_than_a_wrong_number() -> None:
    found = wg.grad(lambda a: np.sum(weights(3) * np.linalg.eigh(a)[1][:, 0]))(EQUAL_PAIR)
    assert not np.all(np.isfinite(found))


def test_svd_with_equal_singular_values_that_are_not_mixed() -> None:
    a = np.diag([3.0, 1.0, 1.0])

    def f(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a)
        return np.sum(weights(3) * u[:, 0] * vh[0]) + np.sum(s)

    found = wg.grad(f)(a)
    assert np.all(np.isfinite(found))
    assert_allclose(found, wg.grad(f)(np.diag([3.0, 1.0 + 1e-7, 1.0])), atol=1e-6)


def test_svd_of_a_matrix_of_low_rank_keeps_the_derivative_of_its_first_vectors() -> None:
    a = np.outer([1.0, 2.0, 2.0], [3.0, 4.0])
    found = wg.grad(lambda a: np.linalg.svd(a, full_matrices=False)[1][0])(a)
    assert_allclose(found, np.outer([1.0, 2.0, 2.0], [3.0, 4.0]) / 15, rtol=1e-12)


def test_eig_with_an_equal_pair_that_is_not_mixed() -> None:
    def f(a: Any) -> Any:  # from NumPy 2.5 on the vectors are always complex
        return np.sum(weights(3) * np.real(np.linalg.eig(a)[1][:, 2]) ** 2)

    found = wg.grad(f)(EQUAL_PAIR)
    assert np.all(np.isfinite(found))


# ---------------------------------------------------------------------------------- forms and kinds


def test_results_are_numpys_named_tuples() -> None:
    def f(a: Any) -> Any:
        b = a @ a.T
        total = np.linalg.eigh(b).eigenvalues[0] + np.linalg.svd(a).S[0] + np.linalg.qr(a).R[0, 0]
        return total + np.linalg.svd(b, hermitian=True).U[0, 0] + np.linalg.slogdet(a).logabsdet

    assert np.all(np.isfinite(wg.grad(f)(weights(3, 3))))


def test_vmap_of_the_gradient_of_decompositions_agrees_with_a_loop() -> None:
    a = np.random.default_rng(2).standard_normal((3, 2, 2)) + 2 * np.eye(2)

    def f(a: Any) -> Any:
        low = np.linalg.cholesky(a @ a.mT + np.eye(2))
        return (
            np.sum(low)
            + np.linalg.eigh(a)[1][0, 0] ** 2
            + np.linalg.svd(a)[1][0]
            + np.linalg.qr(a)[1][0, 1]
        )

    assert_allclose(wg.vmap(wg.grad(f))(a), np.stack([wg.grad(f)(k) for k in a]), rtol=1e-10)


def test_raw_qr_is_refused_by_name() -> None:
    with pytest.raises(wg.errors.UnsupportedFunctionError, match="raw"):
        wg.grad(lambda a: np.sum(np.linalg.qr(a, "raw")[0]))(np.eye(2))
