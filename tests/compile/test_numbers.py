"""Python's own numbers stay Python's when compiled, and small dtypes that were asked for small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg

OPERATORS: dict[str, Callable[[Any], Any]] = {
    "negative": lambda x: -x,
    "positive": lambda x: +x,
    "absolute": abs,
    "comparisons": lambda x: (x > 0, x >= 9, x < 9, x <= 0, x == 2.5, x != 2.5),
    "quotients": lambda x: (x // 0.3, 3 // x, x % 0.3, 3 % x, divmod(x, 0.3), divmod(3.0, x)),
    "sum of truth values": lambda x: (x > 0) + (x > 1),
    "count": lambda x: sum(x > k for k in range(5)),
    "arithmetic of truth values": lambda x: (
        -(x > 0), abs(x > 0), (x > 9) - (x > 1), (x > 0) ** (x > 1), (x > 0) / (x > 1),
        3 * (x > 0) - (x > 1), (x > 9) % (x > 1), (x > 0) * 2.0,
    ),
    "logic of truth values": lambda x: ((x > 0) & (x < 3), (x > 0) ^ (x > 9), (x > 0) | (x > 9)),
    "truth values compared": lambda x: (x > 0) < (x > 9),
    "answers": lambda x: (np.allclose(x, 2.5), np.array_equal(x, 2.0), np.array_equiv(x, 2.5)),
}  # fmt: skip


@pytest.mark.parametrize("value", [2.5, np.float64(2.5)], ids=["Python", "NumPy"])
@pytest.mark.parametrize("name", OPERATORS)
def test_results_are_of_the_kind_that_they_are_without_compiling(name: str, value: Any) -> None:
    if type(value) is np.float64 and name == "arithmetic of truth values":
        pytest.skip("NumPy has no such arithmetic of truth values")
    function = OPERATORS[name]
    one = wg.compile(function)
    one(type(value)(1.75))
    found, expected = one(value), function(value)
    assert _kinds(found) == _kinds(expected)
    assert found == expected


def _kinds(value: Any) -> Any:
    return [_kinds(part) for part in value] if isinstance(value, tuple) else type(value)


def test_division_by_zero_is_pythons_error() -> None:
    for function in (lambda x: 1.0 // x, lambda x: 1.0 % x, lambda x: 1.0 / x):
        one = wg.compile(function)
        one(2.0)
        with pytest.raises(ZeroDivisionError):
            one(0.0)


DTYPES: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: np.sum(x, dtype=np.int32),
    "sum in place of bool": lambda x: np.sum(x, dtype=bool),
    "prod": lambda x: np.prod(x, dtype=np.int16),
    "cumsum": lambda x: np.cumsum(x, dtype=np.int32),
    "cumprod": lambda x: np.cumprod(x, dtype=np.uint8),
    "add.reduce": lambda x: np.add.reduce(x, dtype=np.int8),
    "add.accumulate": lambda x: np.add.accumulate(x, dtype=np.int8),
    "mean": lambda x: np.mean(x, dtype=int),
    "method": lambda x: x.sum(dtype=np.int32, initial=3),
    "rank": lambda x: np.linalg.lstsq(np.outer(x, x) * 1.0, x * 1.0)[2],
}


@pytest.mark.parametrize("name", DTYPES)
def test_the_dtype_asked_for(name: str) -> None:
    x = np.arange(1, 9)
    function = DTYPES[name]
    found, expected = wg.compile(function)(x), function(x)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_integers_carry_no_derivative_when_compiled_either() -> None:
    with pytest.raises(wg.errors.TargetTypeError):
        wg.compile(wg.grad(lambda x: (x > 0).astype(int)))(np.float64(1.5))


def test_an_unsigned_integer_may_decide() -> None:
    one = wg.compile(lambda k, x: x[: int(k)] * 2)
    for k in (2, 3, 2):
        assert one(np.uint8(k), np.arange(4.0)).shape == (k,)


@pytest.mark.parametrize("exponent", [0.5, 1.5, -0.5])
def test_a_power_is_complex_only_where_pythons_is(exponent: float) -> None:
    for traced in (lambda x: x**exponent, lambda x: (x**exponent, x**2, x)[0]):
        one = wg.compile(traced)
        for x in (-4.0, 4.0, -2.5, 9.0, -4.0):
            found, expected = one(x), x**exponent
            assert type(found) is type(expected)
            assert_allclose(found, expected, rtol=1e-14)
    both = wg.compile(lambda x, y: x**y)
    for x, y in ((-4.0, 0.5), (4.0, 0.5), (-4.0, 2.0), (-4.0, 1.5), (4.0, -1.0)):
        assert type(both(x, y)) is type(x**y)
        assert_allclose(both(x, y), x**y, rtol=1e-14)
