"""Functions of libraries that cannot take traced values: errors name them as the user does."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from math import sin as early_sin
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.spatial
import scipy.spatial.distance
import scipy.special
import scipy.stats
from scipy.linalg import expm as early_expm
from scipy.special import logsumexp as early_logsumexp

import wengert as wg
from wengert.errors import LostDerivativeError, UnsupportedFunctionError

M = np.diag([2.0, 3.0, 4.0]) + 0.1
rng = np.random.default_rng(0)
spline = scipy.interpolate.CubicSpline(np.arange(3.0), np.arange(3.0) ** 2)
sparse = scipy.sparse.csr_array(M)

REFUSED: list[tuple[Callable[[Any], Any], str, str]] = [
    (lambda x: scipy.linalg.schur(x)[0], "scipy.linalg.schur", "wengert.scipy.linalg mirrors"),
    (lambda x: scipy.linalg.solve_banded((0, 0), x, x[0]), "solve_banded", "numpy.linalg"),
    (lambda x: scipy.fft.fft(x), "scipy.fft.fft", "np.fft.fft"),
    (lambda x: scipy.fft.dct(x), "scipy.fft.dct", "np.fft.rfft"),
    (lambda x: scipy.integrate.quad(lambda t: t * x[0, 0], 0, 1)[0], "integrate.quad", "loop"),
    (
        lambda x: scipy.integrate.solve_ivp(lambda t, y: -y, (0, 1), x[0]).y,
        "scipy.integrate.solve_ivp",
        "loop of NumPy code",
    ),
    (
        lambda x: scipy.optimize.minimize(lambda z: np.sum((z - x[0]) ** 2), np.zeros(3)).x,
        "scipy.optimize.minimize",
        "implicit function theorem",
    ),
    (lambda x: scipy.optimize.brentq(lambda z: z - x[0, 0], -9, 9), "optimize.brentq", "implicit"),
    (lambda x: scipy.optimize.linear_sum_assignment(x)[0], "linear_sum_assignment", "iterations"),
    (lambda x: spline(x), r"CubicSpline", "np.interp"),
    (lambda x: scipy.interpolate.CubicSpline(np.arange(3.0), x)(0.5), "CubicSpline", "np.interp"),
    (lambda x: scipy.sparse.csr_array(x).sum(), "scipy.sparse.csr_array", "toarray"),
    (lambda x: sparse @ x, "cannot take a traced Array", "toarray|supported functions"),
    (lambda x: x @ sparse, "scipy csr_array was combined", "toarray"),
    (lambda x: scipy.signal.lfilter([1.0], [1.0, 0.5], x), "scipy.signal.lfilter", "np.convolve"),
    (lambda x: scipy.ndimage.gaussian_filter(x, 1.0), "gaussian_filter", "sliding_window_view"),
    (lambda x: scipy.stats.norm.logpdf(x), "scipy.stats.norm.logpdf", "scipy.special"),
    (lambda x: scipy.stats.ttest_1samp(x[0], 0.0)[0], "scipy.stats.ttest_1samp", "NumPy"),
    (lambda x: scipy.spatial.cKDTree(x).query(x)[0], "scipy.spatial.cKDTree", "np.linalg.norm"),
    (lambda x: scipy.spatial.distance.cdist(x, x), "distance.cdist", "np.linalg.norm"),
    (lambda x: scipy.special.lqmn(1, 1, x[0, 0])[0], "scipy.special.lqmn", "wg.primitive"),
    (lambda x: rng.normal(x, 1.0), "numpy.random.Generator.normal", r"mean \+ std"),
    (lambda x: np.random.default_rng(0).normal(x), r"default_rng\(...\).normal", r"mean \+ std"),
    (lambda x: np.r_[x[0, 0] : x[0, 1] : 5j], "numpy.r_", "np.linspace"),
    (lambda x: sum(e * e for e in np.nditer(x)), "numpy.nditer", "np.ndenumerate"),
    (lambda x: np.frombuffer(x), "numpy.frombuffer", "wg.stop_gradient"),
    (lambda x: np.float64(x[0, 0]), "numpy.float64", "astype"),
    (lambda x: x * Fraction(1, 2), "fractions Fraction was combined", "float"),
    (lambda x: early_logsumexp(x), "scipy.special.logsumexp", r"wg\.adapt"),
    (lambda x: early_expm(x), "scipy.linalg.expm", r"wg\.adapt"),
    (lambda x: early_sin(x[0, 0]), "math.sin", r"wg\.adapt"),
]


@pytest.mark.parametrize(
    ("f", "name", "remedy"), REFUSED, ids=lambda x: x if type(x) is str else ""
)
def test_what_cannot_take_traced_values_says_so(
    f: Callable[[Any], Any], name: str, remedy: str
) -> None:
    with pytest.raises((LostDerivativeError, UnsupportedFunctionError)) as caught:
        wg.grad(lambda x: np.sum(f(x)))(M)
    fact, line, advice = str(caught.value).split("\n")
    assert re.search(name, fact)
    assert "test_library.py" in line
    assert re.search(remedy, advice)
    assert wg.grad(lambda x: x**2)(1.5) == 3.0  # no state is left behind


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_error_of_scipys_own_that_traced_values_caused_is_explained() -> None:
    with pytest.raises(UnsupportedFunctionError, match=r"scipy\.optimize\.fsolve"):
        wg.grad(lambda x: scipy.optimize.fsolve(lambda z: z - x, np.zeros(3)).sum())(np.ones(3))


def test_names_bound_early_can_be_adapted() -> None:
    f = wg.adapt(lambda x: early_logsumexp(x) + early_sin(x[0]))
    wg.check_grads(f, (np.array([0.5, 1.5]),), order=2)
