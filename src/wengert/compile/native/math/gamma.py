"""lgamma, digamma and gamma, in double precision; single precision goes through it.

Three ranges: polynomials between 1 and 3, where the zeros are, written with those as factors; the
recurrence down to it from 8; and Stirling's series. Left of 0, the reflection of the function at
1/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from wengert.compile.native.math.exp import exp_of_sum
from wengert.compile.native.math.floats import (
    PI,
    SINGLE,
    Double,
    Real,
    Table,
    at_most,
    exact_product,
    exact_sum,
    fma,
    ordered_sum,
    parts,
    select,
)
from wengert.compile.native.math.log import log
from wengert.compile.native.math.power import log_in_two
from wengert.compile.native.math.trigonometric import sin_cos_of_angle

# log(gamma(2 + w))/(w*(w + 1)). From `python -m benchmarks.minimax lgamma`.
LGAMMA = Table(
    double=(
        0.42278433509846713,
        -0.10031730167435392,
        0.032965000621156454,
        -0.012384192193371496,
        0.004998641164674118,
        -0.002108130833952714,
        0.0009153769226379987,
        -0.0004057073974877332,
        0.00018255263563367254,
        -8.309512725865766e-05,
        3.8168906600995764e-05,
        -1.766166509332392e-05,
        8.222145583325684e-06,
        -3.847398624403277e-06,
        1.8081054069132894e-06,
        -8.526376989915365e-07,
        4.041016097820186e-07,
        -1.9259743012838387e-07,
        8.981772181860976e-08,
        -4.1569794845432023e-08,
        2.355364645334706e-08,
        -1.2781482758382034e-08,
        1.3681385694399198e-09,
        5.511214213852516e-10,
        3.821501371671576e-09,
        -2.481353927105221e-09,
        -1.0496388784958032e-09,
        7.067411239078649e-10,
        3.7761302834863845e-10,
        -2.1073975144966428e-10,
    ),
    single=(),
)
# x*(log(gamma(x)) - (x - 1/2)*log(x) + x - log(2*pi)/2) in 1/x**2, from 8 on. From `...
# lgamma_tail`.
LGAMMA_TAIL = Table(
    double=(
        0.08333333333333333,
        -0.002777777777766813,
        0.0007936507860912782,
        -0.0005952357832634943,
        0.0008413847986662508,
        -0.0018860237929513948,
        0.004980184769707965,
    ),
    single=(),
)
# digamma(2 + w)/(2 + w - root). From `... digamma`.
DIGAMMA = Table(
    double=(
        0.7853075386041053,
        -0.26073895468300146,
        0.10899991701762454,
        -0.04955103291766493,
        0.023447309597743875,
        -0.011338432553642796,
        0.00555225417217862,
        -0.002739572877398121,
        0.0013581421654420744,
        -0.0006753134317268128,
        0.0003364326807473169,
        -0.00016781476637164297,
        8.377750745039687e-05,
        -4.184814948532811e-05,
        2.0901639063345952e-05,
        -1.0434972511599255e-05,
        5.237385723712598e-06,
        -2.647547643268735e-06,
        1.281652207096723e-06,
        -5.838949522916821e-07,
        3.514834797522351e-07,
        -2.559598106155492e-07,
        6.712260204348032e-08,
        4.7998430640780314e-08,
        1.9584195365693288e-08,
        -6.796985790481839e-08,
        1.3227475778093673e-08,
        2.1006660430460514e-08,
        -4.600070180496507e-09,
        -5.535246069196838e-09,
        2.0092145571136616e-09,
    ),
    single=(),
)
# (log(x) - 1/(2*x) - digamma(x))*x**2 in 1/x**2, from 8 on. From `... digamma_tail`.
DIGAMMA_TAIL = Table(
    double=(
        0.08333333333333333,
        -0.008333333333321079,
        0.00396825395867326,
        -0.004166663266227104,
        0.007575109903973943,
        -0.021021713624114934,
        0.07877041713820752,
        -0.2780297298228734,
    ),
    single=(),
)
# gamma(2 + w) - 1. From `... gamma`.
GAMMA = Table(
    double=(
        -9.899960392570643e-19,
        0.4227843350984678,
        0.4118403304263668,
        0.08157691925027412,
        0.07424901067985402,
        -0.0002669810307261359,
        0.011154036004533735,
        -0.002852582042545056,
        0.0021036283143719744,
        -0.0009184832759811299,
        0.00048742048877041685,
        -0.00023471674970238879,
        0.00011152963142280141,
        -4.787104005843678e-05,
        1.7507940297982252e-05,
        -4.9193981042162185e-06,
        9.196681894580497e-07,
        -8.396543175605e-08,
    ),
    single=(),
)

# The zero of digamma (OEIS A030169), and log(2*pi)/2.
ROOT = Fraction("1.461632144968362341262659542325721328468196204006446351295988")
LOG_TWO_PI_HALF = Fraction("0.918938533204672741780329736405617639861397473637783412817152")
STIRLING_FROM = 8.0


def through_double(function: Callable[[Real], Real]) -> Callable[[Real], Real]:
    """`function`, in double precision whatever its argument's."""

    def wide(x: Real) -> Real:
        value = function(x.as_double())
        return value.as_single() if x.format is SINGLE else value

    return wide


