"""`as_strided` and `sliding_window_view`: views whose elements may be one in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided as early_as_strided
from numpy.testing import assert_allclose
from scipy.linalg import circulant

import wengert as wg
from wengert.errors import MutationError, ShapeError, UnsupportedFunctionError

tricks = np.lib.stride_tricks


def every_second_element_doubled_through_a_view(x: Any) -> Any:
    y = x.copy()
    view = tricks.as_strided(y, (3,), (16,))
    view[...] = view * 2
    return np.sum(y**2)


def view_that_sees_what_is_written_to_its_base(x: Any) -> Any:
    y = x.copy()
    view = tricks.as_strided(y, (3,), (16,))
    y[0] = 3 * y[1]
    return np.sum(view**2)


def parts_of_a_view(x: Any) -> Any:
    view = tricks.as_strided(x, (4, 3), (8, 8))
    return np.sum(view[1:, ::2].T ** 2) * view[0, 0]


def windows_in_two_dimensions(x: Any) -> Any:
    view = tricks.sliding_window_view(x.reshape(2, 3), (2, 2))
    return np.einsum("ijkl,kl->", view**2, np.arange(4.0).reshape(2, 2))


def constants_filled_through_a_view_of_a_view(x: Any) -> Any:
    y = np.zeros(6)
    view = tricks.as_strided(y[1:], (2, 2), (16, 8))
    view[0] = x[:2]
    view[1, 1] = x[3] ** 2
    view *= 2
    view.T[0] += 1
    return np.sum(y**2)


def circulant_matrix_by_negative_strides(x: Any) -> Any:
    doubled = np.concatenate((x[::-1], x[:0:-1]))
    step = doubled.strides[0]
    matrix = tricks.as_strided(doubled[5:], (6, 6), (-step, step)).copy()
    return np.sum(matrix @ matrix * np.arange(6.0))


def diagonal_of_a_matrix(x: Any) -> Any:
    y = np.outer(x, x[::-1])
    diagonal = tricks.as_strided(y, (6,), (sum(y.strides),))
    diagonal[:] = diagonal**2
    return np.sum(y**3)


def reshaped_view_is_a_copy(x: Any) -> Any:
    y = x.copy()
    view = tricks.as_strided(y, (4, 3), (8, 8))
    view.reshape(12)[:] = 0
    return np.sum(view**2)


def windows_of_windows(x: Any) -> Any:
    windows = tricks.sliding_window_view(tricks.sliding_window_view(x, 3), 2, axis=1)
    return np.sum(windows**2 * np.arange(windows.size).reshape(windows.shape))


def windows_written(x: Any) -> Any:
    y = x.copy()
    tricks.sliding_window_view(y, 3, writeable=True)[0, :] *= 2
    return np.sum(y**2)


def imaginary_parts_of_windows(x: Any) -> Any:
    y = x * (1 + 2j)
    view = tricks.as_strided(y, (3, 2), (16, 16))
    view.imag[0] = x[2:4] ** 2
    return np.sum(np.abs(y) ** 2) + view.imag[1, 0]


PROGRAMS = [
    every_second_element_doubled_through_a_view,
    view_that_sees_what_is_written_to_its_base,
    parts_of_a_view,
    windows_in_two_dimensions,
    constants_filled_through_a_view_of_a_view,
    circulant_matrix_by_negative_strides,
    diagonal_of_a_matrix,
    reshaped_view_is_a_copy,
    windows_of_windows,
    windows_written,
    imaginary_parts_of_windows,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_what_is_seen_through_strides_differentiates(program: Callable[[Any], Any]) -> None:
    x = np.random.default_rng(0).normal(size=6)
    assert wg.value_and_grad(program)(x)[0] == program(x.copy())
    wg.check_grads(program, (x,), order=2)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_what_is_seen_through_strides_is_batched(program: Callable[[Any], Any]) -> None:
    rows = np.random.default_rng(1).normal(size=(3, 6))
    found = wg.vmap(wg.grad(program))(rows)
    assert_allclose(found, [wg.grad(program)(row) for row in rows], rtol=1e-13)


def test_strides_that_leave_the_array_are_an_error() -> None:
    with pytest.raises(ShapeError, match=r"shape \(7,\) and strides \(8,\)"):
        wg.grad(lambda x: np.sum(tricks.as_strided(x, (7,), (8,))))(np.ones(6))


def test_windows_are_read_only_unless_asked() -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        tricks.sliding_window_view(y, 3)[0] = 1.0
        return y.sum()

    with pytest.raises(MutationError, match="writeable=True"):
        wg.grad(f)(np.ones(6))


def of_constant(x: Any) -> Any:
    return early_as_strided(np.zeros(3), (2,), (8,)).sum() + x


@pytest.mark.parametrize(
    "f", [lambda x: early_as_strided(x, (2,), (8,)).sum(), of_constant], ids=["traced", "constant"]
)
def test_as_strided_bound_early_is_an_error(f: Callable[[Any], Any]) -> None:
    # NumPy would take the strides to hold in an object array, or for memory that the Array leaves.
    with pytest.raises(UnsupportedFunctionError, match=r"wg\.adapt"):
        wg.grad(lambda x: np.sum(f(x)))(np.ones(3))


def test_as_strided_bound_early_can_be_adapted() -> None:
    f = wg.adapt(lambda x: early_as_strided(x, (2,), (8,)).sum())
    assert_allclose(wg.grad(f)(np.ones(3)), [1, 1, 0])


def test_packages_may_use_as_strided_on_constants() -> None:
    gradient = wg.grad(lambda x: x @ circulant(np.array([1.0, 2.0, 3.0])) @ x)
    assert_allclose(gradient(np.ones(3)), [12, 12, 12])
    with pytest.raises(UnsupportedFunctionError, match="as_strided"):
        wg.grad(lambda x: circulant(x).sum())(np.ones(3))
    assert_allclose(wg.grad(lambda x: wg.adapt(circulant)(x)[0, 1])(np.ones(3)), [0, 0, 1])
