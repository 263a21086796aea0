"""scipy.special: error functions, logistic functions, entropies, losses and power transforms.

The others are in `gamma.py`, `bessel.py` and `hypergeometric.py`. Numbers after DLMF
are equations of the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov. The one
difficulty is cancellation: derivatives that are small differences of large terms have a series beside them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.arithmetic import divided, horner, inverse, weakly
from wengert.primitives.exponential import LOG2, LOG10
from wengert.primitives.family import derived, elementwise, locally_constant
from wengert.primitives.samples import (
    Draw,
    call,
    complex_normal,
    normal,
    positive,
    probability,
    unit,
)

_any = [call(normal(3, 4)), call(normal())]
_right = [call(positive(3, 4)), call(positive())]
_inner = [call(unit(3, 4)), call(unit())]
_share = [call(probability(3, 4)), call(probability())]
_plane = [*_any, call(complex_normal(3))]

_PI_ROOT = math.sqrt(math.pi)
_TWO_PI_ROOT = math.sqrt(2 * math.pi)
_ERF = 2 / _PI_ROOT
_LARGE = 50  # beyond it, five terms of an asymptotic series are exact to the last bits


def number_like(number: float, x: Any) -> Any:
    """A number in the dtype of `x`: SciPy's functions take float32 beside a Python number as float64."""
    return x.dtype.type(number) if hasattr(x, "dtype") else number


def same_dtype(value: Any, x: Any) -> Any:
    """`value` in the dtype of `x`, for functions of SciPy that give float64 only."""
    if not hasattr(x, "dtype") or value.dtype == x.dtype:
        return value
    return value.astype(x.dtype)


def no_derivative(what: str) -> Any:
    """The rule of an operand whose derivative is not known: an error, if it is asked for."""

    def rule(**parameters: Any) -> Any:
        raise UnsupportedFunctionError(
            f"there is no rule for the derivative with respect to {what}.",
            "Pass it as a constant: a plain number, or wg.stop_gradient(x).",
        )

    return rule


# ----------------------------------------------------------------------------------- error functions


def _gauss(x: Any) -> Any:
    return np.exp(-x * x)


def _erfcx_x(x: Any, out: Any) -> Any:
    near = 2 * x * out - _ERF
    return near if np.iscomplexobj(x) else _or_series(near, x > _LARGE, x, -1, -1 / _PI_ROOT)


def _dawsn_x(x: Any, out: Any) -> Any:
    near = 1 - 2 * x * out
    return near if np.iscomplexobj(x) else _or_series(near, np.abs(x) > _LARGE, x, 1, -0.5)


def _or_series(near: Any, is_far: Any, x: Any, sign: int, factor: float) -> Any:
    """Far away, ``factor/x**2 * sum((2k + 1)!! (sign/(2 x**2))**k)`` (DLMF 7.12.1)."""
    t = 1 / np.square(np.where(is_far, x, _LARGE))
    terms = (1, sign * 3 / 2, 15 / 4, sign * 105 / 8, 945 / 16)
    return np.where(is_far, factor * t * horner(terms, t), near)


def _log_ndtr_x(x: Any, out: Any) -> Any:
    density = np.exp(-0.5 * x * x - out) / _TWO_PI_ROOT
    if np.iscomplexobj(x):
        return density
    # On the left -x**2/2 - out cancels; the ratio of density and integral is one of erfcx there.
    is_left = x < 0
    left = np.where(is_left, x, 0)
    ratio = math.sqrt(2 / math.pi) / special.erfcx(-left * math.sqrt(0.5))
    return np.where(is_left, ratio, np.where(is_left, 0, density))


