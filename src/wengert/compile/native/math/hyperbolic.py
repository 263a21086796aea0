"""sinh, cosh, tanh, and their inverses.

Differences of exponentials cancel near 0, and so do logarithms near 1: each function is written so
that only exact terms cancel, and roundings that would be magnified have a low part.
"""

from __future__ import annotations

import math

from wengert.compile.native.math.exp import half_of_expm1, reduced, within_exponents
from wengert.compile.native.math.floats import (
    LN2,
    Double,
    Real,
    Table,
    at_most,
    exact_sum,
    fma,
    ordered_sum,
    power_of_two,
    quotient,
    scaled,
    select,
)
from wengert.compile.native.math.log import log1p_of_sum, log_of_ratio

# (sinh(r)/r - 1)/r**2 and (cosh(r) - 1)/r**2 in r**2. From `python -m benchmarks.minimax sinh
# cosh`.
SINH = Table(
    double=(
        0.16666666666666677,
        0.008333333333321173,
        0.00019841269887753977,
        2.7557242187136995e-06,
        2.510985510146329e-08,
    ),
    single=(
        0.1666666716337204,
        0.008333193138241768,
        0.00019957376935053617,
    ),
)
COSH = Table(
    double=(
        0.5000000000000014,
        0.041666666666500665,
        0.0013888888951052935,
        2.4801485596467007e-05,
        2.763288525359064e-07,
    ),
    single=(
        0.5,
        0.04166644811630249,
        0.0013936599716544151,
    ),
)


def _even_and_odd(x: Real, *, is_odd: bool) -> Real:
    """``2**(n-1) * (exp(r) -+ 4**-n * exp(-r))``, both exponentials as ``cosh(r) +- sinh(r)``."""
    r, low, exponent, n = reduced(within_exponents(x, spare=1))
    square = r * r
    odd_tail = fma(r * square, square.polynomial(SINH), low)
    even_tail = square * square.polynomial(COSH)
    # Beyond 2**-digits the second exponential no longer counts.
    _, doubled = (at_most(n, float(x.format.digits)) * -2.0).to_nearest()
    second = power_of_two(doubled)
    more, less = 1 + second, 1 - second
    if is_odd:
        value = fma(more, r, less) + fma(more, odd_tail, less * even_tail)
    else:
        # Between 2**-digits and the last bit of 1, `more` has lost the second exponential.
        value = fma(less, r, 1.0) + fma(less, odd_tail, fma(more, even_tail, second))
    return scaled(value, exponent - 1)


def sinh(x: Real) -> Real:
    """Hyperbolic sine; at most 1.5 ulp."""
    value = _even_and_odd(abs(x), is_odd=True).copysign(x)
    return select(abs(x) < 2.0 ** -(x.format.digits // 2), x, value)


def cosh(x: Real) -> Real:
    """Hyperbolic cosine; at most 1 ulp."""
    return _even_and_odd(abs(x), is_odd=False)


def tanh(x: Real) -> Real:
    """Hyperbolic tangent, as ``expm1(2*x) / (expm1(2*x) + 2)``; at most 1.5 ulp."""
    digits = x.format.digits
    # Beyond 0.35*digits the result rounds to 1.
    half = ordered_sum(*half_of_expm1(at_most(2 * abs(x), 0.7 * digits + 4)))
    below = exact_sum(half.high, x.constant(1.0))
    size = quotient(half, Double(below.high, below.low + half.low))
    return select(abs(x) < 2.0 ** -(digits // 2), x, size.copysign(x))


def arcsinh(x: Real) -> Real:
    """Inverse of sinh, as ``log1p(x + x**2/(1 + sqrt(1 + x**2)))``; at most 1.5 ulp."""
    size = abs(x)
    # Where x**2 would overflow, the logarithm of 2*x is that of x and one of 2.
    is_huge = size > 2.0 ** (x.format.bias // 2 - 1)
    moderate = select(is_huge, 1.0, size)
    square = moderate * moderate
    first = ordered_sum(moderate, square / (1 + (1 + square).sqrt()))
    value = log1p_of_sum(select(is_huge, size, first.high), select(is_huge, 0.0, first.low))
    value = select(is_huge, value + float(LN2), value)
    value = select(size < 2.0 ** -(x.format.digits // 2), size, value)
    return select(size < math.inf, value.copysign(x), x)


def arccosh(x: Real) -> Real:
    """Inverse of cosh, as ``log1p(t + sqrt(2*t + t**2))`` with ``t = x - 1``; at most 1.5 ulp."""
    is_huge = x > 2.0 ** (x.format.bias // 2 - 1)
    moderate = select(is_huge, 2.0, x)
    t, t_low = exact_sum(moderate, moderate.constant(-1.0))
    square = fma(t, t, 2 * t)
    root = square.sqrt()
    square_low = fma(t, t, 2 * t - square) + 2 * (t_low * moderate)
    rest = fma(-root, root, square) + square_low
    root_low = select(t.equals(0.0), 0.0, 0.5 * rest / root)
    first = exact_sum(t, root)
    low = first.low + (root_low + t_low)
    value = log1p_of_sum(select(is_huge, x, first.high), select(is_huge, 0.0, low))
    value = select(is_huge, value + float(LN2), value)
    return select(x < math.inf, select(x < 1.0, math.nan, value), x)


def arctanh(x: Real) -> Real:
    """Inverse of tanh, ``log((1 + x)/(1 - x))/2``; at most 1.5 ulp."""
    size = abs(x)
    inside = select(size < 1.0, size, 0.0)
    one = x.constant(1.0)
    above, below = ordered_sum(one, inside), ordered_sum(one, -inside)
    value = 0.5 * log_of_ratio(above, below, 2 * inside, x.constant(0.0))
    # Halving 2*x would lose the last digit of a subnormal number.
    value = select(size < 2.0 ** -(x.format.digits // 2), size, value)
    outside = select(size.equals(1.0), x.constant(math.inf), math.nan)
    return select(size < 1.0, value, outside).copysign(x)


FUNCTIONS = {
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "arcsinh": arcsinh,
    "arccosh": arccosh,
    "arctanh": arctanh,
}
