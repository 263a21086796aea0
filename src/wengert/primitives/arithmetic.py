"""Sums, products, powers, absolute values, remainders; maximum and minimum with their kinks.

The one difficulty is dtype: a Python number is weak, so that float32 stays float32 beside it, but what a
NumPy function makes of it is not. Rules that work on a constant operand therefore go through `weakly`,
`divided` or `inverse`, which also divide Python numbers by zero as NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.primitives.family import derived, elementwise, linear
from wengert.primitives.rounding import binary_exponent
from wengert.primitives.samples import call, complex_normal, distinct, normal, positive

_PYTHON = (float, int, complex, bool)
_NUMBER = (*_PYTHON, np.number)


def weakly(function: Callable[[Any], Any], x: Any) -> Any:
    """``function(x)``; of a Python number a Python number, which leaves float32 as it is."""
    value = function(x)
    return value.item() if type(x) in _PYTHON else value


def divided(x1: Any, x2: Any) -> Any:
    """``x1 / x2``; for Python numbers, too, infinite or NaN where x2 is 0."""
    try:
        return x1 / x2
    except ZeroDivisionError:
        return np.divide(x1, x2).item()


def inverse(x: Any) -> Any:
    """``1 / x``."""
    return divided(1, x)


def horner(coefficients: Sequence[float], x: Any) -> Any:
    """The polynomial with these coefficients, that of ``x**0`` first."""
    *lower, total = coefficients
    for coefficient in reversed(lower):
        total = total * x + coefficient
    return total


def without_zero(x: Any) -> Any:
    """`x` with 1 in place of 0: a denominator whose numerator is 0 as well."""
    return np.where(x == 0, 1, x)


# ------------------------------------------------------------------------------- sums and products

_pair = [
    call(normal(3, 4), normal(4)),
    call(normal(), normal(2, 1)),
    call(complex_normal(3), normal(3)),
    call(normal(0, 3), normal(3)),
]
_single = [call(normal(3, 4)), call(normal()), call(complex_normal(3)), call(normal(2, 0))]

# fmt: off
add       = elementwise(np.add,       d=(1, 1),  formula=("1", "1"),  lower="add",  samples=_pair)
subtract  = elementwise(np.subtract,  d=(1, -1), formula=("1", "-1"), lower="sub",  samples=_pair)
negative  = elementwise(np.negative,  d=-1,      formula="-1",        lower="neg",  samples=_single)
unchanged = elementwise(np.positive,  d=1,       formula="1",         lower="copy", samples=_single)
multiply  = elementwise(np.multiply,  d=(lambda x2: x2, lambda x1: x1), formula=("x2", "x1"), lower="mul",
                        samples=_pair)
# fmt: on
divide = elementwise(
    np.divide,
    d=(lambda x2: inverse(x2), lambda x2, out: -divided(out, x2)),
    formula=("1/x2", "-out/x2"),
    lower="div",
    samples=[
        call(normal(3, 4), positive(4)),
        call(complex_normal(3), complex_normal(3)),
        call(2.0, positive(3)),
        call(normal(3), 3),
    ],
)
square = elementwise(np.square, d=lambda x: 2 * x, formula="2*x", lower="square", samples=_single)
reciprocal = elementwise(
    np.reciprocal,
    d=lambda out: -(out * out),
    formula="-out**2",
    lower="reciprocal",
    samples=[call(positive(3, 4)), call(complex_normal(3))],
)

# ------------------------------------------------------------------------------------------ powers


def _power_x1(x1: Any, x2: Any) -> Any:
    if isinstance(x2, _NUMBER):
        if x2 == 2:
            return 2 * x1
        if x2 == 0 or x2 == 1:
            return x2
        base = np.multiply(x1, 1) if type(x1) in _PYTHON else x1  # a NumPy number: 0.0**-1 is inf
        try:
            return x2 * base ** (x2 - 1)
        except ZeroDivisionError:  # a Python number inside an Array
            return x2 * np.power(base, x2 - 1)
    is_zero = x2 == 0
    return np.where(is_zero, 0, x2 * np.power(x1, np.where(is_zero, 1, x2 - 1)))


def _power_x2(x1: Any, out: Any) -> Any:
    if isinstance(x1, _NUMBER):
        return out * weakly(np.log, x1) if x1 != 0 else 0
    is_zero = x1 == 0
    return np.where(is_zero, 0, out) * np.log(np.where(is_zero, 1, x1))


# x**0 is 1 for every x, so its derivative by x is 0, at x = 0 too; 0**x2 is 0 for every x2 > 0.
_powers = {
    "d": (_power_x1, _power_x2),
    "formula": ("x2*x1**(x2 - 1)", "out*log(x1)"),
    "lower": "pow",
    "kinks": {
        (0.0, 0.0): (0.0, 0.0),
        (0.0, 0.5): (np.inf, 0.0),
        (0.0, 1.0): (1.0, 0.0),
        (0.0, 2.0): (0.0, 0.0),
    },
    "samples": [
        call(positive(3, 4), normal(4)),
        call(normal(3), 2),
        call(normal(3), 3),
        call(positive(3), 0.5),
        call(normal(3), -1.0),
        call(2.0, normal(3)),
        call(normal(3), np.array([0, 1, 2])),
        call(complex_normal(3), complex_normal(3)),
        call(complex_normal(3), 3),
    ],
}
power = elementwise(np.power, **_powers)
float_power = elementwise(np.float_power, **_powers)

# ---------------------------------------------------------------------------------- absolute values


def _abs_x(x: Any) -> Any:
    if np.iscomplexobj(x):
        return np.conjugate(x) / without_zero(np.abs(x))
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
    np.fabs,
    d=lambda x: np.sign(x),
    formula="sign(x)",
    lower="abs",
    kinks={0.0: 0.0},
    samples=[call(normal(3, 4))],
)
# The sign that x1 had and the one it got; at 0 the mean of both sides, as for the absolute value.
copysign = elementwise(
    np.copysign,
    d=(lambda x1, out: np.sign(x1) * np.sign(out), None),
    formula=("sign(x1)*sign(out)", "0"),
    lower="copysign",
    kinks={(0.0, 1.0): (0.0, 0.0)},
    samples=[call(distinct(3, 4), distinct(4)), call(distinct(3), -2.0)],
)
hypot = elementwise(
    np.hypot,
    d=(lambda x1, out: x1 / without_zero(out), lambda x2, out: x2 / without_zero(out)),
    formula=("x1/out", "x2/out"),
    lower="hypot",
    kinks={(0.0, 0.0): (0.0, 0.0)},
    samples=[call(normal(3, 4), normal(4)), call(normal(3), 2.0), call(0.5, normal(3))],
)

# ---------------------------------------------------------------------------- maximum and minimum


def _taken(is_taken: Any, is_tie: Any, tie: Any) -> Any:
    # Half precision stands beside every floating dtype without widening it.
    return np.where(is_taken, _ONE, np.where(is_tie, np.float16(tie), _ZERO))


_ONE, _ZERO = np.float16(1), np.float16(0)


def _larger(x1: Any, x2: Any, tie: Any) -> Any:
    return x1 > x2 if tie == 0 else _taken(x1 > x2, x1 == x2, tie)


def _smaller(x1: Any, x2: Any, tie: Any) -> Any:
    return x1 < x2 if tie == 0 else _taken(x1 < x2, x1 == x2, tie)


def _larger_number(x1: Any, x2: Any, tie: Any) -> Any:
    return np.where(np.isnan(x2), True, _larger(x1, x2, tie))


def _smaller_number(x1: Any, x2: Any, tie: Any) -> Any:
    return np.where(np.isnan(x2), True, _smaller(x1, x2, tie))


_choices = {
    "selects": True,
    "kinks": {(1.0, 1.0): (0.5, 0.5), (1.0, "constant"): 0.0},
    "samples": [
        call(distinct(3, 4), normal(4)),
        call(distinct(3, 4), 0.1),
        call(0.2, distinct(5)),
        call(normal(0), 1.0),
    ],
}
# fmt: off
maximum = elementwise(np.maximum, d=(_larger, lambda x1, x2, tie: _larger(x2, x1, tie)),
                      formula=("x1 > x2", "x2 > x1"), lower="max", **_choices)
minimum = elementwise(np.minimum, d=(_smaller, lambda x1, x2, tie: _smaller(x2, x1, tie)),
                      formula=("x1 < x2", "x2 < x1"), lower="min", **_choices)
fmax = elementwise(np.fmax, d=(_larger_number, lambda x1, x2, tie: _larger_number(x2, x1, tie)),
                   formula=("x1 > x2", "x2 > x1"), lower="fmax", **_choices)
fmin = elementwise(np.fmin, d=(_smaller_number, lambda x1, x2, tie: _smaller_number(x2, x1, tie)),
                   formula=("x1 < x2", "x2 < x1"), lower="fmin", **_choices)
# fmt: on

_absent = np._NoValue


@derived(
    np.clip,
    samples=[
        call(distinct(3, 4), -1.0, 1.0),
        call(distinct(3, 4), None, normal(4)),
        call(distinct(3, 4), normal(4), None),
        call(distinct(3), None, 0.3),
        call(distinct(3), min=-0.2, max=0.4),
    ],
)
def clip(a: Any, a_min: Any = _absent, a_max: Any = _absent, **kwargs: Any) -> Any:
    """At most `a_max` of at least `a_min`; at a constant bound the derivative is 0."""
    low, high = _bounds(a_min, a_max, kwargs.pop("min", _absent), kwargs.pop("max", _absent))
    if low is None and high is None:
        return np.positive(a, **kwargs)
    if high is None:
        return np.maximum(a, low, **kwargs)
    return np.minimum(a if low is None else np.maximum(a, low), high, **kwargs)


def _bounds(a_min: Any, a_max: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Both bounds, None for one that is not given; refused as NumPy refuses them."""
    if a_min is _absent and a_max is _absent:
        return (None if low is _absent else low), (None if high is _absent else high)
    for name, bound in (("a_min", a_min), ("a_max", a_max)):
        if bound is _absent:
            raise TypeError(f"clip() missing 1 required positional argument: {name!r}")
    if low is not _absent or high is not _absent:
        raise ValueError(
            "Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is forbidden."
        )
    return a_min, a_max