# DLMF 7.2.1, 7.2.2, 7.2.5, 7.10.1; inverses by the derivative of an inverse.
erf = elementwise(
    special.erf,
    d=lambda x: _ERF * _gauss(x),
    formula="2/sqrt(pi)*exp(-x**2)",
    lower="erf",
    samples=_plane,
)
erfc = elementwise(
    special.erfc,
    d=lambda x: -_ERF * _gauss(x),
    formula="-2/sqrt(pi)*exp(-x**2)",
    lower="erfc",
    samples=_plane,
)
erfi = elementwise(
    special.erfi, d=lambda x: _ERF * np.exp(x * x), formula="2/sqrt(pi)*exp(x**2)", samples=_plane
)
erfcx = elementwise(
    special.erfcx,
    d=_erfcx_x,
    formula="2*x*out - 2/sqrt(pi)",
    samples=[*_plane, call(np.array([-1.0, 30.0, 60.0]))],
)
dawsn = elementwise(special.dawsn, d=_dawsn_x, formula="1 - 2*x*out", samples=_plane)
wofz = elementwise(
    special.wofz,
    d=lambda x, out: 1j * _ERF - 2 * x * out,
    formula="2j/sqrt(pi) - 2*x*out",
    samples=[call(complex_normal(3))],
)
erfinv = elementwise(
    special.erfinv,
    d=lambda out: 0.5 * _PI_ROOT * np.exp(out * out),
    formula="sqrt(pi)/2*exp(out**2)",
    kinks={1.0: np.inf},
    samples=_inner,
)
erfcinv = elementwise(
    special.erfcinv,
    d=lambda out: -0.5 * _PI_ROOT * np.exp(out * out),
    formula="-sqrt(pi)/2*exp(out**2)",
    kinks={0.0: -np.inf},
    samples=_share,
)
ndtr = elementwise(
    special.ndtr,
    d=lambda x: np.exp(-0.5 * x * x) / _TWO_PI_ROOT,
    formula="exp(-x**2/2)/sqrt(2*pi)",
    lower="ndtr",
    samples=_plane,
)
ndtri = elementwise(
    special.ndtri,
    d=lambda out: _TWO_PI_ROOT * np.exp(0.5 * out * out),
    formula="sqrt(2*pi)*exp(out**2/2)",
    kinks={0.0: np.inf},
    samples=_share,
)
ndtri_exp = elementwise(
    special.ndtri_exp,
    d=lambda x, out: _TWO_PI_ROOT * np.exp(x + 0.5 * out * out),
    formula="sqrt(2*pi)*exp(x + out**2/2)",
    samples=[call(Draw("below zero", (3,), lambda rng, s: -rng.uniform(0.5, 3.0, s)))],
)
log_ndtr = elementwise(
    special.log_ndtr,
    d=_log_ndtr_x,
    formula="exp(-x**2/2 - out)/sqrt(2*pi)",
    samples=[*_plane, call(np.array([-40.0, -3.0, 5.0]))],
)
owens_t = elementwise(
    special.owens_t,
    d=(
        lambda x1, x2: (
            -_gauss(math.sqrt(0.5) * x1)
            * special.erf(x1 * x2 * math.sqrt(0.5))
            / (2 * _TWO_PI_ROOT)
        ),
        lambda x1, x2: np.exp(-0.5 * x1 * x1 * (1 + x2 * x2)) / (2 * math.pi * (1 + x2 * x2)),
    ),
    formula=(
        "-exp(-x1**2/2)*erf(x1*x2/sqrt(2))/sqrt(8*pi)",
        "exp(-x1**2*(1 + x2**2)/2)/(2*pi*(1 + x2**2))",
    ),
    source="D. B. Owen, Annals of Mathematical Statistics 27 (1956), 1075, by the fundamental theorem",
    samples=[call(normal(3, 4), normal(4))],
)

# ------------------------------------------------------------------------- logistic and exponentials


def _exprel_terms(count: int) -> list[float]:
    return [(k + 1) / math.factorial(k + 2) for k in range(count)]


_EXPREL = _exprel_terms(18)


def _exprel_x(x: Any, out: Any) -> Any:
    is_small = np.abs(x) < 1
    near, far = np.where(is_small, x, 0), np.where(is_small, 1, x)
    return np.where(is_small, horner(_EXPREL, near), out * (1 - 1 / far) + 1 / far)


expit = elementwise(
    special.expit,
    d=lambda out: out * (1 - out),
    formula="out*(1 - out)",
    lower="sigmoid",
    samples=_any,
)
logit = elementwise(
    special.logit,
    d=lambda x: inverse(x * (1 - x)),
    formula="1/(x*(1 - x))",
    lower="logit",
    kinks={0.0: np.inf, 1.0: np.inf},
    samples=_share,
)
log_expit = elementwise(
    special.log_expit,
    d=lambda out: -np.expm1(out),
    formula="1 - exp(out)",
    lower="log_sigmoid",
    samples=_any,
)
exprel = elementwise(
    special.exprel,
    d=_exprel_x,
    formula="(exp(x) - out)/x",
    kinks={0.0: 0.5},
    samples=[*_any, call(np.array([0.0, 0.9, -1.1]))],
)
exp10 = elementwise(special.exp10, d=lambda out: LOG10 * out, formula="log(10)*out", samples=_any)
exp2 = elementwise(
    special.exp2,
    d=lambda out: LOG2 * out,
    name="special.exp2",
    formula="log(2)*out",
    lower="exp2",
    samples=_any,
)
expm1 = elementwise(
    special.expm1,
    d=lambda out: out + 1,
    name="special.expm1",
    formula="out + 1",
    lower="expm1",
    samples=_plane,
)
log1p = elementwise(
    special.log1p,
    d=lambda x: inverse(1 + x),
    name="special.log1p",
    formula="1/(1 + x)",
    lower="log1p",
    samples=_right,
)
cbrt = elementwise(
    special.cbrt,
    d=lambda out: 1 / (3 * out * out),
    name="special.cbrt",
    formula="1/(3*out**2)",
    lower="cbrt",
    kinks={0.0: np.inf},
    samples=_right,
)
cosm1 = elementwise(special.cosm1, d=lambda x: -np.sin(x), formula="-sin(x)", samples=_any)

