"""``x.flat``, and functions that compute with objects: `frompyfunc`, `vectorize`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import wengert as wg

X = np.array([[0.5, -1.5, 2.0], [1.25, 3.0, -0.5]])
W = np.arange(1.0, 7.0)

square_or_sine = np.vectorize(lambda v: v * v if v > 0 else np.sin(v))
as_floats = np.vectorize(lambda v: v * v if v > 0 else np.sin(v), otypes=[float])
two_results = np.vectorize(lambda v: (v * v, v**3), otypes="dd")
row_sums = np.vectorize(lambda a, b: (a * b).sum(), signature="(n),(n)->()")
float_sums = np.vectorize(lambda a, b: a @ b, signature="(n),(n)->()", otypes=[float])
with_table = np.vectorize(lambda v, table: v * table[0] + table[1], excluded=[1])
product_plus_one = np.frompyfunc(lambda a, b: a * b + 1, 2, 1)
both_ways = np.frompyfunc(lambda a, b: (a * b, a - b), 2, 2)


def iterated(x: Any) -> Any:
    flat = x.flat
    first = next(flat)
    return (
        first * flat.index + flat.coords[1] + sum(v * v * w for v, w in zip(flat, W, strict=False))
    )


def computed_with(x: Any) -> Any:
    return np.sum(np.exp(x.flat) * W) + np.dot(x.flat, W) + np.sum(np.array(x.flat) ** 2)


def written(x: Any) -> Any:
    y = np.zeros((3, 2))
    y.flat = x.flat
    y.flat[2:4] = x.flat[::3] ** 2
    y.flat[[0, 5]] *= y.flat[1]
    return np.sum(y**3) + np.sum(np.where(x.flat > 1, 2.0, 1.0) * y.flat)


def vectorized(x: Any) -> Any:
    return np.sum(square_or_sine(x).ravel() * W) + np.sum(as_floats(x) ** 2)


def vectorized_otherwise(x: Any) -> Any:
    a, b = two_results(x)
    sums = row_sums(x, x[0]) ** 2 + float_sums(x, x[1])
    return np.sum(a * b) + np.sum(sums) + np.sum(with_table(x[0], x[1]))


def vectorized_math(x: Any) -> Any:
    return np.sum(np.vectorize(lambda v: math.exp(v) * v)(x))


def from_python(x: Any) -> Any:
    a, b = both_ways(x[0], x[1])
    table = product_plus_one.outer(x[0], x[1]).astype(float)
    return np.sum(product_plus_one(x, 2.0).astype(float) ** 2) + np.sum(a * b) + np.sum(table**2)


def from_python_reduced(x: Any) -> Any:
    return product_plus_one.reduce(x[0]) + np.sum(product_plus_one.accumulate(x[1]) ** 2)


PROGRAMS = [
    iterated,
    computed_with,
    written,
    vectorized,
    vectorized_otherwise,
    vectorized_math,
    from_python,
    from_python_reduced,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_element_by_element_code_differentiates(program: Callable[[Any], Any]) -> None:
    assert wg.value_and_grad(program)(X)[0] == pytest.approx(float(program(X)), rel=1e-14)
    wg.check_grads(program, (X,), order=2)


def test_what_otypes_ask_for_is_the_dtype() -> None:
    single = np.vectorize(lambda v: v * 2, otypes=[np.float32])

    def f(x: Any) -> Any:
        out = single(x)
        assert out.dtype == np.float32
        return np.sum(out)

    assert_array_equal(wg.grad(f)(X), np.full((2, 3), 2.0))


def test_objects_that_are_no_numbers_stay_objects() -> None:
    pair = np.frompyfunc(lambda v: [v, v * 2], 1, 1)
    assert wg.grad(lambda x: pair(x)[0][1] * x[1])(np.array([2.0, 3.0])).tolist() == [6.0, 4.0]


def test_vectorize_is_numpys_own_outside_of_traces() -> None:
    assert type(as_floats(X)) is np.ndarray
    cells = np.vectorize(lambda v: Cell(v), otypes=[float])(X)
    assert_array_equal(cells, X)


class Cell:
    """A number of somebody else's."""

    def __init__(self, value: float):
        self.value = value

    def __float__(self) -> float:
        return float(self.value)