# --------------------------------------------------------------------------- remainders, floating parts

# Between its jumps a remainder is x1 - n*x2 with a whole number n.
remainder = elementwise(
    np.remainder,
    d=(1, lambda x1, x2: -np.floor_divide(x1, x2)),
    formula=("1", "-floor_divide(x1, x2)"),
    lower="remainder",
    samples=[call(normal(3, 4), positive(4)), call(normal(3), -0.7), call(5.0, positive(3))],
)
fmod = elementwise(
    np.fmod,
    d=(1, lambda x1, x2, out: -np.rint((x1 - out) / x2)),
    formula=("1", "-trunc(x1/x2)"),
    lower="fmod",
    samples=[call(normal(3, 4), positive(4)), call(normal(3), -0.7), call(5.0, positive(3))],
)
nextafter = elementwise(
    np.nextafter, d=(1, None), formula=("1", "0"), samples=[call(normal(3, 4), normal(4))]
)
# Constant in x1 on both sides of 0, where it is x2.
heaviside = elementwise(
    np.heaviside,
    d=(None, lambda x1: x1 == 0),
    formula=("0", "x1 == 0"),
    kinks={(0.0, 1.0): (0.0, 1.0)},
    selects=True,
    samples=[call(normal(3, 4), normal(4)), call(np.array([0.0, 1.0, -1.0]), normal(3))],
)
ldexp = linear(
    np.ldexp,
    transpose=(lambda adjoint, x2: np.ldexp(adjoint, x2), None),
    formula=("2**x2 times the adjoint", "0"),
    lower="ldexp",
    samples=[call(normal(3, 4), np.array([0, 1, -2, 3])), call(normal(), 2)],
)
fraction = elementwise(
    lambda x: np.modf(x)[0],
    d=1,
    name="fraction",
    operands=("x",),
    formula="1",
    samples=[call(normal(3, 4))],
)


@derived(np.divmod, samples=[call(normal(3, 4), positive(4))])
def divmod_(x1: Any, x2: Any) -> Any:
    """Whole quotient and remainder."""
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


@derived(np.modf, samples=[call(normal(3, 4)), call(normal())])
def modf(x: Any) -> Any:
    """Fractional and whole part."""
    return fraction(x), np.trunc(x)


@derived(np.frexp, samples=[call(normal(3, 4)), call(normal())])
def frexp(x: Any) -> Any:
    """Mantissa in [0.5, 1) and exponent of 2."""
    exponent = binary_exponent(x)
    return np.ldexp(x, -exponent), exponent
