"""scipy.linalg in a trace: SciPy's values, and derivatives of what people write with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose

import wengert as wg
from wengert.errors import UnsupportedFunctionError
from wengert.scipy import linalg

RNG = np.random.default_rng(0)
A = RNG.normal(size=(4, 4)) + 4 * np.eye(4)
SPD = A @ A.T
B = RNG.normal(size=(4, 2))


def gaussian_process_likelihood(scales: Any) -> Any:
    distances = (np.arange(4.0)[:, None] - np.arange(4.0)) ** 2
    kernel = scales[0] * np.exp(-distances / scales[1]) + scales[2] * np.eye(4)
    factor = scipy.linalg.cho_factor(kernel, lower=True)
    weights = scipy.linalg.cho_solve(factor, B[:, 0])
    return B[:, 0] @ weights + 2 * np.sum(np.log(np.diag(factor[0])))


def by_triangular_solves(a: Any) -> Any:
    low = scipy.linalg.cholesky(a @ a.T, lower=True)
    half = scipy.linalg.solve_triangular(low, B, lower=True)
    return np.sum(scipy.linalg.solve_triangular(low, half, trans="T", lower=True) ** 2)


def by_lu(a: Any) -> Any:
    factors = scipy.linalg.lu_factor(a)
    return np.sum(scipy.linalg.lu_solve(factors, B) * scipy.linalg.lu_solve(factors, B, trans=1))


def by_permuted_factors(a: Any) -> Any:
    p, low, up = scipy.linalg.lu(a[::-1])
    return np.sum((p @ low) ** 2 * up) + np.sum(low**3)


def generalised_eigenvalues(a: Any) -> Any:
    values, vectors = scipy.linalg.eigh(a + a.T, SPD)
    return np.sum(values * np.arange(4.0)) + np.sum(np.abs(vectors[0]))


def flow_of_a_linear_system(a: Any) -> Any:
    return np.sum(scipy.linalg.expm(0.1 * a) @ B) + np.trace(scipy.linalg.logm(a @ a.T))


def special_matrices(a: Any) -> Any:
    rows = scipy.linalg.toeplitz(a[0], a[:, 0]) + scipy.linalg.hankel(a[1])
    blocks = scipy.linalg.block_diag(a[:2, :2], a[2:, 2:])
    return np.sum(rows @ blocks @ scipy.linalg.circulant(a[3]))


PROGRAMS = [
    by_triangular_solves,
    by_lu,
    by_permuted_factors,
    generalised_eigenvalues,
    flow_of_a_linear_system,
    special_matrices,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_programs_differentiate_unchanged(program: Callable[[Any], Any]) -> None:
    assert_allclose(wg.value_and_grad(program)(A)[0], program(A), rtol=1e-12)
    wg.check_grads(program, (A,), order=2)
    stacked = np.stack([A, A.T])
    found = wg.vmap(wg.grad(program))(stacked)
    assert_allclose(found, [wg.grad(program)(a) for a in stacked], rtol=1e-10, atol=1e-12)


def test_the_likelihood_of_a_gaussian_process_differentiates_unchanged() -> None:
    scales = np.array([1.5, 2.0, 0.3])
    assert_allclose(
        wg.value_and_grad(gaussian_process_likelihood)(scales)[0],
        gaussian_process_likelihood(scales),
        rtol=1e-13,
    )
    wg.check_grads(gaussian_process_likelihood, (scales,), order=2)


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("solve", (A, B[:, 0]), {}),
    ("solve", (SPD, B), {"assume_a": "pos"}),
    ("solve", (A, B), {"assume_a": "sym", "lower": True}),
    ("solve", (A, B), {"transposed": True}),
    ("solve_triangular", (A, B[:, 0]), {"lower": True, "trans": 1}),
    ("solve_triangular", (A * 1j + A.T, B), {"trans": 2, "unit_diagonal": True}),
    ("cholesky", (SPD,), {}),
    ("inv", (A,), {}),
    ("det", (A,), {}),
    ("pinv", (A[:, :2],), {"return_rank": True}),
    ("lstsq", (A[:, :2], B[:, 0]), {}),
    ("lstsq", (A[:, :2], B), {}),
    ("lu", (A,), {}),
    ("lu", (A,), {"permute_l": True}),
    ("lu", (A,), {"p_indices": True}),
    ("lu_factor", (A,), {}),
    ("eigh", (SPD,), {"eigvals_only": True, "subset_by_index": (1, 2)}),
    ("eigvalsh", (A + A.T, SPD), {"lower": False}),
    ("eigvals", (A,), {}),
    ("svd", (A[:, :3],), {}),
    ("svd", (A,), {"compute_uv": False}),
    ("svdvals", (A,), {}),
    ("qr", (A[:, :3],), {}),
    ("qr", (A[:, :3],), {"mode": "economic"}),
    ("qr", (A[:, :3],), {"mode": "r"}),
    ("norm", (A, "nuc"), {}),
    ("expm", (A,), {}),
    ("logm", (SPD,), {}),
    ("sqrtm", (SPD,), {}),
    ("sinm", (A,), {}),
    ("cosm", (A * 1j,), {}),
    ("toeplitz", (A[0] * 1j,), {}),
    ("toeplitz", (A[0], B[0]), {}),
    ("circulant", (A[0],), {}),
    ("hankel", (A[0], B[:, 0]), {}),
    ("block_diag", (A, B[0], B), {}),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs"), CALLS, ids=lambda x: x if type(x) is str else ""
)
def test_values_are_those_of_scipy(name: str, args: Any, kwargs: Any) -> None:
    expected = getattr(scipy.linalg, name)(*args, **kwargs)
    found: list[Any] = []

    def f(a: Any) -> Any:
        found.append(wg.stop_gradient(getattr(linalg, name)(a, *args[1:], **kwargs)))
        return np.sum(np.abs(a))

    wg.grad(f)(args[0])
    results, wanted = found[0], expected
    if not isinstance(expected, tuple):
        results, wanted = (results,), (expected,)
    assert len(results) == len(wanted)
    for result, want in zip(results, wanted, strict=True):
        got = np.asarray(result)
        assert got.shape == np.shape(want)
        assert got.dtype.kind == np.asarray(want).dtype.kind
        assert_allclose(np.sort(got.ravel()), np.sort(np.ravel(want)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: linalg.qr(a, pivoting=True)[1].sum(),
        lambda a: linalg.eig(a, left=True)[0].sum(),
        lambda a: linalg.eigh(a, type=2)[0].sum(),
        lambda a: linalg.pinv(a, atol=0.1).sum(),
        lambda a: linalg.lu(a[:2])[1].sum(),
    ],
)
def test_arguments_without_a_rule_are_an_error(f: Callable[[Any], Any]) -> None:
    with pytest.raises(UnsupportedFunctionError, match="rule"):
        wg.grad(f)(A)


def test_the_mirror_leaves_plain_arrays_to_scipy() -> None:
    assert type(linalg.expm(A)) is np.ndarray
    assert linalg.LinAlgError is scipy.linalg.LinAlgError
    assert "expm" in dir(linalg)
    assert "hessenberg" in dir(linalg)


def test_a_tie_between_pivots_keeps_the_order_that_lapack_chose() -> None:
    a = np.array([[1.0, 2.0], [-1.0, 1.0]])
    p, low, up = scipy.linalg.lu(a)
    found = wg.jvp(lambda x: scipy.linalg.lu(x), (a,), (np.ones((2, 2)),))[0]
    for got, want in zip(found, (p, low, up), strict=True):
        assert_allclose(got, want)
