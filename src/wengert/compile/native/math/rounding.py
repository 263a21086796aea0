"""floor, ceil, trunc, rint, copysign, and the remainders.

Rounding is an instruction. A remainder is LLVM's `frem`, for which its back ends call C's fmod:
exact for every quotient, but not vectorised, as in NumPy.
"""

from __future__ import annotations

from wengert.compile.native.math.floats import Real, select


def floor(x: Real) -> Real:
    """Largest whole number that is not larger."""
    return x.intrinsic("floor")


def ceil(x: Real) -> Real:
    """Smallest whole number that is not smaller."""
    return x.intrinsic("ceil")


def trunc(x: Real) -> Real:
    """Nearest whole number towards 0."""
    return x.intrinsic("trunc")


def rint(x: Real) -> Real:
    """Nearest whole number, of two the even one."""
    return x.intrinsic("rint")


def copysign(x1: Real, x2: Real) -> Real:
    """The size of `x1` with the sign of `x2`."""
    return x1.copysign(x2)


def fmod(x1: Real, x2: Real) -> Real:
    """Remainder with the sign of `x1`, exact."""
    return Real(x1.builder, x1.builder.frem(x1.value, x2.value))


def remainder(x1: Real, x2: Real) -> Real:
    """Remainder with the sign of `x2`, as Python and NumPy define it."""
    rest = fmod(x1, x2)
    has_wrong_sign = (rest < 0.0) ^ (x2 < 0.0)
    turned = select(has_wrong_sign, rest + x2, rest)
    whole = select(x2.equals(0.0), rest, rest.copysign(x2))
    return select(rest.equals(0.0), whole, turned)


def floor_divide(x1: Real, x2: Real) -> Real:
    """``floor(x1/x2)`` of the exact quotient, as NumPy rounds it."""
    rest = fmod(x1, x2)
    quotient = (x1 - rest) / x2
    has_wrong_sign = ~rest.equals(0.0) & ((rest < 0.0) ^ (x2 < 0.0))
    lowered = select(has_wrong_sign, quotient - 1, quotient)
    below = lowered.intrinsic("floor")
    nearest = select(lowered - below > 0.5, below + 1, below)
    value = select(lowered.equals(0.0), (x1 * 0.0).copysign(x1 / x2), nearest)
    return select(x2.equals(0.0), x1 / x2, value)


FUNCTIONS = {
    "floor": floor,
    "ceil": ceil,
    "trunc": trunc,
    "rint": rint,
    "copysign": copysign,
    "fmod": fmod,
    "remainder": remainder,
    "floor_divide": floor_divide,
}
