"""The Cholesky factor's adjoint in blocks; triangular systems: what is read, and how exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.primitives import cholesky
from wengert.primitives.cholesky import cholesky_pullback
from wengert.primitives.triangular import solve_triangular


def random(*shape: int, seed: int = 0, dtype: Any = float) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def factor_of(n: int) -> Any:
    a = random(n, n)
    return np.linalg.cholesky(a @ a.T + n * np.eye(n))


@pytest.mark.parametrize("n", [1, 127, 128, 129, 300])
def test_pullback_in_blocks_is_the_transpose_of_the_push_forward(n: int) -> None:
    low, given = factor_of(n), random(n, n, seed=1)
    change = random(n, n, seed=2)
    change = np.tril(change + change.T) / n
    found = cholesky_pullback(low, given)
    assert_array_equal(found, np.tril(found))
    whole = change + np.tril(change, -1).T
    inner = np.linalg.solve(low, np.linalg.solve(low, whole).T)
    moved = low @ (np.tril(inner, -1) + np.diag(np.diag(inner)) / 2)
    assert_allclose(np.sum(found * change), np.sum(given * moved), rtol=1e-9)


def test_blocks_of_every_size_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    low, given = factor_of(40), random(40, 40, seed=1)
    whole = cholesky_pullback(low, given)
    for size in (1, 7, 16, 39):
        monkeypatch.setattr(cholesky, "_BLOCK", size)
        assert_allclose(cholesky_pullback(low, given), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [5, 200])
def test_pullback_reads_one_triangle_of_both_operands(n: int) -> None:
    low, given = factor_of(n), random(n, n, seed=1)
    junk = np.triu(np.full((n, n), np.nan), 1)
    assert_array_equal(cholesky_pullback(low + junk, given + junk), cholesky_pullback(low, given))


def test_pullback_leaves_its_operands_alone() -> None:
    low, given = factor_of(150), random(150, 150, seed=1)
    before = given.copy()
    cholesky_pullback(low, given)
    assert_array_equal(given, before)


@pytest.mark.parametrize("upper", [False, True])
def test_gradient_of_a_large_factor_is_that_of_its_log_determinant(upper: bool) -> None:
    a = random(180, 180)
    a = a @ a.T + 180 * np.eye(180)

    def log_determinant(a: Any) -> Any:
        return 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky(a, upper=upper))))

    inverse = np.linalg.inv(a)
    kept = np.triu if upper else np.tril
    expected = kept(2 * inverse) - np.diag(np.diag(inverse))
    assert_allclose(wg.grad(log_determinant)(a), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_triangular_systems_agree_with_scipy(
    dtype: Any, lower: bool, unit: bool, batch: tuple[int, ...]
) -> None:
    a = random(*batch, 6, 6, dtype=dtype) / 3 + 2 * np.eye(6, dtype=dtype)
    b = random(*batch, 6, 2, seed=1, dtype=dtype)
    found = solve_triangular(a, b, lower=lower, unit_diagonal=unit)
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    for at in np.ndindex(batch):
        expected = scipy.linalg.solve_triangular(a[at], b[at], lower=lower, unit_diagonal=unit)
        assert_allclose(found[at], expected, rtol=2e3 * np.finfo(dtype).eps)


def test_triangular_systems_read_one_triangle() -> None:
    a, b = random(5, 5) + 3 * np.eye(5), random(5, 2, seed=1)
    junk = np.triu(np.full((5, 5), np.nan), 1)
    for lower, other in ((True, junk), (False, junk.T)):
        found = solve_triangular(a + other, b, lower=lower, unit_diagonal=False)
        expected = solve_triangular(a, b, lower=lower, unit_diagonal=False)
        assert_array_equal(found, expected)
    gradient = wg.grad(
        lambda a: np.sum(solve_triangular(a, b, lower=True, unit_diagonal=True) ** 2)
    )(a)
    assert_array_equal(gradient, np.tril(gradient, -1))


def test_a_zero_on_the_diagonal_is_numpys_error() -> None:
    a = np.eye(3)
    a[1, 1] = 0
    for lower in (True, False):
        with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
            solve_triangular(a, np.ones((3, 1)), lower=lower, unit_diagonal=False)
        found = solve_triangular(a, np.ones((3, 1)), lower=lower, unit_diagonal=True)
        assert_array_equal(found, np.ones((3, 1)))


def test_triangular_systems_are_accurate_row_by_row() -> None:
    """The bound of substitution (Higham, theorem 8.5), which holds however bad the condition is."""
    n, eps = 60, np.finfo(float).eps
    a = np.tril(random(n, n), -1) + np.eye(n)  # its condition number is about 1e12
    b = random(n, 1, seed=1)
    x = solve_triangular(a, b, lower=True, unit_diagonal=False)
    assert np.all(np.abs(a @ x - b) <= 2 * n * eps * (np.abs(a) @ np.abs(x)))
