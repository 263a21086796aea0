"""scipy.special: incomplete functions, distributions, elliptic integrals, hypergeometric functions.

Numbers are equations of the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov. Orthogonal
polynomials are here too. Parameters without a closed form of their derivative are constants: asking for it is
an error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from wengert.primitives.arithmetic import horner, without_zero
from wengert.primitives.family import elementwise
from wengert.primitives.samples import call, normal, positive, probability, unit
from wengert.primitives.special import no_derivative, same_dtype

_shape = no_derivative("a shape parameter")

# ------------------------------------------------------------------------- incomplete gamma and beta


def _gamma_density(a: Any, x: Any) -> Any:
    return same_dtype(np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a)), x)


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    logarithm = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
    return same_dtype(np.exp(logarithm), x)


_density = "exp((x1 - 1)*log({0}) - {0} - gammaln(x1))"
_beta = "exp((x1 - 1)*log({0}) + (x2 - 1)*log1p(-{0}) - betaln(x1, x2))"
_gammas = [call(1.5, positive(3, 4)), call(np.array([0.5, 1.0, 3.0]), positive(3))]
_quantiles = [call(1.5, probability(3, 4)), call(np.array([0.5, 1.0, 3.0]), probability(3))]
_betas = [call(1.5, 2.5, probability(3, 4)), call(np.array([0.5, 1.0, 3.0]), 2, probability(3))]

# 8.8.13, 8.17.20; inverses by the derivative of an inverse.
gammainc = elementwise(
    special.gammainc,
    d=(_shape, lambda x1, x2: _gamma_density(x1, x2)),
    formula=("", _density.format("x2")),
    samples=_gammas,
)
gammaincc = elementwise(
    special.gammaincc,
    d=(_shape, lambda x1, x2: -_gamma_density(x1, x2)),
    formula=("", "-" + _density.format("x2")),
    samples=_gammas,
)
gammaincinv = elementwise(
    special.gammaincinv,
    d=(_shape, lambda x1, out: 1 / _gamma_density(x1, out)),
    formula=("", "1/" + _density.format("out")),
    samples=_quantiles,
)
gammainccinv = elementwise(
    special.gammainccinv,
    d=(_shape, lambda x1, out: -1 / _gamma_density(x1, out)),
    formula=("", "-1/" + _density.format("out")),
    samples=_quantiles,
)
betainc = elementwise(
    special.betainc,
    d=(_shape, _shape, lambda x1, x2, x3: _beta_density(x1, x2, x3)),
    formula=("", "", _beta.format("x3")),
    samples=_betas,
)
betaincc = elementwise(
    special.betaincc,
    d=(_shape, _shape, lambda x1, x2, x3: -_beta_density(x1, x2, x3)),
    formula=("", "", "-" + _beta.format("x3")),
    samples=_betas,
)
betaincinv = elementwise(
    special.betaincinv,
    d=(_shape, _shape, lambda x1, x2, out: 1 / _beta_density(x1, x2, out)),
    formula=("", "", "1/" + _beta.format("out")),
    samples=_betas,
)
betainccinv = elementwise(
    special.betainccinv,
    d=(_shape, _shape, lambda x1, x2, out: -1 / _beta_density(x1, x2, out)),
    formula=("", "", "-1/" + _beta.format("out")),
    samples=_betas,
)

# -------------------------------------------------------------------------------------- distributions


def _student_density(df: Any, t: Any) -> Any:
    scale = np.exp(special.gammaln((df + 1) / 2) - special.gammaln(df / 2)) / np.sqrt(math.pi * df)
    return same_dtype(scale * np.exp(-(df + 1) / 2 * np.log1p(t * t / df)), t)


def _poisson(k: Any, m: Any) -> Any:
    k = np.floor(k)
    return same_dtype(np.exp(special.xlogy(k, m) - m - special.gammaln(k + 1)), m)


_t = "gamma((x1 + 1)/2)/gamma(x1/2)/sqrt(pi*x1)*(1 + {0}**2/x1)**(-(x1 + 1)/2)"
_chi = "exp((x1/2 - 1)*log(x2/2) - x2/2 - gammaln(x1/2))/2"
_pmf = "exp(floor(x1)*log(x2) - x2 - gammaln(floor(x1) + 1))"
_chis = [call(3.0, positive(3, 4)), call(np.array([1.0, 2.0, 5.0]), positive(3))]

stdtr = elementwise(
    special.stdtr,
    d=(_shape, lambda x1, x2: _student_density(x1, x2)),
    formula=("", _t.format("x2")),
    samples=[call(3.0, normal(3, 4))],
)
stdtrit = elementwise(
    special.stdtrit,
    d=(_shape, lambda x1, out: 1 / _student_density(x1, out)),
    formula=("", "1/(" + _t.format("out") + ")"),
    samples=[call(3.0, probability(3, 4))],
)
chdtr = elementwise(
    special.chdtr,
    d=(_shape, lambda x1, x2: 0.5 * _gamma_density(x1 / 2, x2 / 2)),
    formula=("", _chi),
    samples=_chis,
)
chdtrc = elementwise(
    special.chdtrc,
    d=(_shape, lambda x1, x2: -0.5 * _gamma_density(x1 / 2, x2 / 2)),
    formula=("", "-" + _chi),
    samples=_chis,
)
pdtr = elementwise(
    special.pdtr,
    d=(None, lambda x1, x2: -_poisson(x1, x2)),
    formula=("0", "-" + _pmf),
    samples=[call(2, positive(3, 4))],
)
pdtrc = elementwise(
    special.pdtrc,
    d=(None, lambda x1, x2: _poisson(x1, x2)),
    formula=("0", _pmf),
    samples=[call(2, positive(3, 4))],
)

# ----------------------------------------------------------------------------------- elliptic integrals


def _elliptic_terms(count: int) -> tuple[list[float], list[float]]:
    """Of the derivatives of K and E in powers of m (19.5.1, 19.5.2)."""
    first, second, share = [], [], 1.0
    for n in range(1, count + 1):
        share *= ((2 * n - 1) / (2 * n)) ** 2
        first.append(math.pi / 2 * share * n)
        second.append(-math.pi / 2 * share * n / (2 * n - 1))
    return first, second


_K, _E = _elliptic_terms(16)
_SMALL = 0.05  # below it, the differences cancel and sixteen terms are exact to the last bits


def _ellipk_m(m: Any, k: Any) -> Any:
    is_small = np.abs(m) < _SMALL
    near, far = np.where(is_small, m, 0), np.where(is_small, 0.5, m)
    return np.where(is_small, horner(_K, near), (special.ellipe(far) / (1 - far) - k) / (2 * far))


def _ellipe_m(m: Any, e: Any) -> Any:
    is_small = np.abs(m) < _SMALL
    near, far = np.where(is_small, m, 0), np.where(is_small, 0.5, m)
    return np.where(is_small, horner(_E, near), (e - special.ellipk(far)) / (2 * far))


def _root(phi: Any, m: Any) -> Any:
    return np.sqrt(1 - m * np.square(np.sin(phi)))


def _at_zero(phi: Any) -> Any:
    return 0.25 * phi - 0.125 * np.sin(2 * phi)


def _ellipkinc_m(x1: Any, x2: Any, out: Any) -> Any:
    m = without_zero(x2)
    third = np.sin(2 * x1) / (4 * (1 - m) * _root(x1, m))
    return np.where(
        x2 == 0, _at_zero(x1), (special.ellipeinc(x1, m) / (1 - m) - out) / (2 * m) - third
    )


def _ellipeinc_m(x1: Any, x2: Any, out: Any) -> Any:
    m = without_zero(x2)
    return np.where(x2 == 0, -_at_zero(x1), (out - special.ellipkinc(x1, m)) / (2 * m))


_moduli = [call(probability(3, 4)), call(np.array([0.0, 0.04, 0.06, -2.0])), call(probability())]
_amplitudes = [call(unit(3, 4), probability(4)), call(unit(3), 0.5)]

# 19.4.1 to 19.4.3 and, for incomplete integrals, 19.4.4, 19.4.6; SciPy's parameter is m = k**2.
ellipk = elementwise(
    special.ellipk,
    d=lambda x, out: _ellipk_m(x, out),
    formula="(ellipe(x)/(1 - x) - out)/(2*x)",
    kinks={0.0: math.pi / 8},
    samples=_moduli,
)
ellipe = elementwise(
    special.ellipe,
    d=lambda x, out: _ellipe_m(x, out),
    formula="(out - ellipk(x))/(2*x)",
    kinks={0.0: -math.pi / 8},
    samples=_moduli,
)
ellipkm1 = elementwise(
    special.ellipkm1,
    d=lambda x, out: -_ellipk_m(1 - x, out),
    formula="-(ellipe(1 - x)/x - out)/(2*(1 - x))",
    samples=[call(probability(3, 4))],
)
ellipkinc = elementwise(
    special.ellipkinc,
    d=(lambda x1, x2: 1 / _root(x1, x2), _ellipkinc_m),
    formula=(
        "1/sqrt(1 - x2*sin(x1)**2)",
        "(ellipeinc(x1, x2)/(1 - x2) - out)/(2*x2) - sin(2*x1)/(4*(1 - x2)*sqrt(1 - x2*sin(x1)**2))",
    ),
    samples=_amplitudes,
)
ellipeinc = elementwise(
    special.ellipeinc,
    d=(lambda x1, x2: _root(x1, x2), _ellipeinc_m),
    formula=("sqrt(1 - x2*sin(x1)**2)", "(out - ellipkinc(x1, x2))/(2*x2)"),
    samples=_amplitudes,
)

# ------------------------------------------------------------------------------ hypergeometric functions

hyp0f1 = elementwise(
    special.hyp0f1,
    d=(_shape, lambda x1, x2: special.hyp0f1(x1 + 1, x2) / x1),
    formula=("", "hyp0f1(x1 + 1, x2)/x1"),
    source="DLMF 16.3.1",
    samples=[call(1.5, normal(3, 4))],
)
hyp1f1 = elementwise(
    special.hyp1f1,
    d=(_shape, _shape, lambda x1, x2, x3: x1 / x2 * special.hyp1f1(x1 + 1, x2 + 1, x3)),
    formula=("", "", "x1/x2*hyp1f1(x1 + 1, x2 + 1, x3)"),
    source="DLMF 13.3.15",
    samples=[call(1.5, 2.5, normal(3, 4))],
)
hyp2f1 = elementwise(
    special.hyp2f1,
    d=(
        _shape,
        _shape,
        _shape,
        lambda x1, x2, x3, x4: x1 * x2 / x3 * special.hyp2f1(x1 + 1, x2 + 1, x3 + 1, x4),
    ),
    operands=("x1", "x2", "x3", "x4"),
    formula=("", "", "", "x1*x2/x3*hyp2f1(x1 + 1, x2 + 1, x3 + 1, x4)"),
    source="DLMF 15.5.1",
    samples=[call(0.5, 1.5, 2.5, unit(3, 4))],
)
hyperu = elementwise(
    special.hyperu,
    d=(_shape, _shape, lambda x1, x2, x3: -x1 * special.hyperu(x1 + 1, x2 + 1, x3)),
    formula=("", "", "-x1*hyperu(x1 + 1, x2 + 1, x3)"),
    source="DLMF 13.3.22",
    samples=[call(1.5, 2.5, positive(3, 4))],
)
wright_bessel = elementwise(
    special.wright_bessel,
    d=(_shape, _shape, lambda x1, x2, x3: special.wright_bessel(x1, x1 + x2, x3)),
    formula=("", "", "wright_bessel(x1, x1 + x2, x3)"),
    source="DLMF 10.46.1, term by term",
    samples=[call(0.5, 1.5, positive(3, 4))],
)

# -------------------------------------------------------------------------------- orthogonal polynomials


def _lower(n: Any) -> Any:
    """The degree of the derivative; the factor n makes up for the degree 0."""
    return np.where(n == 0, 0, n - 1)


def _derivative_of_jacobi(n: Any, a: Any, b: Any, x: Any) -> Any:
    factor = np.where(n == 0, 0, 0.5 * (n + a + b + 1))
    return factor * special.eval_jacobi(_lower(n), a + 1, b + 1, x)


def _derivative_of_gegenbauer(n: Any, a: Any, x: Any) -> Any:
    return np.where(n == 0, 0, 2 * a) * special.eval_gegenbauer(_lower(n), a + 1, x)


_degree = no_derivative("the degree of a polynomial")
_degrees = [call(3, unit(3, 4)), call(np.array([0, 1, 4]), unit(3))]
_powers = [call(3, normal(3, 4)), call(np.array([0, 1, 4]), normal(3))]

# 18.9.15 to 18.9.26
eval_jacobi = elementwise(
    special.eval_jacobi,
    d=(_degree, _shape, _shape, lambda x1, x2, x3, x4: _derivative_of_jacobi(x1, x2, x3, x4)),
    operands=("x1", "x2", "x3", "x4"),
    formula=("", "", "", "(x1 + x2 + x3 + 1)/2*eval_jacobi(x1 - 1, x2 + 1, x3 + 1, x4)"),
    samples=[call(3, 0.5, 1.5, unit(3, 4))],
)
eval_gegenbauer = elementwise(
    special.eval_gegenbauer,
    d=(_degree, _shape, lambda x1, x2, x3: _derivative_of_gegenbauer(x1, x2, x3)),
    formula=("", "", "2*x2*eval_gegenbauer(x1 - 1, x2 + 1, x3)"),
    samples=[call(3, 0.5, unit(3, 4))],
)
eval_legendre = elementwise(
    special.eval_legendre,
    d=(_degree, lambda x1, x2: _derivative_of_jacobi(x1, 0, 0, x2)),
    formula=("", "(x1 + 1)/2*eval_jacobi(maximum(x1 - 1, 0), 1, 1, x2)*(x1 > 0)"),
    samples=_degrees,
)
eval_chebyt = elementwise(
    special.eval_chebyt,
    d=(_degree, lambda x1, x2: x1 * special.eval_chebyu(_lower(x1), x2)),
    formula=("", "x1*eval_chebyu(maximum(x1 - 1, 0), x2)"),
    samples=_degrees,
)
eval_chebyu = elementwise(
    special.eval_chebyu,
    d=(_degree, lambda x1, x2: _derivative_of_gegenbauer(x1, 1, x2)),
    formula=("", "2*eval_gegenbauer(maximum(x1 - 1, 0), 2, x2)*(x1 > 0)"),
    samples=_degrees,
)
eval_hermite = elementwise(
    special.eval_hermite,
    d=(_degree, lambda x1, x2: 2 * x1 * special.eval_hermite(_lower(x1), x2)),
    formula=("", "2*x1*eval_hermite(maximum(x1 - 1, 0), x2)"),
    samples=_powers,
)
eval_hermitenorm = elementwise(
    special.eval_hermitenorm,
    d=(_degree, lambda x1, x2: x1 * special.eval_hermitenorm(_lower(x1), x2)),
    formula=("", "x1*eval_hermitenorm(maximum(x1 - 1, 0), x2)"),
    samples=_powers,
)
eval_laguerre = elementwise(
    special.eval_laguerre,
    d=(
        _degree,
        lambda x1, x2: np.where(x1 == 0, 0, -1) * special.eval_genlaguerre(_lower(x1), 1.0, x2),
    ),
    formula=("", "-eval_genlaguerre(maximum(x1 - 1, 0), 1, x2)*(x1 > 0)"),
    samples=_powers,
)
eval_genlaguerre = elementwise(
    special.eval_genlaguerre,
    d=(
        _degree,
        _shape,
        lambda x1, x2, x3: (
            np.where(x1 == 0, 0, -1) * special.eval_genlaguerre(_lower(x1), x2 + 1, x3)
        ),
    ),
    formula=("", "", "-eval_genlaguerre(x1 - 1, x2 + 1, x3)"),
    samples=[call(3, 0.5, normal(3, 4))],
)
