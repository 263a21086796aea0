"""asin, acos, atan, atan2.

One polynomial of degree 41 serves the arctangent of every ratio up to 1; the octants that fold the
plane onto those are put back with pi in two parts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from wengert.compile.native.math.floats import (
    PI,
    Real,
    Table,
    Truth,
    at_least,
    fma,
    parts,
    select,
)

# (atan(t)/t - 1)/t**2 in t**2 up to 1. From `python -m benchmarks.minimax atan`.
ATAN = Table(
    double=(
        -0.33333333333333065,
        0.1999999999995108,
        -0.14285714282556788,
        0.11111111006555649,
        -0.09090906995507753,
        0.07692279759124629,
        -0.06666403447415074,
        0.05880524393928932,
        -0.05253504070790341,
        0.04722275120367239,
        -0.04219060023195451,
        0.03663956562465073,
        -0.02990024501500386,
        0.021980524169561703,
        -0.013896572166980176,
        0.007193734812698695,
        -0.0028835183161696138,
        0.0008308351639521471,
        -0.00015205695030595223,
        1.3214803754081269e-05,
    ),
    single=(
        -0.33333298563957214,
        0.1999853402376175,
        -0.14264102280139923,
        0.10951505601406097,
        -0.08401575684547424,
        0.05792704597115517,
        -0.031148666515946388,
        0.010899501852691174,
        -0.001790350885130465,
    ),
)
# (asin(s)/s - 1)/s**2 in s**2 up to 1/4. From `python -m benchmarks.minimax asin`.
ASIN = Table(
    double=(
        0.16666666666666763,
        0.07499999999970172,
        0.044642857175188,
        0.030381942680962136,
        0.022372215723931322,
        0.01735159909710456,
        0.013980972010970585,
        0.011397698428068367,
        0.01078692365980224,
        0.0036816764306868816,
        0.02176656683596311,
        -0.02108132711590561,
        0.03267924834880567,
    ),
    single=(
        0.16666659712791443,
        0.0750051811337471,
        0.044514577835798264,
        0.031825870275497437,
        0.014374789781868458,
        0.03760066255927086,
    ),
)


def _atan_tail(ratio: Real) -> Real:
    """``atan(ratio) - ratio`` for a ratio up to 1."""
    square = ratio * ratio
    return ratio * square * square.polynomial(ATAN)


def arctan(x: Real) -> Real:
    """Arctangent; at most 1.5 ulp."""
    size = abs(x)
    is_steep = size > 1.0
    ratio = select(is_steep, 1 / size, size)
    tail = _atan_tail(ratio)
    high, low = parts(x, PI / 2, 2)
    steep = (high - ratio) + (low - tail)
    return select(is_steep, steep, ratio + tail).copysign(x)


def arctan2(y: Real, x: Real) -> Real:
    """Angle of the point (x, y); at most 1.5 ulp, with the sign of y also where that is 0."""
    width, height = abs(x), abs(y)
    is_steep = height > width
    short, long = select(is_steep, width, height), select(is_steep, height, width)
    # The origin lies on the axis, and infinities in both coordinates on the diagonal.
    ratio = select(long.equals(0.0), short, short / long)
    ratio = select(short.equals(math.inf) & long.equals(math.inf), 1.0, ratio)
    tail = _atan_tail(ratio)

    is_left = x.is_negative()
    high, low = parts(x, PI, 2)
    turn = select(is_steep, x.constant(high / 2), select(is_left, x.constant(high), 0.0))
    turn_low = select(is_steep, x.constant(low / 2), select(is_left, x.constant(low), 0.0))
    is_backward = is_steep ^ is_left
    main = turn + select(is_backward, -ratio, ratio)
    rest = turn_low + select(is_backward, -tail, tail)
    return (main + rest).copysign(y)


class Folded(NamedTuple):
    """``asin(s) = s + tail``, for s the argument, or ``sqrt((1 - x)/2)`` beyond 1/2."""

    is_far: Truth
    s: Real
    tail: Real


def _folded(x: Real, s: Real) -> Folded:
    """`x` is the size of the argument, `s` what is taken up to 1/2."""
    is_far = x > 0.5
    half = fma(x, -0.5, 0.5)
    root = half.sqrt()
    # The rounding error of the root counts twice in ``pi/2 - 2*asin(root)``.
    root_low = fma(-root, root, half) / at_least(2 * root, x.format.tiny)
    square = select(is_far, half, x * x)
    first = select(is_far, root, s)
    tail = fma(first * square, square.polynomial(ASIN), select(is_far, root_low, 0.0))
    return Folded(is_far, first, tail)


def arcsin(x: Real) -> Real:
    """Arcsine; at most 1.5 ulp. Beyond 1/2 it is ``pi/2 - 2*asin(sqrt((1 - x)/2))``."""
    is_far, s, tail = _folded(abs(x), abs(x))
    high, low = parts(x, PI / 2, 2)
    far = fma(s, -2.0, high) - fma(tail, 2.0, -low)
    return select(is_far, far, s + tail).copysign(x)


def arccos(x: Real) -> Real:
    """Arccosine; at most 1.5 ulp. Beyond 1/2 it is ``2*asin(sqrt((1 - x)/2))``, or pi less that."""
    is_far, s, tail = _folded(abs(x), x)
    high, low = parts(x, PI, 2)
    near = (high / 2) - (s - (low / 2 - tail))
    right = 2 * (s + tail)
    left = high - (2 * s + (2 * tail - low))
    return select(is_far, select(x < 0.0, left, right), near)


FUNCTIONS = {"arcsin": arcsin, "arccos": arccos, "arctan": arctan, "arctan2": arctan2}
