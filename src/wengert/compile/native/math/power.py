"""pow, sqrt, cbrt, hypot.

``x**y = exp(y*log(x))``, where an error of the logarithm is multiplied by up to 700: it is
computed to twice the digits. The special cases are those of IEEE 754 and C, which NumPy has.
"""

from __future__ import annotations

import math
from fractions import Fraction

from wengert.compile.native.math.exp import exp, exp_of_sum
from wengert.compile.native.math.floats import (
    LN2,
    SINGLE,
    Double,
    Real,
    Table,
    exact_product,
    fma,
    ordered_sum,
    parts,
    power_of_two,
    select,
)
from wengert.compile.native.math.log import log, split_any

# ((log((1 + s)/(1 - s))/s - 2)/z - 2/3)/z with z = s**2. From `python -m benchmarks.minimax
# log_third`.
THIRD = Table(
    double=(
        0.39999999999999974,
        0.2857142857144691,
        0.22222222217123833,
        0.18181818918703957,
        0.1538455368756226,
        0.13336436276963876,
        0.11672466016721977,
        0.1200818433694022,
    ),
    single=(),
)


def log_in_two(x: Real) -> Double:
    """Logarithm of a positive number to a relative 2**-65; in double precision only."""
    f, exponent, _ = split_any(x)
    below = ordered_sum(f.constant(2.0), f)
    inverse = 1 / below.high
    s = f * inverse
    s_low = inverse * fma(-s, below.low, fma(-s, below.high, f))
    square, square_error = exact_product(s, s)
    square_low = fma(2 * s, s_low, square_error)

    # log(1 + f) = 2*s + s**3 * (2/3 + s**2 * THIRD)
    two_thirds, two_thirds_low = parts(x, Fraction(2, 3), 2)
    factor = ordered_sum(
        x.constant(two_thirds), fma(square, square.polynomial(THIRD), two_thirds_low)
    )
    cube, cube_error = exact_product(s, square)
    cube_low = fma(s, square_low, fma(s_low, square, cube_error))
    term, term_error = exact_product(cube, factor.high)
    term_low = fma(cube, factor.low, fma(cube_low, factor.high, term_error))
    fraction = ordered_sum(2 * s, term)
    fraction_low = fraction.low + fma(s_low, 2.0, term_low)

    high_ln2, low_ln2 = parts(x, LN2, 2, spare=x.format.exponent_bits)
    total = ordered_sum(exponent * high_ln2, fraction.high)
    return ordered_sum(total.high, total.low + fma(exponent, low_ln2, fraction_low))


def _power_of_size(size: Real, y: Real) -> Real:
    """``size**y`` for ``size >= 0``, but for 0 and infinity to the power 0 and 1 to infinity."""
    value = log_in_two(size)
    ends = select(size.equals(0.0), -math.inf, size)
    is_inside = (size > 0.0) & (size < math.inf)
    product, error = exact_product(y, select(is_inside, value.high, ends))
    # Past these bounds all is 0 or infinity, and the low part may be NaN.
    low = fma(y, value.low, error)
    f = size.format
    top, bottom = 0.6932 * (f.bias + 1), -0.6932 * (f.bias + f.stored + 1)
    high = select(product > top, top, select(product < bottom, bottom, product))
    is_moderate = (product < top) & (product > bottom)
    return exp_of_sum(high, select(is_moderate, low, 0.0))


def _single_power_of_size(size: Real, y: Real) -> Real:
    """The same in single precision, through double, where a plain logarithm is enough."""
    return exp(y.as_double() * log(size.as_double())).as_single()


def power(x: Real, y: Real) -> Real:
    """``x**y``; at most 1 ulp."""
    size = abs(x)
    value = _single_power_of_size(size, y) if x.format is SINGLE else _power_of_size(size, y)
    value = select(size.equals(1.0) & y.equals(y), 1.0, value)

    is_whole = y.intrinsic("trunc").equals(y)
    half = y * 0.5
    is_odd = is_whole & ~half.intrinsic("trunc").equals(half)
    is_undefined = (x < 0.0) & ~is_whole & (size < math.inf)
    signed = select(is_odd, value.copysign(x), value)
    signed = select(is_undefined, math.nan, signed)
    return select(x.equals(1.0) | y.equals(0.0), 1.0, signed)


