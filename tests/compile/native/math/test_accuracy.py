"""Errors of the native functions against mpmath: seeded arguments over the whole range, and hard
ones.

`python -m benchmarks.native_math` does the same with many more, for the table in the documentation.
"""

import zlib

import numpy as np
import pytest

from wengert.compile.native import math as native

from .loops import Loops
from .references import CASES, COUNTS, DRAWS, EXACT, arguments, worst_error

DTYPES = ("float64", "float32")
TURNING = ("sin", "cos", "tan")


@pytest.fixture(scope="module", params=DTYPES)
def loops(request):
    return Loops({name: COUNTS[name] for name in CASES}, request.param)


def seed_of(*words):
    return zlib.crc32(" ".join(words).encode())


def test_every_function_has_a_reference():
    assert CASES.keys() | EXACT.keys() == native.NAMES


@pytest.mark.parametrize("name", CASES)
def test_error_is_within_its_bound(loops, name):
    case = CASES[name]
    for draw in DRAWS:
        operands = arguments(case, draw, 48, loops.dtype, seed_of(name, draw, loops.dtype.name))
        worst = worst_error(case, operands, loops(name, *operands))
        assert worst.ulps <= case.bound, (draw, worst)


# Where errors are known to be largest, or a method changes: multiples of pi/2 and the doubles and
# floats nearest to one (J.-M. Muller, Elementary Functions, 2016, table 11.1), overflow, underflow,
# ends of polynomials, zeros.
HARD = {
    "sin cos tan": [
        *(np.arange(1, 40) * np.pi / 2),
        *(np.float32(k * np.pi / 2) for k in range(1, 40)),
        *(np.ldexp(1.0, k) for k in range(0, 1024, 37)),
        np.ldexp(6381956970095103.0, 797), np.ldexp(5.0, 500), np.ldexp(16367173.0, 72), 1.7e308,
        np.pi / 4, 2.0**-27, 2.0**-13, 1e22,
    ],
    "exp exp2 expm1 sigmoid log_sigmoid sinh cosh": [
        709.782712893384, 709.79, 710.4758, 710.476, -708.4, -745.1, -745.2, 1023.9999999999999,
        -1074.9, 88.72283, 88.72284, 89.41598, 89.416, -87.4, -103.9, -104.0, 127.99999, -149.5,
        2.0**-54, -2.0**-54, 2.0**-53, 1e-300, 5e-324, 0.34657359, -0.34657359, 1.03972077,
    ],
    "log log2 log10 log1p cbrt entr": [
        5e-324, 2.3e-308, 1.4e-45, 1.2e-38, np.sqrt(0.5), np.nextafter(np.sqrt(0.5), 0),
        np.sqrt(2), 1 - 2.0**-53, 1 + 2.0**-52, 1 - 2.0**-24, 1 + 2.0**-23, 8.0, 1000.0, 1e22,
        27.0, -0.999999, 1.7e308,
    ],
    "arcsin arccos arctan arctanh arcsinh arccosh logit": [
        0.5, -0.5, np.nextafter(0.5, 1), 1 - 2.0**-53, -1 + 2.0**-53, 1 - 2.0**-24, 1.0,
        0.707106781, 0.17157, 1 + 2.0**-52, 1 + 2.0**-23, 1.5, 1e10, 1e19, 1e300, 2.0**511,
        2.0**62, 2.0**-600, 2.1e-27, 1e-40,
    ],
    "erf erfc ndtr": [
        1.0, -1.0, np.nextafter(1, 0), 0.5, -0.5, 5.9, 6.1, 3.9, 9.3, 26.5, 27.2, -37.5, -38.4
    ],
    "lgamma digamma gamma": [
        1.0, 2.0, 3.0, 8.0, np.nextafter(1, 0), np.nextafter(2, 3), np.nextafter(8, 0),
        1.4616321449683623, 171.6, 171.7, 1e-300, 1e-20, 5e-324, -0.5, -1.5, -7.99, -170.5,
        -1e-20, 1e300, 2.5e305,
    ],
}  # fmt: skip


def hard_points(names, dtype):
    with np.errstate(over="ignore"):
        points = np.array(HARD[names]).astype(dtype)
    points = points[np.isfinite(points)]
    return np.concatenate([points, -points])


@pytest.mark.parametrize("names", HARD)
def test_hard_arguments(loops, names):
    points = hard_points(names, loops.dtype)
    for name in names.split():
        worst = worst_error(CASES[name], [points], loops(name, points))
        assert worst.ulps <= CASES[name].bound, (name, worst)


@pytest.mark.parametrize("dtype", DTYPES)
def test_called_functions_are_as_accurate(dtype):
    called = Loops(dict.fromkeys(TURNING, 1), dtype, inline=False)
    for name in TURNING:
        for draw in ("all bit patterns", "-10 to 10", "log-normal"):
            operands = arguments(CASES[name], draw, 60, dtype, seed_of(name, draw))
            points = np.concatenate([*operands, hard_points("sin cos tan", dtype)])
            worst = worst_error(CASES[name], [points], called(name, points))
            assert worst.ulps <= 2, (name, draw, worst)


def test_whole_powers_and_logarithms_are_exact():
    loops = Loops({"exp2": 1, "log2": 1, "log10": 1, "cbrt": 1}, "float64")
    exponents = np.arange(-1074.0, 1024.0)
    powers = np.ldexp(1.0, exponents.astype(int))
    np.testing.assert_array_equal(loops("exp2", exponents), powers)
    np.testing.assert_array_equal(loops("log2", powers), exponents)
    tens = np.arange(23.0)
    np.testing.assert_array_equal(loops("log10", [float(10 ** int(k)) for k in tens]), tens)
    np.testing.assert_array_equal(
        loops("cbrt", np.arange(-50.0, 50.0) ** 3), np.arange(-50.0, 50.0)
    )


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0, 2.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_known_exponents_are_as_accurate(dtype, exponent):
    loops = Loops({"pow": 1}, dtype, constants={"pow": (exponent,)})
    points = arguments(CASES["exp"], "log-normal", 60, dtype, 5)[0]
    exponents = np.full_like(points, exponent)
    worst = worst_error(CASES["pow"], [points, exponents], loops("pow", points))
    assert worst.ulps <= 2, worst
    ends = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0], dtype)
    with np.errstate(all="ignore"):
        expected = np.power(ends, np.full_like(ends, exponent))
    values = loops("pow", ends)
    np.testing.assert_array_equal(values, expected)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(values[is_number]), np.signbit(expected[is_number]))
