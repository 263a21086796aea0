"""The logistic function, and what else is made of exp and log.

Only exponentials of negative numbers appear, which cannot overflow.
"""

from __future__ import annotations

import math

from wengert.compile.native.math.exp import exp, exp2, exp_in_two
from wengert.compile.native.math.floats import (
    LN2,
    LOG2_E,
    Double,
    Real,
    fma,
    ordered_sum,
    quotient,
    select,
)
from wengert.compile.native.math.log import log, log1p, log1p_of_sum, log_of_ratio


def sigmoid(x: Real) -> Real:
    """``1/(1 + exp(-x))``; at most 1.5 ulp."""
    decay = exp(-abs(x))
    one = x.constant(1.0)
    above = Double(select(x < 0.0, decay, one), x.constant(0.0))
    return quotient(above, ordered_sum(one, decay))


def log_sigmoid(x: Real) -> Real:
    """``-log(1 + exp(-x))``; at most 1.5 ulp."""
    return -(log1p_of_sum(*exp_in_two(-abs(x))) + select(x < 0.0, -x, 0.0))


def logit(x: Real) -> Real:
    """``log(x/(1 - x))``, the inverse of the sigmoid; at most 1.5 ulp."""
    f = x.format
    is_inside = (x > 0.0) & (x < 1.0)
    inside = select(is_inside, x, 0.5)
    # Small numbers are made large: `log_of_ratio` takes quotients of normal numbers.
    is_small = inside < 2.0**-f.digits
    shift = f.bias - f.digits - 10.0
    above = select(is_small, inside * 2.0**shift, inside)
    value = log_of_ratio(
        Double(above, x.constant(0.0)),
        ordered_sum(x.constant(1.0), -inside),
        select(is_small, above - 1, fma(inside, 2.0, -1.0)),
        select(is_small, x.constant(shift), 0.0),
    )
    ends = select(x.equals(1.0), x.constant(math.inf), math.nan)
    return select(is_inside, value, select(x.equals(0.0), -math.inf, ends))


def _larger_and_gap(x1: Real, x2: Real) -> tuple[Real, Real]:
    return select(x1 > x2, x1, x2), -abs(x1 - x2)


def logaddexp(x1: Real, x2: Real) -> Real:
    """``log(exp(x1) + exp(x2))``; at most 2 ulp of the larger of result and operands."""
    larger, gap = _larger_and_gap(x1, x2)
    value = larger + log1p_of_sum(*exp_in_two(gap))
    return select(x1.equals(x2), x1 + float(LN2), value)


def logaddexp2(x1: Real, x2: Real) -> Real:
    """``log2(2**x1 + 2**x2)``; at most 2 ulp of the larger of result and operands."""
    larger, gap = _larger_and_gap(x1, x2)
    value = fma(log1p_of_sum(exp2(gap)), float(LOG2_E), larger)
    return select(x1.equals(x2), x1 + 1, value)


def xlogy(x1: Real, x2: Real) -> Real:
    """``x1 * log(x2)``, and 0 for an `x1` of 0; at most 2 ulp."""
    return select(x1.equals(0.0) & x2.equals(x2), 0.0, x1 * log(x2))


def xlog1py(x1: Real, x2: Real) -> Real:
    """``x1 * log1p(x2)``, and 0 for an `x1` of 0; at most 2 ulp."""
    return select(x1.equals(0.0) & x2.equals(x2), 0.0, x1 * log1p(x2))


def entr(x: Real) -> Real:
    """``-x * log(x)``, 0 at 0 and minus infinity below; at most 2 ulp."""
    outside = select(x.equals(0.0), x.constant(0.0), -math.inf)
    return select((x <= 0.0), outside, -x * log(x))


FUNCTIONS = {
    "sigmoid": sigmoid,
    "log_sigmoid": log_sigmoid,
    "logit": logit,
    "logaddexp": logaddexp,
    "logaddexp2": logaddexp2,
    "xlogy": xlogy,
    "xlog1py": xlog1py,
    "entr": entr,
}
