"""What the native functions are compared with: mpmath in 300 bits, NumPy and SciPy; and where.

`CASES` has a row for every function that rounds; `EXACT` those that do not.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf
from scipy import special

mp.prec = 300


# ---------------------------------------------------------------------------------------- arguments


def _everywhere(rng, count, dtype):
    whole = np.dtype(f"u{np.dtype(dtype).itemsize}")
    numbers = rng.integers(0, np.iinfo(whole).max, count, whole, endpoint=True).view(dtype)
    return np.where(np.isfinite(numbers), numbers, 1)


def _exponents(rng, count, dtype):
    top = np.log(np.finfo(dtype).max)
    return rng.uniform(-1.08 * top, 1.01 * top, count)


DRAWS = {
    "all bit patterns": _everywhere,
    "normal": lambda rng, count, dtype: rng.normal(size=count),
    "-10 to 10": lambda rng, count, dtype: rng.uniform(-10, 10, count),
    "0 to 1": lambda rng, count, dtype: rng.uniform(0, 1, count),
    "exponents": _exponents,
    "log-normal": lambda rng, count, dtype: np.exp(3 * rng.normal(size=count)),
    "about 1": lambda rng, count, dtype: 1 + 0.1 * rng.normal(size=count),
    "about 2": lambda rng, count, dtype: 2 + 0.1 * rng.normal(size=count),
}


def arguments(case, draw, count, dtype, seed):
    """Operands of a case, drawn in one way; beside another, a second one is between -10 and 10."""
    rng = np.random.default_rng(seed)
    first = DRAWS[draw](rng, count, dtype)
    if case.operands == 1:
        return [first.astype(dtype)]
    other = DRAWS[draw] if case.alike else DRAWS["-10 to 10"]
    second = other(rng, count, dtype)
    if draw == "about 1" and not case.alike:
        second = second * 500
    return [
        np.abs(first).astype(dtype) if case.positive else first.astype(dtype),
        second.astype(dtype),
    ]


# --------------------------------------------------------------------------------------- references


class Case(NamedTuple):
    """How a function is judged."""

    reference: Callable[..., Any]
    numpy: Callable[..., Any]
    bound: float = 2.0  # in units of the last place
    operands: int = 1
    alike: bool = True  # both operands are drawn in the same way
    positive: bool = False
    # What an error is compared with, beside the result: terms that cancel near its zeros.
    scale: Callable[..., Any] | None = None
    note: str = ""


def _erfc(x):
    return mp.erfc(min(max(x, -1000), 1000))  # mpmath's converts larger ones to Python floats


def _positive_only(function):
    return lambda x: function(x) if x > 0 else mp.nan


def _log_gamma(x):
    if x > 0:
        return mp.loggamma(x)
    return mp.nan if x == mp.floor(x) else mp.log(mp.pi / abs(x * mp.sinpi(x))) - mp.loggamma(-x)


def _gamma(x):
    if x > 200:
        return mpf("inf")
    return mp.nan if x <= 0 and x == mp.floor(x) else mp.gamma(x)


def _digamma(x):
    if x <= 0 and x == mp.floor(x):
        return mp.nan
    return mp.digamma(x) if x > 0 else mp.digamma(1 - x) - mp.pi * mp.cospi(x) / mp.sinpi(x)


def _lgamma_terms(x):
    return 0 if x > 0 or x == mp.floor(x) else abs(mp.log(abs(mp.sinpi(x)) / mp.pi))


def _digamma_terms(x):
    return 0 if x > 0 or x == mp.floor(x) else abs(mp.digamma(1 - x))


def _log_sum(x1, x2):
    return max(x1, x2) + mp.log1p(mp.exp(-abs(x1 - x2)))


def _log2_sum(x1, x2):
    return _log_sum(x1 * mp.log(2), x2 * mp.log(2)) / mp.log(2)


def _larger(x1, x2):
    return max(abs(x1), abs(x2))


def _times_log(x1, x2):
    return x1 * mp.log(x2) if x2 > 0 else mp.nan


def _times_log1p(x1, x2):
    return x1 * mp.log1p(x2) if x2 > -1 else mp.nan


_OF_OPERANDS = "of the larger of result and operands"


def _power(x, y):
    if x == 0 or (x < 0 and y != mp.floor(y)):
        return mp.nan
    return x**y


# fmt: off
CASES = {
    "exp":         Case(mp.exp, np.exp),
    "exp2":        Case(lambda x: mpf(2)**x, np.exp2),
    "expm1":       Case(mp.expm1, np.expm1),
    "log":         Case(_positive_only(mp.log), np.log),
    "log2":        Case(_positive_only(lambda x: mp.log(x) / mp.log(2)), np.log2),
    "log10":       Case(_positive_only(mp.log10), np.log10),
    "log1p":       Case(lambda x: mp.log1p(x) if x > -1 else mp.nan, np.log1p),
    "sin":         Case(mp.sin, np.sin),
    "cos":         Case(mp.cos, np.cos),
    "tan":         Case(mp.tan, np.tan),
    "arcsin":      Case(lambda x: mp.asin(x) if abs(x) <= 1 else mp.nan, np.arcsin),
    "arccos":      Case(lambda x: mp.acos(x) if abs(x) <= 1 else mp.nan, np.arccos),
    "arctan":      Case(mp.atan, np.arctan),
    "arctan2":     Case(mp.atan2, np.arctan2, operands=2),
    "sinh":        Case(mp.sinh, np.sinh),
    "cosh":        Case(mp.cosh, np.cosh),
    "tanh":        Case(mp.tanh, np.tanh),
    "arcsinh":     Case(mp.asinh, np.arcsinh),
    "arccosh":     Case(lambda x: mp.acosh(x) if x >= 1 else mp.nan, np.arccosh),
    "arctanh":     Case(lambda x: mp.atanh(x) if abs(x) < 1 else mp.nan, np.arctanh),
    "pow":         Case(_power, np.power, operands=2, alike=False, positive=True),
    "sqrt":        Case(lambda x: mp.sqrt(x) if x >= 0 else mp.nan, np.sqrt, bound=0.5),
    "cbrt":        Case(lambda x: mp.sign(x) * mp.cbrt(abs(x)), np.cbrt),
    "hypot":       Case(mp.hypot, np.hypot, operands=2),
    "erf":         Case(mp.erf, special.erf),
    "erfc":        Case(_erfc, special.erfc),
    "ndtr":        Case(lambda x: _erfc(-x / mp.sqrt(2)) / 2, special.ndtr),
    "sigmoid":     Case(lambda x: 1 / (1 + mp.exp(-x)), special.expit),
    "log_sigmoid": Case(lambda x: min(x, 0) - mp.log1p(mp.exp(-abs(x))), special.log_expit),
    "logit":       Case(lambda x: mp.log(x / (1 - x)) if 0 < x < 1 else mp.nan, special.logit),
    "logaddexp":   Case(_log_sum, np.logaddexp, operands=2, scale=_larger, note=_OF_OPERANDS),
    "logaddexp2":  Case(_log2_sum, np.logaddexp2, operands=2, scale=_larger, note=_OF_OPERANDS),
    "xlogy":       Case(_times_log, special.xlogy, operands=2),
    "xlog1py":     Case(_times_log1p, special.xlog1py, operands=2),
    "entr":        Case(_positive_only(lambda x: -x * mp.log(x)), special.entr),
    "lgamma":      Case(_log_gamma, special.gammaln, bound=4, scale=_lgamma_terms,
                        note="left of 0, of the larger of result and log(sin(pi*x)/pi)"),
    "digamma":     Case(_digamma, special.psi, bound=4, scale=_digamma_terms,
                        note="left of 0, of the larger of result and digamma(1 - x)"),
    "gamma":       Case(_gamma, special.gamma, bound=4),
}
EXACT = {
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "copysign": np.copysign,
    "fmod": np.fmod, "remainder": np.remainder, "floor_divide": np.floor_divide,
}
# fmt: on
PAIRS = frozenset({"copysign", "fmod", "remainder", "floor_divide"})
COUNTS = {name: case.operands for name, case in CASES.items()} | {
    name: 1 + (name in PAIRS) for name in EXACT
}


def numpy_function(name):
    """NumPy's or SciPy's function of a name."""
    return CASES[name].numpy if name in CASES else EXACT[name]


class Worst(NamedTuple):
    """The largest error found, in units of the last place, and where."""

    ulps: float
    where: tuple


def worst_error(case, operands, values):
    """Of `values` at `operands`; what overflows must be infinite, and counts from then on."""
    worst = Worst(0.0, ())
    for *point, value in zip(*operands, values, strict=True):
        exact_point = [mpf(float(x)) for x in point]
        reference = case.reference(*exact_point)
        if mp.isfinite(reference):
            scale = case.scale(*exact_point) if case.scale else 0
            error = ulps(value, reference, scale)
            if not error <= worst.ulps:
                worst = Worst(error, tuple(float(x) for x in point))
    return worst


def ulps(value, reference, scale=0):
    """The error of `value`, in units of the last place of the larger of `reference` and `scale`."""
    limits = np.finfo(value.dtype)
    if abs(reference) >= mpf(2) ** limits.maxexp * (1 - mpf(2) ** (-limits.nmant - 2)):
        return 0.0 if np.isinf(value) and (value > 0) == (reference > 0) else float("inf")
    if not np.isfinite(value):
        return float("inf")
    size = max(abs(reference), abs(scale))
    exponent = max(mp.frexp(size)[1] - 1, limits.minexp) if size else limits.minexp
    return float(abs(mpf(float(value)) - reference) / mpf(2) ** (exponent - limits.nmant))
