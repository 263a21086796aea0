"""Linear systems, determinants and norms: singular cases, kinks, errors, several outputs, vmap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg

SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]])


def adjugate(a: Any) -> Any:
    """By minors: independent of any decomposition."""
    n = len(a)
    out = np.empty((n, n), a.dtype)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(a, i, 0), j, 1)
            out[j, i] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


def test_det_has_its_cofactors_as_gradient_at_a_singular_matrix() -> None:
    assert np.linalg.det(SINGULAR) == 0
    assert_allclose(wg.grad(np.linalg.det)(SINGULAR), adjugate(SINGULAR).T, atol=1e-13)


def test_det_has_its_cofactors_as_gradient_where_its_rank_is_lower_by_two() -> None:
    assert_array_equal(wg.grad(np.linalg.det)(np.zeros((2, 2))), np.zeros((2, 2)))
    assert_allclose(wg.grad(np.linalg.det)(np.zeros((1, 1))), np.ones((1, 1)))


@pytest.mark.parametrize("a", [SINGULAR, np.zeros((2, 2)), np.diag([1.0, 0.0, 0.0])])
def test_second_derivative_of_det_is_right_at_singular_matrices(a: Any) -> None:
    rng = np.random.default_rng(3)
    t = rng.standard_normal(a.shape)
    found = wg.jvp(wg.grad(np.linalg.det), (a,), (t,))[1]
    step = (
        1e-4  # the cofactors are polynomials of degree at most two: central differences are exact
    )
    expected = (adjugate(a + step * t) - adjugate(a - step * t)).T / (2 * step) if len(a) > 1 else 0
    assert_allclose(found, expected, atol=1e-9)


def test_det_of_a_stack_with_one_singular_matrix() -> None:
    stack = np.stack([SINGULAR, np.eye(3) + 0.1 * SINGULAR])
    found = wg.grad(lambda a: np.sum(np.linalg.det(a)))(stack)
    for part, a in zip(found, stack, strict=True):
        assert_allclose(part, adjugate(a).T, atol=1e-13)


def test_gradient_of_slogdet_at_a_singular_matrix_is_numpys_error() -> None:
    with np.errstate(divide="ignore"):
        assert np.linalg.slogdet(SINGULAR)[1] == -np.inf
    with pytest.raises(np.linalg.LinAlgError):
        wg.grad(lambda a: np.linalg.slogdet(a)[1])(SINGULAR)


def test_gradient_of_slogdet_is_the_inverse_transposed() -> None:
    a = np.random.default_rng(0).standard_normal((4, 4))
    assert_allclose(
        wg.grad(lambda a: np.linalg.slogdet(a).logabsdet)(a), np.linalg.inv(a).T, rtol=1e-10
    )


# ------------------------------------------------------------------------------------ least squares


@pytest.mark.parametrize("shape", [(6, 3), (3, 3), (2, 4)])
def test_every_floating_output_of_lstsq_has_its_derivative(shape: Any) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal(shape), rng.standard_normal((shape[0], 2))
    for position in (0, 1, 3):
        wg.check_grads(lambda a, b, k=position: np.linalg.lstsq(a, b)[k], (a, b), order=2)


def test_lstsq_returns_numpys_rank_and_empty_residuals() -> None:
    def f(a: Any, b: Any) -> Any:
        x, residuals, rank, s = np.linalg.lstsq(a, b)
        seen.append((residuals.shape, int(rank)))
        return np.sum(x) + np.sum(s)

    seen: list[Any] = []
    low = np.outer([1.0, 2.0, 3.0], [1.0, 1.0])
    wg.grad(f)(low, np.ones(3))
    expected = np.linalg.lstsq(low, np.ones(3))
    assert seen == [(expected[1].shape, int(expected[2]))]


def test_lstsq_of_low_rank_differentiates_by_its_right_hand_side() -> None:
    low = np.outer([1.0, 2.0, 3.0], [1.0, 1.0])
    jacobian = wg.jacobian(lambda b: np.linalg.lstsq(low, b)[0])(np.ones(3))
    assert_allclose(jacobian, np.linalg.pinv(low), atol=1e-14)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)])
def test_vmap_of_lstsq_agrees_with_a_loop(axes: Any) -> None:
    rng = np.random.default_rng(2)
    a = rng.standard_normal((3, 5, 2) if axes[0] == 0 else (5, 2))
    b = rng.standard_normal((3, 5) if axes[1] == 0 else 5)

    def f(a: Any, b: Any) -> Any:
        x, residuals, _, s = np.linalg.lstsq(a, b)
        return x, residuals, s

    found = wg.vmap(f, in_axes=axes)(a, b)
    loop = [f(a[k] if axes[0] == 0 else a, b[k] if axes[1] == 0 else b) for k in range(3)]
    for part, expected in zip(found, zip(*loop, strict=True), strict=True):
        assert_allclose(part, np.stack(expected), rtol=1e-10)


# ------------------------------------------------------------------------------------ norms at zero


@pytest.mark.parametrize("ord", [None, 1, 2, 3, 0.5, np.inf, -np.inf, -1])
def test_vector_norm_at_zero_has_derivative_zero(ord: Any) -> None:
    zero = np.zeros(3)
    with np.errstate(divide="ignore"):
        assert_array_equal(wg.grad(lambda x: np.linalg.norm(x, ord))(zero), zero)
        assert wg.jvp(lambda x: np.linalg.norm(x, ord), (zero,), (np.ones(3),))[1] == 0


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_matrix_norm_at_zero_has_derivative_zero(ord: Any) -> None:
    zero = np.zeros((2, 3))
    assert_array_equal(wg.grad(lambda x: np.linalg.norm(x, ord))(zero), zero)


def test_norm_of_order_one_takes_no_part_in_elements_that_are_zero() -> None:
    assert_array_equal(wg.grad(lambda x: np.linalg.norm(x, 1))(np.array([0.0, -2.0])), [0.0, -1.0])


def test_gaussian_of_a_norm_is_flat_at_its_top() -> None:
    assert_array_equal(
        wg.grad(lambda x: np.exp(-(np.linalg.norm(x) ** 2)))(np.zeros(2)), np.zeros(2)
    )


def test_largest_elements_share_the_derivative_of_the_maximum_norm() -> None:
    found = wg.grad(lambda x: np.linalg.norm(x, np.inf))(np.array([2.0, -2.0, 1.0]))
    assert_array_equal(found, [0.5, -0.5, 0.0])


def test_rows_of_norm_zero_leave_the_others_right() -> None:
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    found = wg.grad(lambda x: np.sum(np.linalg.norm(x, axis=1)))(x)
    assert_allclose(found, [[0.6, 0.8], [0.0, 0.0]])


# ------------------------------------------------------------------------------- errors, as NumPy's


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (np.linalg.inv, (2, 3)),
        (np.linalg.inv, (3,)),
        (np.linalg.det, (2, 3)),
        (lambda a: np.linalg.solve(a, np.ones(3)), (3, 2)),
        (lambda a: np.linalg.solve(a, np.ones(3)), (2, 2)),
        (lambda a: np.linalg.matrix_power(a, 1.5), (2, 2)),
        (lambda a: np.linalg.matrix_power(a, 2), (2, 3)),
        (lambda a: np.linalg.norm(a, 3), (2, 2)),
        (lambda a: np.linalg.norm(a, "nuc"), (3,)),
        (lambda a: np.linalg.norm(a, axis=5), (2, 2)),
        (lambda a: np.linalg.norm(a, axis=(0, 0)), (2, 2)),
        (lambda a: np.linalg.norm(a, axis="x"), (2, 2)),
        (lambda a: np.linalg.norm(a, 2), (2, 2, 2)),
        (lambda a: np.linalg.cond(a), (0, 2)),
        (lambda a: np.linalg.cond(a, 1), (2, 3)),
        (lambda a: np.linalg.tensorinv(a, 0), (2, 2)),
        (lambda a: np.linalg.tensorsolve(a, np.ones(2)), (2, 3)),
        (lambda a: np.linalg.multi_dot([a]), (2, 2)),
        (lambda a: np.linalg.multi_dot([a, a, a, a]), (2, 2, 2)),
        (lambda a: np.linalg.lstsq(a, np.ones(4)), (3, 2)),
        (lambda a: np.linalg.lstsq(a, np.ones(4)), (3,)),
        (lambda a: np.linalg.pinv(a, 1e-3, rtol=1e-3), (3, 2)),
        (lambda a: np.linalg.cholesky(-a @ a.T), (2, 2)),
        (np.linalg.cholesky, (2, 3)),
        (np.linalg.eigh, (2, 3)),
        (lambda a: np.linalg.eigh(a, "X"), (2, 2)),
        (np.linalg.svd, (3,)),
        (lambda a: np.linalg.qr(a, "other"), (3, 2)),
    ],
)
def test_arguments_that_numpy_refuses_are_refused_with_its_kind_of_error(
    f: Any, shape: Any
) -> None:
    a = np.random.default_rng(0).standard_normal(shape)
    with pytest.raises(Exception) as numpys:  # noqa: PT011 (whichever NumPy raises)
        f(a)
    with pytest.raises(type(numpys.value)):
        wg.jvp(f, (a,), (a,))


def test_singular_systems_raise_numpys_error() -> None:
    for f in (np.linalg.inv, lambda a: np.linalg.solve(a, np.ones(2))):
        with pytest.raises(np.linalg.LinAlgError):
            wg.jvp(f, (np.ones((2, 2)),), (np.ones((2, 2)),))


# ----------------------------------------------------------------------------------------- the rest


def test_matrix_rank_is_a_plain_number_without_derivative() -> None:
    found = wg.grad(lambda a: np.sum(a) * np.linalg.matrix_rank(a))(np.eye(3))
    assert_array_equal(found, np.full((3, 3), 3.0))


def test_matrix_power_zero_is_a_constant() -> None:
    found = wg.grad(lambda a: np.sum(np.linalg.matrix_power(a, 0) * a))(np.ones((2, 2)))
    assert_array_equal(found, np.eye(2))


def test_solve_takes_a_matrix_of_columns_and_a_vector_as_numpy_does() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((3, 2, 2)), rng.standard_normal((2, 2))
    value = wg.jvp(np.linalg.solve, (a, b), (a, b))[0]
    assert_array_equal(value, np.linalg.solve(a, b))


def test_vmap_of_the_gradient_of_a_log_determinant() -> None:
    a = np.random.default_rng(5).standard_normal((4, 3, 3))
    found = wg.vmap(wg.grad(lambda a: np.linalg.slogdet(a)[1]))(a)
    assert_allclose(found, np.linalg.inv(a).mT, rtol=1e-10)


def test_vmap_of_the_gradient_of_det_takes_singular_matrices() -> None:
    a = np.stack([SINGULAR, np.eye(3)])
    found = wg.vmap(wg.grad(np.linalg.det))(a)
    assert_allclose(found, np.stack([adjugate(k).T for k in a]), atol=1e-13)


def test_gaussian_likelihood_gradient_agrees_with_the_textbook() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((5, 5))
    k, y = x @ x.T + 5 * np.eye(5), rng.standard_normal(5)

    def f(k: Any) -> Any:
        return 0.5 * y @ np.linalg.solve(k, y) + 0.5 * np.linalg.slogdet(k)[1]

    alpha = np.linalg.solve(k, y)
    assert_allclose(wg.grad(f)(k), 0.5 * (np.linalg.inv(k) - np.outer(alpha, alpha)), rtol=1e-9)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3)])
@pytest.mark.parametrize("rcond", [0.4, 0.7, 1e-3, 1.0, -1.0])
def test_what_rcond_leaves_out_is_left_out_of_derivatives(shape: Any, rcond: float) -> None:
    rng = np.random.default_rng(3)
    a, b, weights = rng.normal(size=shape), rng.normal(size=shape[0]), rng.normal(size=shape[::-1])
    wg.check_grads(lambda a: np.linalg.lstsq(a, b, rcond)[0], (a,), order=2)
    wg.check_grads(lambda b: np.linalg.lstsq(a, b, rcond)[0], (b,), order=2)
    if 0 < rcond < 1:
        wg.check_grads(lambda a: np.sum(np.linalg.pinv(a, rcond) * weights), (a,), order=2)


def test_numbers_of_pythons_go_through_reductions() -> None:
    for function in (np.max, np.min, np.prod, np.linalg.norm, np.median, np.sum):
        assert wg.grad(function)(0.7) == 1.0
        assert wg.jvp(function, (0.7,), (2.0,))[1] == 2.0
    assert wg.grad(np.ptp)(0.7) == 0.0
