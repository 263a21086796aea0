"""sin, cos, tan.

An argument is reduced to quarter turns with the digits of 2/pi that its exponent calls for: exact
for every number, and without a branch, for LLVM vectorises no loop with a rare path. A function
that is called, not inlined, takes a shorter way below 2**40, and gives sine and cosine together:
a gradient needs both.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import NamedTuple, cast

from llvmlite import ir

from wengert.compile.native.math.floats import (
    DOUBLE,
    PI,
    SINGLE,
    Double,
    Real,
    Table,
    Truth,
    Whole,
    either,
    exact_product,
    exact_sum,
    fma,
    ordered_sum,
    parts,
    quotient,
    select,
)

# (sin(r)/r - 1)/r**2 and (cos(r) - 1 + r**2/2)/r**4 in r**2. From `python -m benchmarks.minimax
# sin cos`.
SIN = Table(
    double=(
        -0.1666666666666663,
        0.008333333333321816,
        -0.0001984126982931882,
        2.755731351813406e-06,
        -2.5050730252033923e-08,
        1.5895143599965549e-10,
    ),
    single=(-0.16666655242443085, 0.008332185447216034, -0.00019517369219101965),
)
COS = Table(
    double=(
        0.041666666666666595,
        -0.0013888888888873318,
        2.480158728896359e-05,
        -2.755731419821499e-07,
        2.087570176388513e-09,
        -1.1358506470881025e-11,
    ),
    single=(0.04166664555668831, -0.0013887308305129409, 2.4432025384157896e-05),
)

# -------------------------------------------------------------------------------- digits of 2/pi

_BITS = 1280  # enough for the largest exponent, with 200 digits behind those that are dropped
_ROWS = 128
_STEP = 16  # exponents that share a row


def _arctan_inverse(divisor: int, one: int) -> int:
    """``arctan(1/divisor)`` in units of ``1/one``, by its series."""
    term = total = one // divisor
    index, sign = 1, 1
    while term:
        term //= divisor * divisor
        index, sign = index + 2, -sign
        total += sign * (term // index)
    return total


class Digits(NamedTuple):
    """A table of 2/pi: how many parts a row has, and the multiple that is dropped.

    A significand of d digits below 2**16 is a multiple of 2**(1 - d), so that 2**(d + 1) of them
    are whole turns.
    """

    parts: int
    dropped: int


DIGITS = {DOUBLE: Digits(4, 1 << 54), SINGLE: Digits(2, 1 << 25)}


@cache
def _two_over_pi_by_exponent(digits: Digits) -> list[list[float]]:
    """``2**e * 2/pi`` in parts, less what is dropped, for every 16th exponent of a double.

    Rows of numbers so small that they are their own sines are 0. pi is by J. Machin (1706):
    16*arctan(1/5) - 4*arctan(1/239).
    """
    one = 1 << (_BITS + 64)
    pi = 16 * _arctan_inverse(5, one) - 4 * _arctan_inverse(239, one)
    two_over_pi = Fraction((2 * one << _BITS) // pi, 1 << _BITS)
    rows = []
    for row in range(_ROWS):
        exponent = _STEP * row - DOUBLE.bias
        rest = two_over_pi * Fraction(2) ** exponent % digits.dropped
        numbers = []
        for _ in range(digits.parts):
            numbers.append(float(rest) if exponent > -64 else 0.0)
            rest -= Fraction(numbers[-1])
        rows.append(numbers)
    return rows


def _table(builder: ir.IRBuilder, digits: Digits) -> ir.GlobalVariable:
    name = f"wengert.two_over_pi.{digits.parts}"
    if name in builder.module.globals:
        return builder.module.globals[name]
    kind = ir.ArrayType(ir.ArrayType(ir.DoubleType(), digits.parts), _ROWS)
    table = ir.GlobalVariable(builder.module, kind, name)
    table.initializer = ir.Constant(kind, _two_over_pi_by_exponent(digits))
    table.global_constant = True
    table.linkage = "internal"
    return table


def _factors(x: Real, digits: Digits) -> tuple[Real, list[Real]]:
    """A factor below 2**16, and parts of 2**e * 2/pi.

    Their product is ``x * 2/pi`` less whole turns. Infinity and NaN make the last part NaN.
    """
    builder, bits = x.builder, x.bits()
    # The four lowest bits of the exponent stay with the factor, the others choose the row.
    shared = x.format.stored + 4
    factor = ((bits & ((1 << shared) - 1)) + x.format.bits_of(1.0)).as_real()
    row = (bits >> shared) & (_ROWS - 1)
    index = ir.IntType(64)
    places = [
        builder.gep(_table(builder, digits), [index(0), row.value, index(part)], inbounds=True)
        for part in range(digits.parts)
    ]
    *first, last = (Real(builder, builder.load(place)) for place in places)
    return factor.copysign(x), [*first, fma(x, 0.0, last)]


class Reduced(NamedTuple):
    """``x = (4*k + quadrant)*pi/2 + angle``; of `quadrant` the two lowest bits count."""

    angle: Double
    quadrant: Whole


Reduction = Callable[[Real], Reduced]


def reduced(x: Real) -> Reduced:
    """Nearest quarter turn and what is left, to a relative 2**-70 whatever cancels.

    M. Payne and R. Hanek, ACM SIGNUM Newsletter 18(1), 1983, 19-24. Arguments come within 2**-62 of
    a quarter turn: products are summed without error as far as those reach.
    """
    factor, (first, second, third, fourth) = _factors(x, DIGITS[DOUBLE])
    top, top_error = exact_product(factor, first)
    turns = (top * 0.25).intrinsic("rint")
    middle, middle_error = exact_product(factor, second)
    bottom, bottom_error = exact_product(factor, third)

    quarters = exact_sum(top_error, middle)
    total = exact_sum(fma(turns, -4.0, top), quarters.high)
    n, quadrant = total.high.to_nearest()

    rest = exact_sum(quarters.low, total.low)
    more = exact_sum(rest.high, middle_error)
    most = exact_sum(more.high, bottom)
    least = (rest.low + more.low) + (most.low + fma(factor, fourth, bottom_error))
    fraction = exact_sum(total.high - n, most.high)
    return Reduced(_quarters_to_radians(fraction.high, fraction.low + least), quadrant)


def _reduced_single(x: Real) -> Reduced:
    """The same for a double with the 24 digits of a single: two parts leave 2**-64."""
    factor, (first, second) = _factors(x, DIGITS[SINGLE])
    top, error = exact_product(factor, first)
    n, quadrant = top.to_nearest()
    fraction = (top - n) + fma(factor, second, error)
    return Reduced(Double(fraction * float(PI / 2), x.constant(0.0)), quadrant)


def _quarters_to_radians(high: Real, low: Real) -> Double:
    high_pi, low_pi = parts(high, PI / 2, 2)
    product, error = exact_product(high, high.constant(high_pi))
    return Double(product, fma(high, low_pi, fma(low, high_pi, error)))


def _reduced_below_bound(x: Real) -> Reduced:
    """The same by pi/2 in three parts (W. J. Cody and W. Waite, 1980), for numbers below 2**40."""
    n, quadrant = x.to_nearest(float(2 / PI))
    high, middle, low = parts(x, PI / 2, 3)
    # Exact: the difference is below 1, and a multiple of 2**-53.
    first = fma(n, -high, x)
    product, error = exact_product(n, x.constant(middle))
    angle = exact_sum(first, -product)
    return Reduced(Double(angle.high, fma(n, -low, angle.low - error)), quadrant)


def reduced_by_branch(x: Real) -> Reduced:
    """The shorter way where it is exact."""

    def flat(reduction: Reduction) -> tuple[Real, Real, Whole]:
        (high, low), quadrant = reduction(x)
        return high, low, quadrant

    values = either(abs(x) < 2.0**40, lambda: flat(_reduced_below_bound), lambda: flat(reduced))
    high, low, quadrant = cast(tuple[Real, Real, Whole], values)
    return Reduced(Double(high, low), quadrant)


# ---------------------------------------------------------------------------- within a quarter turn


def _kernels(angle: Real, low: Real | None) -> tuple[Double, Double]:
    """Sine and cosine of a small ``angle + low``, each as two terms that are still to be added."""
    square = angle * angle
    half = 0.5 * square
    cos_high = 1 - half
    sin_low = angle * square * square.polynomial(SIN)
    cos_low = fma(square * square, square.polynomial(COS), (1 - cos_high) - half)
    if low is not None:
        sin_low = fma(low, cos_high, sin_low)
        cos_low = fma(low, -angle, cos_low)
    return Double(angle, sin_low), Double(cos_high, cos_low)


def sin_cos_of_angle(angle: Real, low: Real) -> tuple[Real, Real]:
    """Sine and cosine of ``angle + low``, an eighth turn at most."""
    sine, cosine = _kernels(angle, low)
    return sine.high + sine.low, cosine.high + cosine.low


class SinCos(NamedTuple):
    """Sine and cosine of the rest of an angle, in two terms each, and its quadrant."""

    sin: Double
    cos: Double
    quadrant: Whole


def _sin_cos(x: Real, reduction: Reduction) -> SinCos:
    """For single precision the reduction is done in double; its rest then needs no second part."""
    if x.format is SINGLE:
        (angle, _), quadrant = _reduced_single(x.as_double())
        return SinCos(*_kernels(angle.as_single(), None), quadrant)
    (angle, low), quadrant = reduction(x)
    return SinCos(*_kernels(angle, low), quadrant)


def _has_bit(whole: Whole, bit: int) -> Truth:
    return (whole & bit).is_not_zero()


def sin_and_cos(x: Real, reduction: Reduction = reduced_by_branch) -> tuple[Real, Real]:
    """Sine and cosine; at most 1.5 ulp, for every argument."""
    (sin_high, sin_low), (cos_high, cos_low), quadrant = _sin_cos(x, reduction)
    sine, cosine = sin_high + sin_low, cos_high + cos_low
    is_odd = _has_bit(quadrant, 1)
    first, second = select(is_odd, cosine, sine), select(is_odd, sine, cosine)
    first = select(_has_bit(quadrant, 2), -first, first)
    second = select(_has_bit(quadrant + 1, 2), -second, second)
    return select(abs(x) < 2.0 ** -(x.format.digits // 2), x, first), second


def sin(x: Real) -> Real:
    """Sine; at most 1.5 ulp, for every argument."""
    return sin_and_cos(x, reduced)[0]


def cos(x: Real) -> Real:
    """Cosine; at most 1.5 ulp, for every argument."""
    return sin_and_cos(x, reduced)[1]


def tan(x: Real, reduction: Reduction = reduced) -> Real:
    """Sine by cosine with the rounding errors of both; at most 2 ulp, for every argument."""
    sine, cosine, quadrant = _sin_cos(x, reduction)
    sine, cosine = ordered_sum(*sine), ordered_sum(*cosine)
    is_odd = _has_bit(quadrant, 1)
    above = Double(select(is_odd, -cosine.high, sine.high), select(is_odd, -cosine.low, sine.low))
    below = Double(select(is_odd, sine.high, cosine.high), select(is_odd, sine.low, cosine.low))
    return select(abs(x) < 2.0 ** -(x.format.digits // 2), x, quotient(above, below))


def tan_by_branch(x: Real) -> Real:
    """`tan` as a function that is called."""
    return tan(x, reduced_by_branch)


FUNCTIONS = {"sin": sin, "cos": cos, "tan": tan}
