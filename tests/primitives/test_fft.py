"""Fourier transforms: identities, every length and normalisation against NumPy, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg

ONE_AXIS = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY_AXES = ["fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2", "rfftn", "irfftn"]


def numbers(name: str, *shape: int) -> Any:
    rng = np.random.default_rng(7)
    x = rng.standard_normal(shape)
    return (
        x
        if ("rfft" in name.removeprefix("i") and not name.startswith("i")) or name == "ihfft"
        else (x + 1j * rng.standard_normal(shape))
    )


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("name", ONE_AXIS)
def test_every_length_and_normalisation_of_one_axis(name: str, n: Any, norm: Any) -> None:
    x = numbers(name, 5, 2)

    def f(x: Any) -> Any:
        return getattr(np.fft, name)(x, n, axis=0, norm=norm)

    assert_array_equal(wg.jvp(f, (x,), (x,))[0], f(x))
    assert_array_equal(wg.jvp(f, (x,), (x,))[1], f(x))
    wg.check_grads(f, (x,), order=1, modes=("rev",))


@pytest.mark.parametrize(
    "options", [{}, {"s": (4, 6), "axes": (0, 1)}, {"axes": (1, 0), "norm": "ortho"}]
)
@pytest.mark.parametrize("name", MANY_AXES)
def test_several_axes(name: str, options: Any) -> None:
    x = numbers(name, 3, 4)

    def f(x: Any) -> Any:
        return getattr(np.fft, name)(x, **options)

    assert_array_equal(wg.jvp(f, (x,), (x,))[0], f(x))
    wg.check_grads(f, (x,), order=1, modes=("rev",))


def test_power_of_a_signal_and_of_its_spectrum_have_one_gradient() -> None:
    x = np.random.default_rng(0).standard_normal(9)
    found = wg.grad(lambda x: np.sum(np.abs(np.fft.fft(x, norm="ortho")) ** 2))(x)
    assert_allclose(found, 2 * x, rtol=1e-13)  # Parseval


@pytest.mark.parametrize("n", [8, 9])
def test_there_and_back_is_the_identity(n: int) -> None:
    x = np.random.default_rng(0).standard_normal(n)
    assert_allclose(
        wg.jacobian(lambda x: np.fft.irfft(np.fft.rfft(x), n))(x), np.eye(n), atol=1e-15
    )


def test_shifts_undo_each_other() -> None:
    x = np.random.default_rng(0).standard_normal((3, 5))
    weights = np.arange(15.0).reshape(3, 5)
    found = wg.grad(lambda x: np.sum(weights * np.fft.fftshift(x)))(x)
    assert_array_equal(found, np.fft.ifftshift(weights))


def test_out_receives_the_transform() -> None:
    def f(x: Any) -> Any:
        out = np.empty(4, complex)
        np.fft.fft(x, out=out)
        return np.sum(np.abs(out) ** 2)

    x = np.arange(4.0)
    assert_allclose(wg.grad(f)(x), 8 * x, rtol=1e-14)


def test_vmap_moves_the_axis_of_a_transform() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 5))
    for axis in (0, 1, -1, -2):
        found = wg.vmap(lambda x, axis=axis: np.fft.rfft(x, axis=axis), in_axes=1)(x)
        assert_array_equal(found, np.stack([np.fft.rfft(x[:, k], axis=axis) for k in range(3)]))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.fft.fft(x, 0),
        lambda x: np.fft.fft(x, -1),
        lambda x: np.fft.fft(x, axis=5),
        lambda x: np.fft.fft(x, norm="other"),
        lambda x: np.fft.hfft(x, norm="other"),
        lambda x: np.fft.fftn(x, s=(2,), axes=(0, 1)),
        lambda x: np.fft.fftn(x, axes=(0, 7)),
        lambda x: np.fft.rfft(x * 1j),
        lambda x: np.fft.fft(x, 2.5),
    ],
)
def test_arguments_that_numpy_refuses_are_refused_with_its_kind_of_error(f: Any) -> None:
    x = np.ones((2, 3))
    with pytest.raises(Exception) as numpys:  # noqa: PT011 (whichever NumPy raises)
        f(x)
    with pytest.raises(type(numpys.value)):
        wg.jvp(f, (x,), (x,))


def test_shape_without_axes_warns_as_numpy_does() -> None:
    x = np.ones((2, 3))
    with pytest.warns(DeprecationWarning, match="axes"):
        expected = np.fft.fftn(x, (2, 2))
    with pytest.warns(DeprecationWarning, match="axes"):
        assert_array_equal(wg.jvp(lambda x: np.fft.fftn(x, (2, 2)), (x,), (x,))[0], expected)