_DEGREE = math.pi / 180
sindg = elementwise(
    special.sindg, d=lambda x: _DEGREE * special.cosdg(x), formula="pi/180*cosdg(x)", samples=_any
)
cosdg = elementwise(
    special.cosdg, d=lambda x: -_DEGREE * special.sindg(x), formula="-pi/180*sindg(x)", samples=_any
)
tandg = elementwise(
    special.tandg,
    d=lambda out: _DEGREE * (1 + out * out),
    formula="pi/180*(1 + out**2)",
    samples=_any,
)
cotdg = elementwise(
    special.cotdg,
    d=lambda out: -_DEGREE * (1 + out * out),
    formula="-pi/180*(1 + out**2)",
    samples=[call(Draw("angle", (3,), lambda rng, s: rng.uniform(20.0, 70.0, s)))],
)
radian = elementwise(
    special.radian,
    d=(_DEGREE, _DEGREE / 60, _DEGREE / 3600),
    formula=("pi/180", "pi/180/60", "pi/180/3600"),
    samples=[call(positive(3), positive(3), positive())],
)
special_round = locally_constant(
    special.round, name="special.round", samples=[call(normal(3), max_order=0)]
)

# ------------------------------------------------------------------------------------------ entropies

_two = [call(positive(3, 4), positive(4)), call(positive(3), 2.0), call(2.5, positive(3))]


def _ratio(x1: Any, x2: Any) -> Any:
    """``x1/x2``, 0 where x1 is 0: 0*log(x2) is 0 for every x2, at 0 too."""
    if isinstance(x1, int | float):  # stays weak
        return divided(x1, x2) if x1 != 0 else 0
    is_zero = x1 == 0
    return np.where(is_zero, 0, x1) / np.where(is_zero, 1, x2)


entr = elementwise(
    special.entr,
    d=lambda x: -np.log(x) - 1,
    formula="-log(x) - 1",
    kinks={0.0: np.inf},
    lower="entr",
    samples=_right,
)
rel_entr = elementwise(
    special.rel_entr,
    d=(lambda x1, x2: np.log(divided(x1, x2)) + 1, lambda x1, x2: -_ratio(x1, x2)),
    formula=("log(x1/x2) + 1", "-x1/x2"),
    kinks={(0.0, 1.0): (-np.inf, 0.0)},
    samples=_two,
)
kl_div = elementwise(
    special.kl_div,
    d=(lambda x1, x2: np.log(divided(x1, x2)), lambda x1, x2: 1 - _ratio(x1, x2)),
    formula=("log(x1/x2)", "1 - x1/x2"),
    kinks={(0.0, 1.0): (-np.inf, 1.0)},
    samples=_two,
)
xlogy = elementwise(
    special.xlogy,
    d=(lambda x2: weakly(np.log, x2), _ratio),
    operands=("x1", "x2"),
    formula=("log(x2)", "x1/x2"),
    kinks={(0.0, 0.0): (-np.inf, 0.0), (0.0, 2.0): (math.log(2), 0.0)},
    lower="xlogy",
    samples=[*_two, call(complex_normal(3), complex_normal(3))],
)
xlog1py = elementwise(
    special.xlog1py,
    d=(lambda x2: weakly(np.log1p, x2), lambda x1, x2: _ratio(x1, 1 + x2)),
    formula=("log1p(x2)", "x1/(1 + x2)"),
    kinks={(0.0, -1.0): (-np.inf, 0.0)},
    lower="xlog1py",
    samples=[*_two, call(complex_normal(3), complex_normal(3))],
)

# -------------------------------------------------------------------------------------------- losses


def _huber_x2(x1: Any, x2: Any) -> Any:
    return np.maximum(np.minimum(x2, x1), -x1)


def _pseudo_huber(x1: Any, x2: Any) -> tuple[Any, Any]:
    """``sqrt(1 + (x2/x1)**2)``, and how much that is more than 1."""
    square = np.square(divided(x2, x1))
    root = np.sqrt(1 + square)
    return root, square / (root + 1)


def _pseudo_huber_x1(x1: Any, x2: Any) -> Any:
    root, excess = _pseudo_huber(x1, x2)
    return x1 * excess * excess / root