class Lowered(NamedTuple):
    """``x = y + n`` with `y` between 1 and 3, for an x between 1 and 8."""

    y: Real
    product: Real  # y*(y + 1)*...*(x - 1)
    inverses: Real  # 1/y + 1/(y + 1) + ... + 1/(x - 1), times `product`


def _lowered(x: Real) -> Lowered:
    """The recurrence down to 3, in steps that are taken or not."""
    y = x
    product, inverses = x.constant(1.0), x.constant(0.0)
    for _ in range(5):
        is_above = y >= 3.0
        following = y - 1
        inverses = select(is_above, fma(inverses, following, product), inverses)
        product = select(is_above, product * following, product)
        y = select(is_above, following, y)
    return Lowered(y, product, inverses)


def _within(x: Real, low: float, high: float) -> Real:
    """`x` kept within bounds, NaN included: for the range of a branch that another replaces."""
    return select(x > low, select(x < high, x, high), low)


def _left_of_zero(x: Real) -> Real:
    """`x` where a reflection needs it, else 1/2; 0 for what is so large that it must be whole."""
    return select(x < 0.0, select(x > -(2.0**52), x, 0.0), 0.5)


def _sin_cos_pi(x: Real) -> tuple[Real, Real]:
    """Sine and cosine of ``pi*x``; of the sine's zeros at whole numbers none is lost."""
    doubled = (2 * x).intrinsic("rint")
    rest = fma(doubled, -0.5, x)
    high, low = parts(x, PI, 2)
    angle, error = exact_product(rest, x.constant(high))
    sine, cosine = sin_cos_of_angle(angle, fma(rest, low, error))
    # doubled counts quarter turns; four of them do nothing, of any number below 2**53.
    quarter = doubled - 4 * (doubled * 0.25).intrinsic("floor")
    is_odd = quarter.equals(1.0) | quarter.equals(3.0)
    first, second = select(is_odd, cosine, sine), select(is_odd, sine, cosine)
    return (
        select(quarter > 1.5, -first, first),
        select(quarter.equals(1.0) | quarter.equals(2.0), -second, second),
    )


def _lgamma(x: Real) -> Real:
    """Logarithm of the size of gamma; at most 4 ulp right of 0.

    Left of 0 it has zeros where two logarithms cancel: there the error is 4 ulp of those.
    """
    is_left = x < 0.0
    size = abs(x)
    # gamma(x) * gamma(1 - x) = pi/sin(pi*x)
    right = select(is_left, 1 + size, size)
    is_small = right < 1.0
    y, product, _ = _lowered(_within(select(is_small, right + 1, right), 1.0, STIRLING_FROM))
    # right - 1 and right are exact where 1 + right is not.
    w, w1 = select(is_small, right - 1, y - 2), select(is_small, right, y - 1)
    near = w * w1 * w.polynomial(LGAMMA)

    is_far = right >= STIRLING_FROM
    logarithm = log(select(is_far | is_small, right, product))
    inverse = 1 / select(is_far, right, STIRLING_FROM)
    tail = inverse * (inverse * inverse).polynomial(LGAMMA_TAIL)
    far = fma(right - 0.5, logarithm - 1, tail + float(LOG_TWO_PI_HALF - Fraction(1, 2)))
    value = select(is_far, far, near + select(is_small, -logarithm, logarithm))

    sine, _ = _sin_cos_pi(_left_of_zero(x))
    reflected = -log(abs(sine) * float(1 / PI)) - value
    reflected = select(sine.equals(0.0), math.inf, reflected)
    value = select(is_left, reflected, value)
    return select(size < math.inf, value, x)


