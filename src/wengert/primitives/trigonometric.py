"""Circular and hyperbolic functions and their inverses, angles, the cardinal sine.

The one difficulty is range: squares that overflow before the quotient does, and branch cuts, which the
derivative of an inverse must share with its function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.primitives.arithmetic import horner, inverse, without_zero
from wengert.primitives.family import elementwise
from wengert.primitives.samples import Draw, call, complex_normal, normal, positive, unit

_any = [call(normal(3, 4)), call(normal()), call(complex_normal(3)), call(normal(0, 2))]
_inner = [call(unit(3, 4)), call(unit()), call(complex_normal(3))]
_real = [call(normal(3, 4)), call(normal())]
_above_one = Draw("above one", (3, 4), lambda rng, shape: rng.uniform(1.5, 3.0, shape))


def _arcsin_x(x: Any) -> Any:
    # Not 1 - x**2, which loses digits near 1. Both factors have the branch cuts of arcsin.
    return 1 / np.sqrt((1 - x) * (1 + x))


def _arcsinh_x(x: Any) -> Any:
    if np.iscomplexobj(x):
        return 1 / np.sqrt(1 + x * x)
    return 1 / np.hypot(x, 1)  # x**2 would overflow, in float16 from 256 on


def _arccosh_x(x: Any) -> Any:
    return 1 / (np.sqrt(x - 1) * np.sqrt(x + 1))  # one root of the product has another branch cut


# The output of tanh, not 1/cosh(x)**2: in float64 cosh overflows above 710.
# fmt: off
sin     = elementwise(np.sin,     d=lambda x: np.cos(x),       formula="cos(x)",          lower="sin",  samples=_any)
cos     = elementwise(np.cos,     d=lambda x: -np.sin(x),      formula="-sin(x)",         lower="cos",  samples=_any)
tan     = elementwise(np.tan,     d=lambda out: 1 + out * out, formula="1 + out**2",      lower="tan",  samples=_inner)
sinh    = elementwise(np.sinh,    d=lambda x: np.cosh(x),      formula="cosh(x)",         lower="sinh", samples=_any)
cosh    = elementwise(np.cosh,    d=lambda x: np.sinh(x),      formula="sinh(x)",         lower="cosh", samples=_any)
tanh    = elementwise(np.tanh,    d=lambda out: 1 - out * out, formula="1 - out**2",      lower="tanh", samples=_any)
arcsin  = elementwise(np.arcsin,  d=_arcsin_x, formula="1/sqrt(1 - x**2)",  lower="arcsin", samples=_inner,
                      kinks={1.0: np.inf, -1.0: np.inf})
arccos  = elementwise(np.arccos,  d=lambda x: -_arcsin_x(x), formula="-1/sqrt(1 - x**2)", lower="arccos",
                      samples=_inner, kinks={1.0: -np.inf, -1.0: -np.inf})
arctan  = elementwise(np.arctan,  d=lambda x: inverse(1 + x * x), formula="1/(1 + x**2)", lower="arctan", samples=_any)
arcsinh = elementwise(np.arcsinh, d=_arcsinh_x, formula="1/sqrt(1 + x**2)", lower="arcsinh", samples=_any)
arctanh = elementwise(np.arctanh, d=lambda x: inverse((1 - x) * (1 + x)), formula="1/(1 - x**2)", lower="arctanh",
                      samples=_inner, kinks={1.0: np.inf, -1.0: np.inf})
# fmt: on
arccosh = elementwise(
    np.arccosh,
    d=_arccosh_x,
    formula="1/sqrt(x**2 - 1)",
    lower="arccosh",
    kinks={1.0: np.inf},
    samples=[call(_above_one), call(complex_normal(3))],
)

# -------------------------------------------------------------------------------------------- angles

_DEGREES, _RADIANS = 180 / math.pi, math.pi / 180


def _over_square(x: Any, x1: Any, x2: Any) -> Any:
    size = without_zero(np.hypot(x1, x2))
    return x / size / size  # one after the other: the square might overflow or vanish


# Nothing tells a direction at the origin: the mean of them all is 0, as for hypot.
arctan2 = elementwise(
    np.arctan2,
    d=(lambda x1, x2: _over_square(x2, x1, x2), lambda x1, x2: -_over_square(x1, x1, x2)),
    formula=("x2/(x1**2 + x2**2)", "-x1/(x1**2 + x2**2)"),
    lower="arctan2",
    kinks={(0.0, 0.0): (0.0, 0.0)},
    samples=[
        call(normal(3, 4), normal(4)),
        call(normal(3), 2.0),
        call(0.5, normal(3)),
        call(np.array(0.5), positive(2)),
    ],
)
# fmt: off
degrees = elementwise(np.degrees, d=_DEGREES, formula="180/pi", lower="degrees", samples=_real)
radians = elementwise(np.radians, d=_RADIANS, formula="pi/180", lower="radians", samples=_real)
rad2deg = elementwise(np.rad2deg, d=_DEGREES, formula="180/pi", lower="degrees", samples=_real)
deg2rad = elementwise(np.deg2rad, d=_RADIANS, formula="pi/180", lower="radians", samples=_real)
# fmt: on

# ----------------------------------------------------------------------------------- cardinal sine


def _sinc_terms(count: int) -> list[float]:
    """Of ``sinc'(x)/x`` in powers of x**2; with t = pi x, sinc' is -pi j1(t) (DLMF 10.53.1)."""
    terms, term = [], -(math.pi**2) / 3
    for k in range(count):
        terms.append(term)
        term *= -(math.pi**2) / (2 * (k + 1) * (2 * k + 5))
    return terms


_SINC = _sinc_terms(11)


def _sinc_x(x: Any, out: Any) -> Any:
    # The quotient cancels near 0; below 1/pi, eleven terms of the series are exact to the last bits.
    is_small = np.abs(x) < 0.3
    near = np.where(is_small, x, 0)
    far = np.where(is_small, 1, x)
    return np.where(
        is_small, near * horner(_SINC, near * near), (np.cos(math.pi * far) - out) / far
    )


sinc = elementwise(
    np.sinc,
    d=_sinc_x,
    operands=("x",),
    formula="(cos(pi*x) - out)/x",
    kinks={0.0: 0.0},
    samples=[call(normal(3, 4)), call(np.array([0.0, 0.1, -0.29, 0.31])), call(normal())],
)