# Operands in SciPy's order: the scale x1 (delta), the residual x2 (r).
huber = elementwise(
    special.huber,
    d=(lambda x1, x2: np.maximum(np.abs(x2) - x1, 0), _huber_x2),
    formula=("maximum(abs(x2) - x1, 0)", "clip(x2, -x1, x1)"),
    kinks={(1.0, 1.0): (0.0, 1.0)},
    samples=[call(positive(3, 4), normal(4)), call(0.5, normal(5))],
)
pseudo_huber = elementwise(
    special.pseudo_huber,
    d=(_pseudo_huber_x1, lambda x1, x2: x2 / _pseudo_huber(x1, x2)[0]),
    formula=("x1*(sqrt(1 + (x2/x1)**2) - 1)**2/sqrt(1 + (x2/x1)**2)", "x2/sqrt(1 + (x2/x1)**2)"),
    samples=[call(positive(3, 4), normal(4)), call(0.5, normal(5))],
)

# ----------------------------------------------------------------------------------- power transforms


def _boxcox_lambda(logarithm: Any, exponent: Any) -> Any:
    """Derivative of ``expm1(exponent*logarithm)/exponent`` by the exponent, at 0 too."""
    t = exponent * logarithm
    return logarithm * logarithm * _exprel_x(t, special.exprel(t))


def _inverse_lambda(base: Any, logarithm: Any, exponent: Any) -> Any:
    return -_boxcox_lambda(logarithm, exponent) * np.power(base, 1 - exponent)


_transformed = [
    call(positive(3, 4), normal(4)),
    call(positive(3), np.array([0.0, 0.5, 1.0])),
    call(positive(3), 0.5),
]

boxcox = elementwise(
    special.boxcox,
    d=(lambda x1, x2: np.power(x1, x2 - 1), lambda x1, x2: _boxcox_lambda(weakly(np.log, x1), x2)),
    formula=(
        "x1**(x2 - 1)",
        "log(x1)**2*(exprel(x2*log(x1)) - (exprel(x2*log(x1)) - 1)/(x2*log(x1)))",
    ),
    samples=_transformed,
)
boxcox1p = elementwise(
    special.boxcox1p,
    d=(
        lambda x1, x2: np.power(1 + x1, x2 - 1),
        lambda x1, x2: _boxcox_lambda(weakly(np.log1p, x1), x2),
    ),
    formula=(
        "(1 + x1)**(x2 - 1)",
        "log1p(x1)**2*(exprel(x2*log1p(x1)) - (exprel(x2*log1p(x1)) - 1)/(x2*log1p(x1)))",
    ),
    samples=_transformed,
)
inv_boxcox = elementwise(
    special.inv_boxcox,
    d=(
        lambda x2, out: np.power(out, 1 - x2),
        lambda x2, out: _inverse_lambda(out, np.log(out), x2),
    ),
    operands=("x1", "x2"),
    formula=("out**(1 - x2)", "out*(x1/(1 + x1*x2) - log(out))/x2"),
    samples=[call(positive(3, 4), positive(4)), call(positive(3), 0.5)],
)
inv_boxcox1p = elementwise(
    special.inv_boxcox1p,
    d=(
        lambda x2, out: np.power(1 + out, 1 - x2),
        lambda x2, out: _inverse_lambda(1 + out, np.log1p(out), x2),
    ),
    formula=("(1 + out)**(1 - x2)", "(1 + out)*(x1/(1 + x1*x2) - log1p(out))/x2"),
    samples=[call(positive(3, 4), positive(4)), call(positive(3), 0.5)],
)
powm1 = elementwise(
    special.powm1,
    d=(lambda x1, x2: x2 * np.power(x1, x2 - 1), lambda x1, out: (out + 1) * weakly(np.log, x1)),
    formula=("x2*x1**(x2 - 1)", "(out + 1)*log(x1)"),
    samples=_two,
)
wrightomega = elementwise(
    special.wrightomega,
    d=lambda out: out / (1 + out),
    formula="out/(1 + out)",
    source="R. M. Corless and D. J. Jeffrey, The Wright omega function (2002), eq. 5",
    samples=_plane,
)

lambertw_of = elementwise(
    lambda z, *, k, tol: special.lambertw(z, k, tol),
    name="lambertw",
    operands=("z",),
    d=lambda out, *, k, tol: 1 / (np.exp(out) * (1 + out)),
    formula="1/(exp(out)*(1 + out))",
    source="DLMF 4.13.4",
    samples=[call(positive(3, 4), k=0, tol=1e-8), call(complex_normal(3), k=0, tol=1e-8)],
)


@derived(special.lambertw, samples=[call(positive(3)), call(complex_normal(3), k=1)])
def lambertw(z: Any, k: Any = 0, tol: Any = 1e-8) -> Any:
    """Branch `k` of the inverse of ``w*exp(w)``."""
    return lambertw_of(z, k=k, tol=tol)


@derived(special.softplus, samples=[call(normal(3, 4))])
def softplus(x: Any) -> Any:
    """Logarithm of 1 + exp(x), without overflow."""
    return np.logaddexp(0, x)
