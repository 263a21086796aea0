"""What `wengert.numpy` puts in place of NumPy's functions while a trace is active."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg

POINT = np.array([0.3, 0.7, 1.2, 2.1])

SPACED = {
    "linspace": lambda x, **how: np.linspace(x, 2.3, 7, **how),
    "linspace down": lambda x, **how: np.linspace(x, -1, 4, **how),
    "linspace of one": lambda x, **how: np.linspace(x, 2.3, 1, **how),
    "logspace": lambda x, **how: np.logspace(x, 2.3, 7, **how),
    "geomspace": lambda x, **how: np.geomspace(x, 2.3, 7, **how),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("name", SPACED)
def test_spaced_points_are_those_of_numpy_to_the_bit(name, endpoint, dtype):
    make, start = SPACED[name], dtype(0.3)
    found, _ = wg.vjp(lambda x: make(x, endpoint=endpoint), start)
    expected = make(start, endpoint=endpoint)
    assert found.dtype == expected.dtype
    assert_array_equal(found, expected)


@pytest.mark.parametrize("name", SPACED)
def test_spaced_points_differentiate_alone_and_under_vmap(name):
    make = SPACED[name]
    wg.check_grads(make, (0.3,), order=2)
    starts = np.array([0.3, 0.9, 4.0])
    assert_allclose(wg.vmap(make)(starts), [make(x) for x in starts], rtol=1e-14)
    slopes = wg.vmap(wg.grad(lambda x: np.sum(make(x))))(starts)
    assert_allclose(slopes, [wg.grad(lambda x: np.sum(make(x)))(x) for x in starts], rtol=1e-14)


LISTS = {
    "mean": lambda x: np.mean([v**2 for v in x]),
    "mean of rows": lambda x: np.sum(np.mean([x, 2 * x], axis=0) ** 2),
    "mean along axes": lambda x: np.mean(np.outer(x, x), axis=(0, 1)),
    "std": lambda x: np.std([x[0], x[1], 1.0]),
    "var": lambda x: np.var((x[0], x[1], x[2] * x[3])),
    "median": lambda x: np.median([x[0], x[1], x[2]]),
    "average": lambda x: np.average([x[0], x[1]], weights=[x[2], x[3]]),
    "max by keyword": lambda x: np.max(a=[x[0], x[1] * x[2]]),
    "norm": lambda x: np.linalg.norm([x[0], x[1]]),
    "det": lambda x: np.linalg.det([[x[0], x[1]], [x[2], 3.0]]),
    "inv": lambda x: np.linalg.inv([[x[0], x[1]], [x[2], 3.0]])[0, 0],
    "solve": lambda x: np.sum(np.linalg.solve([[x[0] + 2, x[1]], [x[2], 3.0]], [1.0, x[3]])),
}


@pytest.mark.parametrize("name", LISTS)
def test_functions_take_lists_of_traced_numbers(name):
    f = LISTS[name]
    wg.check_grads(f, (POINT,), order=2)
    assert_allclose(wg.vmap(f)(np.stack([POINT, 2 * POINT])), [f(POINT), f(2 * POINT)])


def test_ties_and_kinks_in_lists_are_those_of_arrays():
    ones = np.ones(2)
    assert_array_equal(wg.grad(lambda x: np.max([x[0], x[1]]))(ones), [0.5, 0.5])
    assert_array_equal(wg.grad(lambda x: np.min([x[0], x[1]]))(ones), [0.5, 0.5])
    zero = np.zeros(2)
    assert_array_equal(wg.grad(lambda x: np.linalg.norm([x[0], x[1]]))(zero), [0.0, 0.0])


def test_a_traced_number_is_a_scalar_and_an_array_is_none():
    assert wg.grad(lambda x: x[0] * np.isscalar(x[0]) + x[1] * np.isscalar(x))(POINT)[0] == 1.0
    assert wg.grad(lambda x: x * np.isscalar(x))(2.0) == 1.0
    assert wg.grad(lambda x: np.sum(x) * np.isscalar(x))(np.array(2.0)) == 0.0
