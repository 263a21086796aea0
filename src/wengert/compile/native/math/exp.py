"""exp, exp2, expm1.

An argument is ``n*log(2) + r`` with ``abs(r) <= log(2)/2``; the exponential of r is a polynomial
and 2**n is put into the exponent. The difficulty is the ends of the range: see `scaled`.
"""

from __future__ import annotations

from typing import NamedTuple

from wengert.compile.native.math.floats import (
    LN2,
    LOG2_E,
    Double,
    Real,
    Table,
    Whole,
    at_least,
    at_most,
    fma,
    ordered_sum,
    parts,
    power_of_two,
    scaled,
    select,
)

# (exp(r) - 1 - r)/r**2. From `python -m benchmarks.minimax exp`.
TAIL = Table(
    double=(
        0.5,
        0.16666666666666677,
        0.041666666666666685,
        0.008333333333321173,
        0.00138888888888727,
        0.00019841269887753933,
        2.480158735135172e-05,
        2.755724218722411e-06,
        2.7557249309779606e-07,
        2.5109855058807474e-08,
        2.0922709575294894e-09,
    ),
    single=(
        0.5,
        0.1666666716337204,
        0.04166647046804428,
        0.008333190344274044,
        0.0013934570597484708,
        0.00019959904602728784,
    ),
)


class Reduced(NamedTuple):
    """``x = n*log(2) + r + low``; `exponent` holds n in its low bits."""

    r: Real
    low: Real
    exponent: Whole
    n: Real


def within_exponents(x: Real, least: int | None = None, spare: int = 0) -> Real:
    """`x`, kept where ``n`` is at least `least` and at most 1 + `spare` past the largest exponent.

    Whatever lies outside gives infinity, or zero after rounding, all the same.
    """
    bottom = -(x.format.bias + x.format.stored) if least is None else least
    top = 0.6932 * (x.format.bias + 1 + spare)
    return at_least(at_most(x, top), 0.6932 * (bottom - 1))


def reduced(x: Real) -> Reduced:
    """`x` in units of log(2); it must be `within_exponents`."""
    n, exponent = x.to_nearest(float(LOG2_E))
    high, low = parts(x, LN2, 2, spare=x.format.exponent_bits)
    # The first step is exact, for the digits of n and of `high` together fit.
    first = fma(n, -high, x)
    r = fma(n, -low, first)
    return Reduced(r, fma(n, -low, first - r), exponent, n)


def exp_of_reduced(r: Real) -> Real:
    """The exponential of a small number."""
    return 1 + fma(r * r, r.polynomial(TAIL), r)


def exp(x: Real) -> Real:
    """Exponential; at most 1 ulp."""
    r, _, exponent, _ = reduced(within_exponents(x))
    return scaled(exp_of_reduced(r), exponent)


def exp_in_two(x: Real) -> Double:
    """Exponential of a number that is not positive, with 8 digits to spare."""
    r, low, exponent, _ = reduced(within_exponents(x))
    value = ordered_sum(r.constant(1.0), fma(r * r, r.polynomial(TAIL), r))
    return Double(scaled(value.high, exponent), scaled(fma(low, value.high, value.low), exponent))


def exp_of_sum(high: Real, low: Real) -> Real:
    """``exp(high + low)`` for a `high` within the exponents and a `low` below its last digit."""
    r, _, exponent, _ = reduced(high)
    return scaled(exp_of_reduced(r + low), exponent)


def exp2(x: Real) -> Real:
    """Power of two; exact at whole numbers."""
    f = x.format
    bounded = at_least(at_most(x, f.bias + 1.0), -(f.bias + f.digits + 1.0))
    n, exponent = bounded.to_nearest()
    rest = bounded - n
    high, low = parts(x, LN2, 2)
    r = rest * high
    tail = fma(rest, low, fma(rest, high, -r))
    return scaled(1 + (r + fma(r * r, r.polynomial(TAIL), tail)), exponent)


class Expm1(NamedTuple):
    """``expm1(x) = 2*(high + low)``."""

    high: Real
    low: Real


def half_of_expm1(x: Real) -> Expm1:
    """Half of ``exp(x) - 1``, for an `x` with ``n >= -digits``; half, for 2**n may overflow.

    ``2**(n-1) * (exp(r) - 1) + (2**(n-1) - 1/2)``, whose second term is exact for small n and 0
    for n = 0.
    """
    r, low, exponent, _ = reduced(x)
    scale = power_of_two(exponent - 1)
    curved = fma(r * r, r.polynomial(TAIL), low)
    return Expm1(fma(scale, r, scale - 0.5), scale * curved)


def expm1(x: Real) -> Real:
    """Exponential less one; at most 1.5 ulp, also near 0."""
    high, low = half_of_expm1(within_exponents(x, least=-x.format.digits - 3))
    # Below this x**2/2 is less than half an ulp; -0 stays.
    is_linear = abs(x) < 2.0**-x.format.digits
    return select(is_linear, x, 2 * (high + low))


FUNCTIONS = {"exp": exp, "exp2": exp2, "expm1": expm1}
