"""Python's math inside a trace: of traced numbers, one by one and under vmap."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg
from wengert.errors import BatchError

POINTS = np.array([0.3, 0.5, 0.9])

FUNCTIONS = {
    "sin": lambda x: math.sin(x),
    "log": lambda x: math.log(x) + math.log(x, 3),
    "pow": lambda x: math.pow(x, 2.5),
    "hypot": lambda x: math.hypot(x, 1.0, 2 * x),
    "dist": lambda x: math.dist([x, 1.0], [2.0, x]),
    "remainder": lambda x: math.remainder(x, 0.4) * x,
    "fsum": lambda x: math.fsum([x, x * x, 1.0]),
    "elements": lambda x: sum(math.exp(v) for v in np.array([x, 2 * x])),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_math_map_over_a_batch(name):
    f = FUNCTIONS[name]
    assert_allclose(wg.vmap(f)(POINTS), [f(x) for x in POINTS], rtol=1e-15)
    expected = [wg.grad(f)(x) for x in POINTS]
    assert_allclose(wg.vmap(wg.grad(f))(POINTS), expected, rtol=1e-14)


def test_what_math_does_not_accept_is_refused():
    with pytest.raises(ValueError, match=r"math domain error|expected a"):
        wg.grad(lambda x: math.sqrt(x))(-1.0)
    with pytest.raises(TypeError, match="0-dimensional"):
        wg.grad(lambda x: math.sin(x))(POINTS)


def test_an_answer_about_the_value_is_refused_where_a_batch_has_several():
    assert wg.grad(lambda x: x * math.isfinite(x))(2.0) == 1.0
    with pytest.raises(BatchError, match=r"math\.isfinite"):
        wg.vmap(lambda x: x * math.isfinite(x))(POINTS)
