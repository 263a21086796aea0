"""Complex numbers: the convention of gradients, holomorphic functions, and parts of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg


def numbers(*shape: int) -> Any:
    rng = np.random.default_rng(3)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


REAL_TARGETS = [
    lambda z: np.sum(np.abs(z) ** 2),
    lambda z: np.sum(np.real(z * z * z)),
    lambda z: np.sum(np.imag(np.exp(z)) * np.angle(z)),
    lambda z: np.linalg.norm(z @ np.conj(z).T),
    lambda z: np.real(np.linalg.det(z)) + np.linalg.slogdet(z)[1],
    lambda z: np.sum(np.abs(np.linalg.solve(z, np.ones(3)))),
    lambda z: np.sum(np.linalg.svd(z, compute_uv=False) ** 3),
    lambda z: np.sum(np.abs(np.fft.fft(z, axis=0)) ** 3),
    lambda z: np.abs(np.vdot(z, z * 1j + 1)),
    lambda z: np.real(np.einsum("ij,jk,ki->", z, np.conj(z), z)),
]


@pytest.mark.parametrize("f", REAL_TARGETS)
def test_gradient_is_the_derivative_by_x_less_i_times_that_by_y(f: Any) -> None:
    z = numbers(3, 3)
    found = wg.grad(f)(z)
    by_x = wg.grad(lambda x: f(x + 1j * z.imag))(z.real.copy())
    by_y = wg.grad(lambda y: f(z.real + 1j * y))(z.imag.copy())
    assert_allclose(found, by_x - 1j * by_y, rtol=1e-9, atol=1e-11)
    step = 1e-6
    for direction in (1.0, 1j):
        difference = (f(z + step * direction * z.T) - f(z - step * direction * z.T)) / (2 * step)
        assert_allclose(np.real(np.sum(found * direction * z.T)), difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (lambda z: z**3, lambda z: 3 * z**2),
        (np.exp, np.exp),
        (np.sin, np.cos),
        (np.log, lambda z: 1 / z),
        (lambda z: np.linalg.inv(np.reshape(z, (1, 1)))[0, 0], lambda z: -1 / z**2),
        (lambda z: np.polyval([1, 2, 3], z), lambda z: 2 * z + 2),
        (lambda z: 1 / (1 + z * z), lambda z: -2 * z / (1 + z * z) ** 2),
    ],
)
def test_holomorphic_functions_have_their_complex_derivative(f: Any, derivative: Any) -> None:
    z = np.complex128(0.3 + 0.7j)
    assert_allclose(wg.grad(f, holomorphic=True)(z), derivative(z), rtol=1e-12)
    assert_allclose(wg.jvp(f, (z,), (np.complex128(1),))[1], derivative(z), rtol=1e-12)


def test_a_complex_target_needs_to_be_declared_holomorphic() -> None:
    with pytest.raises(wg.errors.TargetTypeError, match="holomorphic"):
        wg.grad(lambda z: z * z)(np.complex128(1j))


def test_real_sources_of_complex_work_have_real_gradients() -> None:
    x = np.array([1.0, 2.0])
    found = wg.grad(lambda x: np.abs(np.sum(np.exp(1j * x))) ** 2)(x)
    assert found.dtype == np.float64
    assert_allclose(found, [2 * np.sin(1.0), -2 * np.sin(1.0)], rtol=1e-12)


def test_conjugate_and_parts_follow_the_convention() -> None:
    z = numbers(2)
    assert_allclose(wg.grad(lambda z: np.sum(np.real(z)))(z), np.ones(2))
    assert_allclose(wg.grad(lambda z: np.sum(np.imag(z)))(z), np.full(2, -1j))
    assert_allclose(wg.grad(lambda z: np.sum(np.imag(np.conj(z))))(z), np.full(2, 1j))
    assert_allclose(wg.grad(lambda z: np.sum(np.angle(z)))(z), -1j / z)
    assert_allclose(wg.grad(lambda z: np.sum(np.angle(z, deg=True)))(z), -1j / z * 180 / np.pi)


def test_absolute_value_at_zero_has_derivative_zero() -> None:
    assert_array_equal(wg.grad(lambda z: np.sum(np.abs(z)))(np.zeros(2, complex)), np.zeros(2))


def test_real_and_imag_of_real_numbers() -> None:
    x = np.array([1.0, -2.0])
    assert_array_equal(wg.grad(lambda x: np.sum(np.real(x)))(x), np.ones(2))
    assert_array_equal(wg.grad(lambda x: np.sum(x) + np.sum(np.imag(x)))(x), np.ones(2))


def test_single_precision_stays_single() -> None:
    z = numbers(3, 3).astype(np.complex64)
    for f in REAL_TARGETS:
        assert wg.grad(f)(z).dtype == np.complex64


def test_hessian_vector_products_of_complex_functions_agree_with_differences() -> None:
    def f(z: Any) -> Any:
        return np.sum(np.abs(z @ z) ** 2)

    z = numbers(2, 2)
    t = 1j * z.T
    found = wg.jvp(wg.grad(f), (z,), (t,))[1]
    step = 1e-6
    assert_allclose(
        found, (wg.grad(f)(z + step * t) - wg.grad(f)(z - step * t)) / (2 * step), rtol=1e-6
    )
