"""Zeros, infinities, NaN, ends of ranges: what NumPy and SciPy give, to the sign of a zero."""

import numpy as np
import pytest

from .loops import Loops
from .references import CASES, COUNTS, EXACT, numpy_function


def special_numbers(dtype):
    limits = np.finfo(dtype)
    positive = [
        0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 10.0, 170.0, 1e4, 1e30, np.inf,
        limits.tiny, limits.smallest_subnormal, limits.max, 1 - limits.epsneg, 1 + limits.eps,
        # Past the ends of exp, and large whole numbers, even and odd.
        88.8, 104.5, 709.9, 745.5, 2.0**24, 2.0**24 - 1, 2.0**53, 2.0**53 - 1,
    ]  # fmt: skip
    numbers = np.array(positive, dtype)
    return np.concatenate([numbers, -numbers, np.array([np.nan], dtype)])


# Where ours is right (see test_accuracy.py) and SciPy is not: its expit is 0 where exp(x) is
# subnormal, its gammaln infinite at subnormal numbers and inexact near its zeros, psi and ndtr
# lose digits.
BETTER = {
    "sigmoid": lambda x: x < -80,
    "digamma": lambda x: np.abs(x + 1) < 1e-10,
    "ndtr": lambda x: x < -3,
    "lgamma": lambda x: (np.abs(x) < 1e-300) | (np.abs(x - 1) < 1e-6),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [*CASES, *EXACT])
def test_special_cases_are_those_of_numpy(name, dtype):
    numbers = special_numbers(dtype)
    operands = [numbers]
    if COUNTS[name] == 2:
        operands = [grid.ravel() for grid in np.meshgrid(numbers, numbers)]
    if name in BETTER:
        operands = [numbers[~BETTER[name](numbers)]]
    values = Loops({name: COUNTS[name]}, dtype)(name, *operands)
    with np.errstate(all="ignore"):
        expected = numpy_function(name)(*operands).astype(dtype)

    # The sign of NaN means nothing; 16 ulp, for SciPy's own errors.
    tolerance = 0 if name in EXACT else 16 * np.finfo(dtype).eps
    cancels = name in CASES and CASES[name].scale is not None
    absolute = tolerance if cancels else 16 * float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(values, expected, rtol=tolerance, atol=absolute)
    is_number = ~np.isnan(expected)
    wrong = is_number & (np.signbit(values) != np.signbit(expected))
    if cancels:
        wrong &= np.abs(expected) > absolute
    assert not wrong.any(), [operand[wrong] for operand in operands]


@pytest.mark.parametrize("name", EXACT)
def test_rounding_is_exact(name):
    rng = np.random.default_rng(3)
    operands = [rng.normal(size=200) * 10 ** rng.uniform(-3, 18, 200) for _ in range(COUNTS[name])]
    values = Loops({name: COUNTS[name]}, "float64")(name, *operands)
    np.testing.assert_array_equal(values, EXACT[name](*operands))
