"""The polynomials of `wengert.compile.native.math`, derived: ``python -m benchmarks.minimax [name
...]``.

Each row of `PROBLEMS` is an approximation ``f(x) ~ sum of c[k] * x**k`` with small weighted error.
Lawson's reweighted least squares [1]_ in 80 digits comes near the best real coefficients; they are
rounded one after the other from the lowest order on, and what is left is fitted again, so that
roundings compensate. Prints what stands in the source, and the error that remains.

.. [1] C. L. Lawson, "Contributions to the theory of linear least maximum approximation", thesis,
   University of California, Los Angeles, 1961.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf

mp.dps = 80
ROUND = {"double": float, "single": lambda c: float(np.float32(float(c)))}


@dataclass(frozen=True)
class Problem:
    """What is approximated: `function` on `interval`, by a degree for each format.

    `weight` times the error is made small; by default the relative error.
    """

    function: Callable[[Any], Any]
    interval: tuple[Any, Any]
    degrees: dict[str, int]
    weight: Callable[[Any], Any] | None = None


def grid(interval, points):
    """Chebyshev points: dense near the ends, where the error of a good polynomial oscillates."""
    low, high = map(mpf, interval)
    angles = [mp.pi * (k + mpf(1) / 2) / points for k in range(points)]
    return [(low + high) / 2 - (high - low) / 2 * mp.cos(angle) for angle in angles]


def least_squares(points, values, weights, orders):
    """Coefficients of ``x**order`` by the normal equations, at twice the digits that they lose."""
    rows = [[w * x**order for order in orders] for x, w in zip(points, weights, strict=True)]
    right = [w * v for v, w in zip(values, weights, strict=True)]
    columns = list(zip(*rows, strict=True))
    system = mp.matrix(len(orders), len(orders))
    for i, column in enumerate(columns):
        for j in range(i + 1):
            system[i, j] = system[j, i] = mp.fdot(column, columns[j])
    return list(mp.lu_solve(system, mp.matrix([mp.fdot(c, right) for c in columns])))


def residuals(points, values, orders, coefficients):
    """What the polynomial leaves of the values."""
    return [
        v - mp.fdot(coefficients, [x**order for order in orders])
        for x, v in zip(points, values, strict=True)
    ]


def lawson_weights(points, values, weights, orders, rounds=12):
    """Weights under which least squares is nearly minimax: they grow where the error is large."""
    scales = [mpf(1)] * len(points)
    for _ in range(rounds):
        scaled = [w * s for w, s in zip(weights, scales, strict=True)]
        errors = residuals(points, values, orders, least_squares(points, values, scaled, orders))
        sizes = [abs(e * w) for e, w in zip(errors, weights, strict=True)]
        top = max(sizes)
        scales = [s * mp.sqrt(size / top) for s, size in zip(scales, sizes, strict=True)]
        top = max(scales)
        scales = [max(s / top, mpf("1e-6")) for s in scales]
    return [w * s for w, s in zip(weights, scales, strict=True)]


def solve(problem, format_name):
    """Rounded coefficients, lowest order first, and the weighted error that they leave."""
    degree = problem.degrees[format_name]
    points = grid(problem.interval, 10 * (degree + 2))
    points = [x for x in points if x != 0]
    values = [problem.function(x) for x in points]
    if problem.weight is None:
        weights = [1 / abs(v) for v in values]
    else:
        weights = [mpf(problem.weight(x)) for x in points]
    orders = list(range(degree + 1))
    scaled = lawson_weights(points, values, weights, orders)
    rounded = []
    for order in orders:
        coefficient = least_squares(points, values, scaled, orders[order:])[0]
        rounded.append(ROUND[format_name](coefficient))
        values = [v - rounded[-1] * x**order for v, x in zip(values, points, strict=True)]
    return rounded, max(abs(v * w) for v, w in zip(values, weights, strict=True))


LN2 = mp.log(2)


def _exp_tail(r):
    return (mp.expm1(r) - r) / r**2


def _log_tail(z):
    """R of ``log((1 + s)/(1 - s)) = 2*s + s*z*R(z)``, with ``z = s**2``."""
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) / s - 2) / z


def _log_third(z):
    """The same series without its first term, for logarithms of twice the digits."""
    return (_log_tail(z) - mpf(2) / 3) / z


def _sin_tail(z):
    r = mp.sqrt(z)
    return (mp.sin(r) / r - 1) / z


def _cos_tail(z):
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def _sinh_tail(z):
    r = mp.sqrt(z)
    return (mp.sinh(r) / r - 1) / z


def _cosh_tail(z):
    return (mp.cosh(mp.sqrt(z)) - 1) / z


def _atan_tail(z):
    x = mp.sqrt(z)
    return (mp.atan(x) / x - 1) / z


def _atan_weight(z):
    x = mp.sqrt(z)
    return z * x / mp.atan(x)


def _asin_tail(z):
    x = mp.sqrt(z)
    return (mp.asin(x) / x - 1) / z


def _erfcx_ratio(t):
    """``(1 + 2*x) * exp(x**2) * erfc(x) - 1`` at ``t = (x - 4)/(x + 4)``."""
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x) - 1


def _cbrt(m):
    return mp.cbrt(m)


def _lgamma_ratio(w):
    """``loggamma(2 + w) / (w*(w + 1))``, which has no pole at the zeros of the logarithm."""
    if w in (0, -1):
        return mp.digamma(2 + w) / (1 + 2 * w)
    return mp.loggamma(2 + w) / (w * (w + 1))


def _lgamma_tail(z):
    """What Stirling's formula lacks, times x, at ``z = 1/x**2``."""
    x = 1 / mp.sqrt(z)
    return x * (mp.loggamma(x) - (x - mpf(1) / 2) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


DIGAMMA_ROOT = mp.findroot(mp.digamma, mpf("1.4616321449683623"))


def _digamma_ratio(w):
    return mp.digamma(2 + w) / (2 + w - DIGAMMA_ROOT)


def _digamma_tail(z):
    """``(log(x) - 1/(2*x) - digamma(x)) * x**2`` at ``z = 1/x**2``."""
    x = 1 / mp.sqrt(z)
    return (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) / z


def _gamma_ratio(w):
    return mp.gamma(2 + w) - 1


def _one(x):
    return 1


def _erf_ratio(z):
    x = mp.sqrt(z)
    return mp.erf(x) / x - 1


def _erfcx(t):
    return mp.exp((t + 2) ** 2) * mp.erfc(t + 2)


def _decay(t):
    return mp.exp(-((t + 2) ** 2))


# A slack of 1 % at the ends, where an argument may be rounded past the interval.
_S_MAX = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mpf("1.01")
_QUARTER = (mp.pi / 4) ** 2 * mpf("1.01")

PROBLEMS = {
    "exp": Problem(_exp_tail, (-0.35, 0.35), {"double": 10, "single": 5}, weight=abs),
    "log": Problem(_log_tail, (0, _S_MAX), {"double": 6, "single": 2}, weight=lambda z: z),
    "log_third": Problem(_log_third, (0, _S_MAX), {"double": 7}, weight=lambda z: z**2),
    "sin": Problem(_sin_tail, (0, _QUARTER), {"double": 5, "single": 2}, weight=lambda z: z),
    "cos": Problem(_cos_tail, (0, _QUARTER), {"double": 5, "single": 2}, weight=lambda z: z**2),
    "sinh": Problem(_sinh_tail, (0, 0.1225), {"double": 4, "single": 2}, weight=lambda z: z),
    "cosh": Problem(_cosh_tail, (0, 0.1225), {"double": 4, "single": 2}, weight=lambda z: z),
    "atan": Problem(_atan_tail, (0, 1), {"double": 19, "single": 8}, weight=_atan_weight),
    "asin": Problem(_asin_tail, (0, 0.25), {"double": 12, "single": 5}, weight=lambda z: z),
    "cbrt": Problem(_cbrt, (0.7, 1.42), {"double": 4, "single": 3}),
    "erfc": Problem(_erfcx_ratio, (-7 / 9, 0.76), {"double": 22}, weight=_one),
    "lgamma": Problem(_lgamma_ratio, (-1, 1), {"double": 29}),
    "lgamma_tail": Problem(_lgamma_tail, (1e-30, 1 / 64), {"double": 6}),
    "digamma": Problem(_digamma_ratio, (-1, 1), {"double": 30}),
    "digamma_tail": Problem(_digamma_tail, (1e-30, 1 / 64), {"double": 7}),
    "gamma": Problem(_gamma_ratio, (0, 1), {"double": 17}, weight=_one),
    "erf": Problem(_erf_ratio, (0, 1.01), {"double": 11, "single": 6}, weight=_one),
    "erfcx": Problem(_erfcx, (mpf("-1.01"), 4), {"double": 20}, weight=_decay),
    "erfcx_single": Problem(_erfcx, (mpf("-1.01"), 2), {"single": 8}, weight=_decay),
}


def main(names):
    """Print the rows named, or all."""
    for name in names or PROBLEMS:
        problem = PROBLEMS[name]
        for format_name in problem.degrees:
            coefficients, error = solve(problem, format_name)
            print(f"# {name}, {format_name}: weighted error 2**{float(mp.log(error, 2)):.1f}")
            for coefficient in coefficients:
                print(f"    {coefficient!r},")


if __name__ == "__main__":
    main(sys.argv[1:])