def _digamma(x: Real) -> Real:
    """Logarithmic derivative of gamma; at most 4 ulp right of 0.

    Left of 0 it has zeros where a cotangent cancels: there the error is 4 ulp of that.
    """
    is_left = x < 0.0
    # What 1 - x loses by rounding counts near the zero of digamma.
    mirrored = exact_sum(x.constant(1.0), -x)
    right, lost = select(is_left, mirrored.high, x), select(is_left, mirrored.low, 0.0)
    is_small = right < 1.0
    y, product, inverses = _lowered(_within(select(is_small, right + 1, right), 1.0, STIRLING_FROM))
    high, low = parts(x, ROOT, 2)
    w = select(is_small, right - 1, y - 2)
    from_root = select(is_small, right - (high - 1), y - high) + (lost - low)
    is_far = right >= STIRLING_FROM
    inverse = 1 / select(is_far | is_small, right, product)
    shift = select(is_small, -inverse, inverses * inverse)
    near = fma(from_root, w.polynomial(DIGAMMA), shift)

    square = inverse * inverse
    far_tail = fma(square, square.polynomial(DIGAMMA_TAIL), 0.5 * inverse)
    far = log(select(is_far, right, 1.0)) - far_tail
    value = select(is_far, far, near)

    sine, cosine = _sin_cos_pi(_left_of_zero(x))
    reflected = select(sine.equals(0.0), math.nan, value - float(PI) * cosine / sine)
    return select(x.equals(x), select(is_left, reflected, value), x)


def _gamma(x: Real) -> Real:
    """Gamma; at most 4 ulp. From 8 on it is Stirling's series in twice the digits."""
    is_left = x < 0.0
    size = abs(x)
    y, product, _ = _lowered(_within(size, 1.0, STIRLING_FROM))
    is_small, is_short, is_far = size < 1.0, size < 2.0, size >= STIRLING_FROM
    w = select(is_small, size, select(is_short, y - 1, y - 2))
    above = (1 + w.polynomial(GAMMA)) * product
    below = select(is_small, size * (size + 1), select(is_short, size, 1.0))

    high, low = _log_gamma_in_two(select(is_far, at_most(size, 256.0), STIRLING_FROM))
    far = exp_of_sum(select(is_left, -high, high), select(is_left, -low, low))

    # gamma(x) * gamma(-x) = -pi/(x*sin(pi*x)), whose x cancels against `below` where that has it.
    sine, _ = _sin_cos_pi(_left_of_zero(x))
    numerator = float(PI) * select(is_far, far, select(is_small, size + 1, 1.0))
    has_factor = is_far | ~(is_small | is_short)
    denominator = sine * select(is_far, size, above * select(has_factor, size, 1.0))
    left = select(sine.equals(0.0), math.nan, numerator / denominator)
    value = select(is_left, left, select(is_far, far, above / below))
    value = select(size.equals(0.0), x.constant(math.inf).copysign(x), value)
    return select(x.equals(x), select(x.equals(-math.inf), math.nan, value), x)


def _log_gamma_in_two(x: Real) -> Double:
    """``log(gamma(x))`` from 8 on, to the digits that its exponential needs."""
    logarithm = log_in_two(x)
    factor = x - 0.5
    product, error = exact_product(factor, logarithm.high)
    inverse = 1 / x
    tail = inverse * (inverse * inverse).polynomial(LGAMMA_TAIL)
    high_half, low_half = parts(x, LOG_TWO_PI_HALF, 2)
    first = ordered_sum(product, -x)
    second = ordered_sum(first.high, x.constant(high_half))
    low = first.low + second.low + (tail + (fma(factor, logarithm.low, error) + low_half))
    return ordered_sum(second.high, low)


lgamma, digamma, gamma = map(through_double, (_lgamma, _digamma, _gamma))

FUNCTIONS = {"lgamma": lgamma, "digamma": digamma, "gamma": gamma}
