"""scipy.special: gamma and beta functions, polygamma, zeta, and quotients of gamma functions.

Numbers after DLMF are equations of the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from wengert.primitives.arithmetic import weakly
from wengert.primitives.family import derived, elementwise, locally_constant
from wengert.primitives.samples import Draw, call, complex_normal, normal, positive
from wengert.primitives.special import no_derivative, same_dtype

_right = [call(positive(3, 4)), call(positive())]


def _trigamma(x: Any) -> Any:
    return same_dtype(polygamma_of(1, x), x)


def _polygamma_x(n: Any, x: Any) -> Any:
    return polygamma_of(n + 1, x)


def _rgamma_x(x: Any, out: Any) -> Any:
    """Minus out times psi, also at the poles of psi, where it is (-1)**n n! (DLMF 5.7.1)."""
    if np.iscomplexobj(x):
        return -out * special.psi(x)
    is_pole = np.logical_and(x <= 0, out == 0)
    pole, regular = np.where(is_pole, x, 0), np.where(is_pole, 1, x)
    return np.where(
        is_pole, np.cos(math.pi * pole) * special.gamma(1 - pole), -out * special.psi(regular)
    )


# DLMF 5.2.2: psi is the logarithmic derivative of gamma; 5.15.1: polygamma.
gamma = elementwise(
    special.gamma,
    d=lambda x, out: out * special.psi(x),
    formula="out*psi(x)",
    lower="gamma",
    samples=[*_right, call(complex_normal(3), max_order=1)],
)
gammaln = elementwise(
    special.gammaln, d=lambda x: special.psi(x), formula="psi(x)", lower="lgamma", samples=_right
)
loggamma = elementwise(
    special.loggamma,
    d=lambda x: special.psi(x),
    formula="psi(x)",
    samples=[*_right, call(complex_normal(3), max_order=1)],
)
rgamma = elementwise(
    special.rgamma,
    d=_rgamma_x,
    formula="-out*psi(x)",
    kinks={0.0: 1.0, -1.0: -1.0, -2.0: 2.0},
    samples=_right,
)
psi = elementwise(
    special.psi,
    d=_trigamma,
    operands=("x",),
    formula="polygamma(1, x)",
    lower="digamma",
    samples=_right,
)
gammasgn = locally_constant(special.gammasgn, samples=[call(normal(3), max_order=0)])
polygamma_of = elementwise(
    lambda n, x: special.polygamma(n, x),
    name="polygamma",
    operands=("n", "x"),
    d=(no_derivative("the order of polygamma"), _polygamma_x),
    formula=("", "polygamma(n + 1, x)"),
    samples=[call(1, positive(3, 4)), call(np.array([0, 2]), positive(2))],
)


@derived(special.polygamma, samples=[call(1, positive(3)), call(0, positive(3, 4))])
def polygamma(n: Any, x: Any) -> Any:
    """Derivative of order `n` of psi."""
    return polygamma_of(np.asarray(n) if isinstance(n, list | tuple) else n, x)


def _zeta_q(x: Any, q: Any) -> Any:
    return -x * zeta_of(x + 1, q)


# DLMF 25.11.17; there is no rule for the exponent.
zeta_of = elementwise(
    lambda x, q: special.zeta(x, q),
    name="zeta",
    operands=("x", "q"),
    d=(no_derivative("the exponent of zeta"), _zeta_q),
    formula=("", "-x*zeta(x + 1, q)"),
    samples=[call(2.5, positive(3, 4))],
)


@derived(special.zeta, samples=[call(2.5, positive(3))])
def zeta(x: Any, q: Any = 1.0) -> Any:
    """Sum of ``(k + q)**-x`` over k >= 0."""
    return zeta_of(x, q)


@derived(
    special.multigammaln,
    samples=[call(Draw("large", (3,), lambda rng, s: rng.uniform(2.0, 4.0, s)), 3)],
)
def multigammaln(a: Any, d: Any) -> Any:
    """Logarithm of the multivariate gamma function of dimension `d`."""
    if np.ndim(d) or d != np.floor(d):
        raise ValueError("d should be a positive integer (dimension)")
    if np.any(a <= 0.5 * (d - 1)):
        raise ValueError(f"condition a > {0.5 * (d - 1)} not met")
    terms = [special.gammaln(a - (j - 1.0) / 2) for j in range(1, int(d) + 1)]
    return np.sum(np.stack(terms), axis=0) + (d * (d - 1) * 0.25) * math.log(math.pi)


_two = [call(positive(3, 4), positive(4)), call(positive(3), 2.0), call(2.5, positive(3))]

# DLMF 5.12.1, 5.2.4: quotients of gamma functions.
beta = elementwise(
    special.beta,
    d=(
        lambda x1, x2, out: out * (_psi(x1) - special.psi(x1 + x2)),
        lambda x1, x2, out: out * (_psi(x2) - special.psi(x1 + x2)),
    ),
    formula=("out*(psi(x1) - psi(x1 + x2))", "out*(psi(x2) - psi(x1 + x2))"),
    samples=_two,
)
betaln = elementwise(
    special.betaln,
    d=(
        lambda x1, x2: _psi(x1) - special.psi(x1 + x2),
        lambda x1, x2: _psi(x2) - special.psi(x1 + x2),
    ),
    formula=("psi(x1) - psi(x1 + x2)", "psi(x2) - psi(x1 + x2)"),
    samples=_two,
)
binom = elementwise(
    special.binom,
    d=(
        lambda x1, x2, out: out * (_psi(x1 + 1) - special.psi(x1 - x2 + 1)),
        lambda x1, x2, out: out * (special.psi(x1 - x2 + 1) - _psi(x2 + 1)),
    ),
    formula=("out*(psi(x1 + 1) - psi(x1 - x2 + 1))", "out*(psi(x1 - x2 + 1) - psi(x2 + 1))"),
    samples=[
        call(Draw("large", (3, 4), lambda rng, s: rng.uniform(3.0, 4.0, s)), positive(4)),
        call(5, positive(3)),
    ],
)
poch = elementwise(
    special.poch,
    d=(
        lambda x1, x2, out: out * (special.psi(x1 + x2) - _psi(x1)),
        lambda x1, x2, out: out * special.psi(x1 + x2),
    ),
    formula=("out*(psi(x1 + x2) - psi(x1))", "out*psi(x1 + x2)"),
    samples=_two,
)


def _psi(x: Any) -> Any:
    return weakly(special.psi, x)
