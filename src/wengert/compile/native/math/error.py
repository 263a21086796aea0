"""erf, erfc.

Up to 1, erf is x times a polynomial in x**2. Beyond, it is ``1 - exp(-x**2) * p(x)``: without a
division, with errors that erfc makes small, and with the exponential that the derivative is: where
both are computed, it is computed once.
"""

from __future__ import annotations

from fractions import Fraction

from wengert.compile.native.math.exp import TAIL, exp, reduced
from wengert.compile.native.math.floats import (
    DOUBLE,
    SINGLE,
    Double,
    Real,
    Table,
    at_least,
    at_most,
    exact_product,
    fma,
    ordered_sum,
    parts,
    quotient,
    scaled,
    select,
)

# erf(x)/x - 1 in x**2, up to 1. From `python -m benchmarks.minimax erf`.
NEAR = Table(
    double=(
        0.12837916709551256,
        -0.3761263890318346,
        0.11283791670942611,
        -0.02686617064291396,
        0.005223977604709406,
        -0.0008548325867086485,
        0.0001205529180077959,
        -1.4924679008600866e-05,
        1.6446725015644128e-06,
        -1.6203204085098477e-07,
        1.3697467304430226e-08,
        -7.7540320984719e-10,
    ),
    single=(
        0.12837916612625122,
        -0.3761262595653534,
        0.1128358244895935,
        -0.02685362473130226,
        0.005187872797250748,
        -0.0008005429990589619,
        7.835704309400171e-05,
    ),
)
# exp(x**2)*erfc(x) in x - 2, for x from 1 to 6, and to 4, as far as erf needs it.
# From `python -m benchmarks.minimax erfcx erfcx_single`.
FAR = Table(
    double=(
        0.2553956763105052,
        -0.10679646185349596,
        0.04180275260358146,
        -0.015460637763869698,
        0.005440738536888946,
        -0.001831664281802884,
        0.0005924699954416395,
        -0.0001847783331179685,
        5.572832807832006e-05,
        -1.6293815734009198e-05,
        4.628132031966844e-06,
        -1.2793620478780683e-06,
        3.449112948324463e-07,
        -9.090553326729524e-08,
        2.331484338063289e-08,
        -5.768454059073368e-09,
        1.4379072278113975e-09,
        -3.869553272134076e-10,
        9.679321728935673e-11,
        -1.6213860044282972e-11,
        1.21593397556843e-12,
    ),
    single=(
        0.2553955912590027,
        -0.10679785162210464,
        0.04180189594626427,
        -0.015441409312188625,
        0.0054757194593548775,
        -0.001862150034867227,
        0.0005000492092221975,
        -0.00019966141553595662,
        0.00010924881644314155,
    ),
)


# (1 + 2*x)*exp(x**2)*erfc(x) - 1 in t = (x - 4)/(x + 4). From `python -m benchmarks.minimax erfc`.
RATIO = Table(
    double=(
        0.2329951186255525,
        -0.13962111684056247,
        0.015379652102621308,
        0.06809705425468697,
        -0.1010390660363758,
        0.09373283499858409,
        -0.06633036581072259,
        0.037167515532976446,
        -0.01619773407512383,
        0.005031970026199134,
        -0.0007577731661119884,
        -0.00019925700912002702,
        0.0001506211214336898,
        -2.4397899789679282e-05,
        -1.122039445787341e-05,
        5.706132830553152e-06,
        2.9068717529267983e-07,
        -8.189968481499793e-07,
        7.835735238415472e-08,
        1.0285081413631343e-07,
        -2.044485958679018e-08,
        -9.514040736598111e-09,
        2.5850281270575534e-09,
    ),
    single=(),
)
SQRT_HALF = Fraction("0.707106781186547524400844362104849039284835937688474036588340")


def erf(x: Real) -> Real:
    """Error function; at most 1.5 ulp."""
    size = abs(x)
    near = fma(x, (x * x).polynomial(NEAR), x)
    # From here on erf rounds to 1.
    bounded = at_most(size, 6.0 if x.format is DOUBLE else 4.0)
    # x * -x is what LLVM makes of -(x * x): the same exponential as the derivative's.
    far = fma(-exp(x * -x), (bounded - 2).polynomial(FAR), 1.0)
    return select(size < 1.0, near, far.copysign(x))


def erfc_of_sum(x: Real, x_low: Real | None = None) -> Real:
    """``erfc(x + x_low)`` for an `x_low` below the last digit; in double precision only.

    From 1/2 on it is ``exp(-x**2) * F(t) / (1 + 2*x)`` with ``t = (x - 4)/(x + 4)`` (M. M.
    Shepherd and J. G. Laframboise, Mathematics of Computation 36 (1981), 249-253): every factor
    has a low part, for their errors would add up.
    """
    size = abs(x)
    near = (1 - x) - x * (x * x).polynomial(NEAR)
    bounded = at_most(size, 28.0)
    square, square_low = exact_product(bounded, bounded)
    if x_low is not None:
        square_low = fma(2 * x, x_low, square_low)
    r, r_low, exponent, _ = reduced(-square)
    decay = ordered_sum(r.constant(1.0), fma(r * r, r.polynomial(TAIL), r))
    decay_low = fma(r_low - square_low, decay.high, decay.low)
    factor = ordered_sum(r.constant(1.0), ((bounded - 4) / (bounded + 4)).polynomial(RATIO))
    product, product_low = exact_product(decay.high, factor.high)
    product_low = fma(decay.high, factor.low, fma(decay_low, factor.high, product_low))
    below = ordered_sum(bounded * 2, r.constant(1.0))
    far = scaled(quotient(Double(product, product_low), below), exponent)
    return select(size < 0.5, near, select(x < 0.0, 2 - far, far))


def erfc(x: Real) -> Real:
    """Complementary error function; at most 1.5 ulp."""
    wide = erfc_of_sum(x.as_double())
    return wide.as_single() if x.format is SINGLE else wide


def ndtr(x: Real) -> Real:
    """Normal distribution: ``erfc(-x/sqrt(2))/2``; at most 2 ulp."""
    wide = x.as_double()
    high, low = parts(wide, -SQRT_HALF, 2)
    scaled_x, error = exact_product(wide, wide.constant(high))
    finite = at_least(at_most(scaled_x, 30.0), -30.0)
    value = 0.5 * erfc_of_sum(finite, select(abs(wide) < 42.0, fma(wide, low, error), 0.0))
    return value.as_single() if x.format is SINGLE else value


FUNCTIONS = {"erf": erf, "erfc": erfc, "ndtr": ndtr}
