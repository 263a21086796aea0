"""log, log2, log10, log1p.

A number is ``2**k * (1 + f)`` with ``sqrt(1/2) <= 1 + f < sqrt(2)``, and ``log(1 + f)`` is a
series in ``s = f/(2 + f)``. The form ``f - (f**2/2 - s*(f**2/2 + R))`` is that of fdlibm (Sun
Microsystems, 1993): f is exact and stands last, so that rounding errors are those of small terms
only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from wengert.compile.native.math.floats import (
    LN2,
    LN10,
    Double,
    Real,
    Table,
    exact_product,
    exact_sum,
    fma,
    ordered_sum,
    parts,
    select,
)

# (log((1 + s)/(1 - s))/s - 2)/z with z = s**2. From `python -m benchmarks.minimax log`.
SERIES = Table(
    double=(
        0.666666666666674,
        0.3999999999937699,
        0.28571428751487316,
        0.22222197570863567,
        0.18183619753276906,
        0.15312552093882548,
        0.14811703926698822,
    ),
    single=(0.6666678190231323, 0.39976873993873596, 0.29889795184135437),
)


class Binary(NamedTuple):
    """``x = 2**exponent * (1 + f)``."""

    f: Real
    exponent: Real
    scale: Real  # 2**-exponent


def split(x: Real) -> Binary:
    """Exponent and fraction of a positive normal number."""
    f = x.format
    lowest = f.bits_of(math.sqrt(0.5))
    one = f.bits_of(1.0)
    shifted = x.bits() + (one - lowest)
    # Put beside the bits of 2**stored, a small whole number becomes a float.
    whole = 2.0**f.stored
    exponent = ((shifted >> f.stored) | f.bits_of(whole)).as_real() - (whole + f.bias)
    significand = ((shifted & ((1 << f.stored) - 1)) + lowest).as_real()
    scale = (2 * one - (shifted & -(1 << f.stored))).as_real()
    return Binary(significand - 1, exponent, scale)


def split_any(x: Real) -> Binary:
    """`split` for subnormal numbers too, which are scaled first."""
    f = x.format
    is_subnormal = x < f.tiny
    parts_of = split(select(is_subnormal, x * 2.0**f.digits, x))
    shift = select(is_subnormal, x.constant(-float(f.digits)), 0.0)
    return Binary(parts_of.f, parts_of.exponent + shift, parts_of.scale)


def _half_square_and_rest(f: Real) -> tuple[Real, Real]:
    """``h = f**2/2`` and ``h - log(1 + f) + f`` negated and less h: the term ``s*(h + R)``."""
    s = f / (f + 2)
    z = s * s
    half_square = 0.5 * f * f
    return half_square, s * fma(z, z.polynomial(SERIES), half_square)


def _log_of_parts(f: Real, exponent: Real, low: Real | None = None) -> Real:
    """``exponent*log(2) + log(1 + f) + low``."""
    high_ln2, low_ln2 = parts(f, LN2, 2, spare=f.format.exponent_bits)
    half_square, rest = _half_square_and_rest(f)
    correction = rest if low is None else rest + low
    small = half_square - fma(exponent, low_ln2, correction)
    return fma(exponent, high_ln2, -(small - f))


def _with_ends(x: Real, inside: Real, pole: float) -> Real:
    """`inside` for positive numbers; the logarithm's values at 0 and infinity, NaN below 0."""
    outside = select(x.equals(pole), -math.inf, select(x < pole, math.nan, x))
    return select((x > pole) & (x < math.inf), inside, outside)


def log(x: Real) -> Real:
    """Natural logarithm; at most 1 ulp."""
    f, exponent, _ = split_any(x)
    return _with_ends(x, _log_of_parts(f, exponent), 0.0)


def _log_in_two(f: Real) -> Double:
    """``log(1 + f)`` with 8 digits to spare."""
    half_square, rest = _half_square_and_rest(f)
    high = f - half_square
    return Double(high, ((f - high) - half_square) + rest)


def _times_inverse(value: Double, inverse: tuple[float, float]) -> Double:
    product, error = exact_product(value.high, value.high.constant(inverse[0]))
    return Double(product, fma(value.low, inverse[0], fma(value.high, inverse[1], error)))


def log2(x: Real) -> Real:
    """Logarithm to base 2; exact at powers of two."""
    f, exponent, _ = split_any(x)
    high_inverse, low_inverse = parts(x, 1 / LN2, 2)
    fraction = _times_inverse(_log_in_two(f), (high_inverse, low_inverse))
    total = ordered_sum(exponent, fraction.high)
    return _with_ends(x, total.high + (total.low + fraction.low), 0.0)


def log10(x: Real) -> Real:
    """Logarithm to base 10; exact at powers of ten."""
    f, exponent, _ = split_any(x)
    high_inverse, low_inverse = parts(x, 1 / LN10, 2)
    high_ratio, low_ratio = parts(x, LN2 / LN10, 2, spare=x.format.exponent_bits)
    fraction = _times_inverse(_log_in_two(f), (high_inverse, low_inverse))
    total = ordered_sum(exponent * high_ratio, fraction.high)
    low = fma(exponent, low_ratio, fraction.low)
    return _with_ends(x, total.high + (total.low + low), 0.0)


def log1p_of_sum(x: Real, low: Real | None = None) -> Real:
    """``log(1 + x + low)`` for a finite ``x > -1`` or NaN, and a `low` below its last digit."""
    total = exact_sum(x.constant(1.0), x)
    f, exponent, scale = split(total.high)
    lost = total.low if low is None else total.low + low
    # With exponent 0 the lost part goes back into f, which is then x itself; NaN comes back too.
    is_large = total.high > 2.0 ** (2 * f.format.digits)
    repaired = select(is_large, f, fma(lost, scale, f))
    return _log_of_parts(repaired, exponent)


def log_of_ratio(above: Double, below: Double, difference: Real, shift: Real) -> Real:
    """``log(above/below) - shift*log(2)`` for positive sums.

    The series in ``s = (above - below) / (above + below)``, once 2**k has made both nearly equal.
    `difference` is ``above - below``, which counts where k is 0 and s may be small.
    """
    _, exponent, scale = split(above.high / below.high)
    gap = fma(above.high, scale, -below.high) + fma(above.low, scale, -below.low)
    s = select(exponent.equals(0.0), difference, gap) / fma(above.high, scale, below.high)
    square = s * s
    shifted = exponent - shift
    high_ln2, low_ln2 = parts(s, LN2, 2, spare=s.format.exponent_bits)
    tail = fma(s * square, square.polynomial(SERIES), shifted * low_ln2)
    total = ordered_sum(shifted * high_ln2, 2 * s)
    return total.high + (total.low + tail)


def log1p(x: Real) -> Real:
    """Logarithm of one more; at most 1.5 ulp, also near 0."""
    is_linear = abs(x) < 2.0**-x.format.digits
    return select(is_linear, x, _with_ends(x, log1p_of_sum(x), -1.0))


FUNCTIONS = {"log": log, "log2": log2, "log10": log10, "log1p": log1p}
