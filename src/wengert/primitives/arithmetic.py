"""Sums, products, powers, absolute values; maximum and minimum with their kinks."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import elementwise, linear
from wengert.primitives.samples import call, complex_normal, distinct, normal, positive

_pair = [call(normal(3, 4), normal(4)), call(normal(), normal(2, 1)), call(complex_normal(3), normal(3))]

add = elementwise(np.add, d=(1, 1), formula=("1", "1"), lower="add", samples=_pair)
subtract = elementwise(np.subtract, d=(1, -1), formula=("1", "-1"), lower="sub", samples=_pair)
negative = elementwise(np.negative, d=-1, formula="-1", lower="neg", samples=[call(normal(3))])
positive_ = elementwise(np.positive, d=1, formula="1", lower="copy", samples=[call(normal(3))])
multiply = elementwise(
    np.multiply,
    d=(lambda x2: x2, lambda x1: x1),
    formula=("x2", "x1"),
    lower="mul",
    samples=_pair,
)
divide = elementwise(
    np.divide,
    d=(lambda x2: 1 / _safe(x2), lambda x2, out: -out / _safe(x2)),
    formula=("1/x2", "-out/x2"),
    lower="div",
    samples=[call(normal(3, 4), positive(4)), call(complex_normal(3), complex_normal(3))],
)
square = elementwise(
    np.square,
    d=lambda x: 2 * x,
    formula="2*x",
    lower="square",
    samples=[call(normal(3, 4)), call(complex_normal(3))],
)
reciprocal = elementwise(
    np.reciprocal,
    d=lambda out: -out * out,
    formula="-out**2",
    lower="reciprocal",
    samples=[call(positive(3, 4))],
)


def _safe(x: Any) -> Any:
    """A Python number as a NumPy one, which divides by zero as NumPy does."""
    return np.float64(x) if type(x) is float else x


def _power_x1(x1: Any, x2: Any) -> Any:
    if type(x2) in (int, float):
        if x2 == 2:
            return 2 * x1
        if x2 == 1 or x2 == 0:
            return x2 + 0 * x1 if x2 else 0 * x1
        return x2 * np.power(_safe(x1), x2 - 1)
    # x**0 is 1 for every x, so its derivative is 0, at x = 0 too
    return np.where(x2 == 0, 0, x2 * np.power(_safe(x1), np.where(x2 == 0, 1, x2 - 1)))


def _power_x2(x1: Any, out: Any) -> Any:
    # 0**x2 is 0 for x2 > 0: no derivative by x2 where x1 is 0
    return out * np.log(np.where(x1 == 0, 1, x1))


power = elementwise(
    np.power,
    d=(_power_x1, _power_x2),
    formula=("x2*x1**(x2 - 1)", "out*log(x1)"),
    lower="pow",
    samples=[
        call(positive(3, 4), normal(4)),
        call(normal(3), 2),
        call(normal(3), 3),
        call(positive(3), 0.5),
        call(normal(3), -1.0),
    ],
)


def _abs_x(x: Any) -> Any:
    if np.iscomplexobj(x):
        size = np.abs(x)
        return np.conjugate(x) / np.where(size == 0, 1, size)
    return np.sign(x)


absolute = elementwise(
    np.absolute,
    d=_abs_x,
    formula="sign(x)",
    lower="abs",
    kinks={0.0: 0.0},
    samples=[call(normal(3, 4)), call(complex_normal(3))],
)
fabs = elementwise(
    np.fabs, d=lambda x: np.sign(x), formula="sign(x)", lower="abs", kinks={0.0: 0.0}, samples=[call(normal(3, 4))]
)


def _take_larger(x1: Any, x2: Any, tie: Any) -> Any:
    return np.where(x1 > x2, 1.0, np.where(x1 == x2, tie, 0.0)).astype(np.result_type(x1, x2))


# NaN in either operand is the result, whose derivative then comes from neither.
_larger = (_take_larger, lambda x1, x2, tie: _take_larger(x2, x1, tie))
_smaller = (
    lambda x1, x2, tie: _take_larger(-x1, -x2, tie),
    lambda x1, x2, tie: _take_larger(-x2, -x1, tie),
)
_choices = [call(distinct(3, 4), normal(4)), call(distinct(3, 4), 0.1), call(0.2, distinct(5))]
_tie = {(1.0, 1.0): (0.5, 0.5), (1.0, "constant"): 0.0}

maximum = elementwise(
    np.maximum, d=_larger, formula=("x1 > x2", "x2 > x1"), lower="max", kinks=_tie, selects=True, samples=_choices
)
minimum = elementwise(
    np.minimum, d=_smaller, formula=("x1 < x2", "x2 < x1"), lower="min", kinks=_tie, selects=True, samples=_choices
)
