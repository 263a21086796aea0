"""scipy.special: spherical Bessel and Struve functions, the Dirichlet kernel, the Voigt profile, counting.

Numbers are equations of the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov. Orders are
constants. Recurrences are written without division by the argument, so that they hold at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.family import Derived, Primitive, derived, elementwise
from wengert.primitives.samples import call, normal, positive, probability, unit
from wengert.primitives.shaping import as_array
from wengert.primitives.special import no_derivative, same_dtype

_order = no_derivative("the order of a spherical Bessel function")

# ---------------------------------------------------------------------------------- spherical Bessel


def _spherical(function: Callable[..., Any], sign: int, turn: int, samples: Any) -> Primitive:
    """By 10.51.2 and 10.51.5: (2n + 1) f' = sign * (n f[n - 1] + turn * (n + 1) f[n + 1]).

    The formula is another one of them, shorter but with a quotient by z.
    """

    def partial(n: Any, z: Any) -> Any:
        return same_dtype(_slope(of_order, n, z, sign, turn), z)

    of_order = elementwise(
        lambda n, z: function(n, z),
        d=(_order, partial),
        name=f"{function.__name__}_of_order",
        operands=("n", "z"),
        formula=("", f"n/z*out {'+' if sign * turn > 0 else '-'} {function.__name__}(n + 1, z)"),
        samples=samples,
    )
    return of_order


def _slope(of_order: Any, n: Any, z: Any, sign: int, turn: int) -> Any:
    below = n * of_order(np.maximum(n - 1, 0), z)
    return sign * (below + turn * (n + 1) * of_order(n + 1, z)) / (2 * n + 1)


_orders = [call(np.array([0, 1, 4]), positive(3)), call(2, positive(2, 3))]
spherical_j = _spherical(special.spherical_jn, 1, -1, _orders)
spherical_y = _spherical(special.spherical_yn, 1, -1, _orders)
spherical_i = _spherical(special.spherical_in, 1, 1, _orders)
spherical_k = _spherical(special.spherical_kn, -1, 1, _orders)


def _front(function: Callable[..., Any], of_order: Any, sign: int, turn: int) -> Derived:
    @derived(function, samples=[call(2, positive(3)), call(1, positive(), derivative=True)])
    def front(n: Any, z: Any, derivative: bool = False) -> Any:
        n, z = np.trunc(as_array(n)).astype(int), as_array(z)  # as SciPy does
        if z.dtype.kind == "c":
            raise UnsupportedFunctionError(
                f"{function.__name__} has a derivative for real arguments only.",
                "Write it with scipy.special.jv, yv, iv or kv of order n + 1/2.",
            )
        if not derivative:
            return of_order(n, z)
        return _slope(of_order, n, z, sign, turn)

    return front


spherical_jn = _front(special.spherical_jn, spherical_j, 1, -1)
spherical_yn = _front(special.spherical_yn, spherical_y, 1, -1)
spherical_in = _front(special.spherical_in, spherical_i, 1, 1)
spherical_kn = _front(special.spherical_kn, spherical_k, -1, 1)


# -------------------------------------------------------------------------------------------- Struve


def _struve(function: Any, turn: int, samples: Any) -> Primitive:
    """By 11.4.27 and 11.4.28, halved and added."""
    name = function.__name__

    def partial(v: Any, x: Any) -> Any:
        term = (x / 2) ** v / (math.sqrt(math.pi) * special.gamma(v + 1.5))
        return 0.5 * (function(v - 1, x) - turn * function(v + 1, x) + term)

    return elementwise(
        function,
        d=(_order, partial),
        operands=("v", "x"),
        formula=(
            "",
            f"({name}(v - 1, x) {'-' if turn > 0 else '+'} {name}(v + 1, x)"
            " + (x/2)**v/(sqrt(pi)*gamma(v + 1.5)))/2",
        ),
        samples=samples,
    )


struve = _struve(special.struve, 1, [call(np.array([0.0, 1.0, 2.5]), positive(3))])
modstruve = _struve(special.modstruve, -1, [call(np.array([0.0, 1.0, 2.5]), positive(3))])

# ---------------------------------------------------------------------------- polynomials, profiles


def _scaled(name: str, base: str, argument: Callable[[Any], Any], factor: float) -> Derived:
    ufunc, of_base = getattr(special, name), getattr(special, base)

    @derived(ufunc, samples=[call(3, probability(4))])
    def polynomial(n: Any, x: Any) -> Any:
        return factor * of_base(n, argument(x))

    return polynomial


eval_sh_legendre = _scaled("eval_sh_legendre", "eval_legendre", lambda x: 2 * x - 1, 1)
eval_sh_chebyt = _scaled("eval_sh_chebyt", "eval_chebyt", lambda x: 2 * x - 1, 1)
eval_sh_chebyu = _scaled("eval_sh_chebyu", "eval_chebyu", lambda x: 2 * x - 1, 1)
eval_chebyc = _scaled("eval_chebyc", "eval_chebyt", lambda x: x / 2, 2)
eval_chebys = _scaled("eval_chebys", "eval_chebyu", lambda x: x / 2, 1)


@derived(special.voigt_profile, samples=[call(normal(3), positive(), positive())])
def voigt_profile(x: Any, sigma: Any, gamma: Any) -> Any:
    width = sigma * math.sqrt(2)
    return np.real(special.wofz((x + 1j * gamma) / width)) / (width * math.sqrt(math.pi))


@derived(special.diric, samples=[call(unit(4), 3), call(unit(4), 4), call(np.zeros(1), 4)])
def diric(x: Any, n: Any) -> Any:
    """sin(n x / 2) / (n sin(x / 2)); at whole turns its limit, which is flat."""
    x = as_array(x)
    half = np.sin(x / 2)
    is_turn = np.abs(half) < 1e-9
    inner = np.sin(n * x / 2) / (n * np.where(is_turn, 1, half))
    sign = (-1.0) ** (np.rint(x / (2 * math.pi)) * (n - 1))
    return np.where(is_turn, sign, inner)


# ------------------------------------------------------------------------------- distributions, counts


@derived(special.fdtr, samples=[call(3.0, 5.0, positive(3))])
def fdtr(dfn: Any, dfd: Any, x: Any) -> Any:
    return special.betainc(dfn / 2, dfd / 2, dfn * x / (dfn * x + dfd))


@derived(special.fdtrc, samples=[call(3.0, 5.0, positive(3))])
def fdtrc(dfn: Any, dfd: Any, x: Any) -> Any:
    return special.betaincc(dfn / 2, dfd / 2, dfn * x / (dfn * x + dfd))


@derived(special.fdtri, samples=[call(3.0, 5.0, probability(3))])
def fdtri(dfn: Any, dfd: Any, p: Any) -> Any:
    share = special.betaincinv(dfn / 2, dfd / 2, p)
    return dfd * share / (dfn * (1 - share))


@derived(special.gdtr, samples=[call(positive(), 2.0, positive(3))])
def gdtr(a: Any, b: Any, x: Any) -> Any:
    return special.gammainc(b, a * x)


@derived(special.gdtrc, samples=[call(positive(), 2.0, positive(3))])
def gdtrc(a: Any, b: Any, x: Any) -> Any:
    return special.gammaincc(b, a * x)


@derived(special.gdtrix, samples=[call(positive(), 2.0, probability(3))])
def gdtrix(a: Any, b: Any, p: Any) -> Any:
    return special.gammaincinv(b, p) / a


@derived(special.chdtri, samples=[call(3.0, probability(3))])
def chdtri(v: Any, p: Any) -> Any:
    return 2 * special.gammainccinv(v / 2, p)


def _inexact(name: str, exact: bool) -> None:
    if exact:
        raise UnsupportedFunctionError(
            f"scipy.special.{name} with exact=True counts in integers, which have no derivative.",
            "Leave exact out.",
        )


@derived(special.comb, samples=[call(np.array([5.5, 4.0]), 2), call(positive(3), 0.5)])
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    _inexact("comb", exact)
    N, k = as_array(N), as_array(k)
    N = N + k - 1 if repetition else N
    is_count = (k <= N) & (N >= 0) & (k >= 0)
    return np.where(is_count, special.binom(N, k), 0.0)


@derived(special.perm, samples=[call(np.array([5.5, 4.0]), 2), call(positive(3), 0.25)])
def perm(N: Any, k: Any, exact: bool = False) -> Any:
    _inexact("perm", exact)
    N, k = as_array(N), as_array(k)
    is_count = (k <= N) & (N >= 0) & (k >= 0)
    return np.where(is_count, special.poch(N - k + 1, k), 0.0)


@derived(special.factorial, samples=[call(positive(3)), call(normal(3))])
def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    _inexact("factorial", exact)
    n = as_array(n)
    found = special.gamma(n + 1)
    return found if extend == "complex" else np.where(n >= 0, found, 0.0)