def known_power(x: Real, exponent: float) -> Real | None:
    """``x**exponent`` by products where that is as accurate as `power`; else None."""
    if exponent == 0.5:
        # The root of -0 is -0, its power 0; the root of -infinity is NaN, its power infinity.
        return select(x.equals(-math.inf), math.inf, (x + 0.0).sqrt())
    if exponent not in _FACTORS:
        return None
    size = abs(int(exponent))
    base = 1 / x if exponent < 0 else x
    square = base * base if size > 1 else base
    return {0: x.constant(1.0), 1: base, 2: square, 3: square * base, 4: square * square}[size]


_FACTORS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)


def sqrt(x: Real) -> Real:
    """Square root, correctly rounded: an instruction."""
    return x.sqrt()


# cbrt(m) between the roots of 1/2 and 2, to 17 digits. From `python -m benchmarks.minimax cbrt`.
CBRT = Table(
    double=(
        0.4511807846306363,
        0.906578578177035,
        -0.5379575992052134,
        0.21826852003783076,
        -0.0380658736389922,
    ),
    single=(
        0.4919717609882355,
        0.7411279678344727,
        -0.29156294465065,
        0.05853888392448425,
    ),
)
_ROOTS = (
    Fraction("0.793700525984099737375852819636154130195746663949926504904142"),
    Fraction("1.259921049894873164767210607278228350570251464701507980081975"),
)


def cbrt(x: Real) -> Real:
    """Cube root; at most 1 ulp.

    ``2**(3*q + s) * m`` with s of -1, 0, 1: the root of m is a polynomial, which a step of Halley's
    method makes nearly exact, and one of Newton's with the exact error of the cube rounds well.
    """
    size = abs(x)
    f, exponent, _ = split_any(size)
    third, whole = exponent.to_nearest(1 / 3)
    rest = fma(third, -3.0, exponent)
    is_less, is_more = rest < -0.5, rest > 0.5
    m = f + 1
    y = m * select(is_less, x.constant(0.5), select(is_more, x.constant(2.0), 1.0))
    below, above = (float(root) for root in _ROOTS)
    start = m.polynomial(CBRT) * select(
        is_less, x.constant(below), select(is_more, x.constant(above), 1.0)
    )
    cube = start * start * start
    root = start * (cube + 2 * y) / (2 * cube + y)
    square, square_error = exact_product(root, root)
    # y - root**3, nearly exact: what is left of the leading product and of its error.
    left = fma(-root, square_error, fma(-root, square, y))
    root = fma(left, root / (3 * y), root)
    is_plain = (size > 0.0) & (size < math.inf)
    return select(is_plain, (root * power_of_two(whole)).copysign(x), x)


def hypot(x1: Real, x2: Real) -> Real:
    """``sqrt(x1**2 + x2**2)`` without overflow; at most 1 ulp."""
    if x1.format is SINGLE:
        first, second = x1.as_double(), x2.as_double()
        root = fma(first, first, second * second).sqrt().as_single()
        return _hypot_ends(abs(x1), abs(x2), root)
    first, second = abs(x1), abs(x2)
    is_first = first > second
    long, short = select(is_first, first, second), select(is_first, second, first)
    # Squares overflow from 2**512 on, and lose digits below 2**-485.
    is_large, is_small = long > 2.0**500, long < 2.0**-460
    down, up = x1.constant(2.0**-700), x1.constant(2.0**700)
    shrink = select(is_large, down, select(is_small, up, 1.0))
    restore = select(is_large, up, select(is_small, down, 1.0))
    a, b = long * shrink, short * shrink
    return _hypot_ends(first, second, fma(a, a, b * b).sqrt() * restore)


def _hypot_ends(first: Real, second: Real, value: Real) -> Real:
    """Infinite where one of both is, though the other be NaN."""
    return select(first.equals(math.inf) | second.equals(math.inf), math.inf, value)


FUNCTIONS = {"pow": power, "sqrt": sqrt, "cbrt": cbrt, "hypot": hypot}
