"""scipy.special: Bessel, Hankel, Airy and Kelvin functions, exponential and trigonometric integrals.

Numbers are equations of the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov. Orders are
constants: no closed form of the derivative is known, and asking for it is an error. Recurrences that would
divide by x are written with the next order instead, so that they hold at 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.family import elementwise, general
from wengert.primitives.samples import call, complex_normal, normal, positive
from wengert.primitives.special import no_derivative, number_like

_any = [call(normal(3, 4)), call(normal())]
_right = [call(positive(3, 4)), call(positive())]
_order = no_derivative("the order of a Bessel function")


def _real_only(value: Any, name: str) -> Any:
    """Scaling by ``exp(-|Re x|)`` is not holomorphic."""
    if np.iscomplexobj(value):
        raise UnsupportedFunctionError(
            f"scipy.special.{name} has a derivative for real arguments only.",
            f"Use scipy.special.{name.removesuffix('e')} and scale its value.",
        )
    return value


# ------------------------------------------------------------------------------------ orders 0 and 1


def _second(function: Any, x: Any) -> Any:
    return function(number_like(2, x), x)


# 10.6.2, 10.6.1; 10.29.3, 10.29.1; for the scaled functions, with the derivative of exp(-x) or exp(x).
j0 = elementwise(special.j0, d=lambda x: -special.j1(x), formula="-j1(x)", samples=_any)
j1 = elementwise(
    special.j1,
    d=lambda x: 0.5 * (special.j0(x) - _second(special.jv, x)),
    formula="(j0(x) - jv(2, x))/2",
    samples=_any,
)
y0 = elementwise(special.y0, d=lambda x: -special.y1(x), formula="-y1(x)", samples=_right)
y1 = elementwise(
    special.y1,
    d=lambda x: 0.5 * (special.y0(x) - _second(special.yv, x)),
    formula="(y0(x) - yv(2, x))/2",
    samples=_right,
)
i0 = elementwise(special.i0, d=lambda x: special.i1(x), formula="i1(x)", samples=_any)
i1 = elementwise(
    special.i1,
    d=lambda x: 0.5 * (special.i0(x) + _second(special.iv, x)),
    formula="(i0(x) + iv(2, x))/2",
    samples=_any,
)
i0e = elementwise(
    special.i0e,
    d=lambda x, out: special.i1e(x) - np.sign(x) * out,
    formula="i1e(x) - sign(x)*out",
    samples=_any,
)
i1e = elementwise(
    special.i1e,
    d=lambda x, out: 0.5 * (special.i0e(x) + _second(special.ive, x)) - np.sign(x) * out,
    formula="(i0e(x) + ive(2, x))/2 - sign(x)*out",
    samples=_any,
)
k0 = elementwise(special.k0, d=lambda x: -special.k1(x), formula="-k1(x)", samples=_right)
k1 = elementwise(
    special.k1,
    d=lambda x: -0.5 * (special.k0(x) + _second(special.kv, x)),
    formula="-(k0(x) + kv(2, x))/2",
    samples=_right,
)
k0e = elementwise(
    special.k0e, d=lambda x, out: out - special.k1e(x), formula="out - k1e(x)", samples=_right
)
k1e = elementwise(
    special.k1e,
    d=lambda x, out: out - 0.5 * (special.k0e(x) + _second(special.kve, x)),
    formula="out - (k0e(x) + kve(2, x))/2",
    samples=_right,
)

# ------------------------------------------------------------------------------------------ any order


def _between(function: Any, sign: int) -> Any:
    """The derivative by 10.6.1: half the difference (or sum) of the neighbours."""
    return lambda x1, x2: 0.5 * (function(x1 - 1, x2) + sign * function(x1 + 1, x2))


def _scaled_j(function: Any, name: str) -> Any:
    return lambda x1, x2: 0.5 * (function(x1 - 1, _real_only(x2, name)) - function(x1 + 1, x2))


_orders = [
    call(1.5, positive(3, 4)),
    call(np.array([0.0, 1.0, 2.0]), positive(3)),
    call(2, positive()),
]
_complex_orders = [*_orders, call(0.5, complex_normal(3))]
_numbers = [call(2, positive(3, 4)), call(np.array([0, 1, 3]), positive(3))]
_neighbours = "({0}(x1 - 1, x2) {1} {0}(x1 + 1, x2))/2"

jv = elementwise(
    special.jv,
    d=(_order, _between(special.jv, -1)),
    formula=("", _neighbours.format("jv", "-")),
    samples=_complex_orders,
)
yv = elementwise(
    special.yv,
    d=(_order, _between(special.yv, -1)),
    formula=("", _neighbours.format("yv", "-")),
    samples=_complex_orders,
)
iv = elementwise(
    special.iv,
    d=(_order, _between(special.iv, 1)),
    formula=("", _neighbours.format("iv", "+")),
    samples=_complex_orders,
)
kv = elementwise(
    special.kv,
    d=(_order, lambda x1, x2: -0.5 * (special.kv(x1 - 1, x2) + special.kv(x1 + 1, x2))),
    formula=("", "-" + _neighbours.format("kv", "+")),
    samples=_complex_orders,
)
yn = elementwise(
    special.yn,
    d=(_order, lambda x1, x2: _between(special.yv, -1)(1.0 * np.trunc(x1), x2)),  # as SciPy does
    formula=("", _neighbours.format("yv", "-")),
    samples=_numbers,
)
kn = elementwise(
    special.kn,
    d=(_order, lambda x1, x2: -_between(special.kv, 1)(1.0 * np.trunc(x1), x2)),
    formula=("", "-" + _neighbours.format("kv", "+")),
    samples=_numbers,
)
jve = elementwise(
    special.jve,
    d=(_order, _scaled_j(special.jve, "jve")),
    formula=("", _neighbours.format("jve", "-")),
    samples=_orders,
)
yve = elementwise(
    special.yve,
    d=(_order, _scaled_j(special.yve, "yve")),
    formula=("", _neighbours.format("yve", "-")),
    samples=_orders,
)
ive = elementwise(
    special.ive,
    d=(
        _order,
        lambda x1, x2, out: _between(special.ive, 1)(x1, _real_only(x2, "ive")) - np.sign(x2) * out,
    ),
    formula=("", _neighbours.format("ive", "+") + " - sign(x2)*out"),
    samples=_orders,
)
kve = elementwise(
    special.kve,
    d=(_order, lambda x1, x2, out: out - _between(special.kve, 1)(x1, x2)),
    formula=("", "out - " + _neighbours.format("kve", "+")),
    samples=_complex_orders,
)
hankel1 = elementwise(
    special.hankel1,
    d=(_order, _between(special.hankel1, -1)),
    formula=("", _neighbours.format("hankel1", "-")),
    samples=[call(0.5, complex_normal(3))],
)
hankel2 = elementwise(
    special.hankel2,
    d=(_order, _between(special.hankel2, -1)),
    formula=("", _neighbours.format("hankel2", "-")),
    samples=[call(0.5, complex_normal(3))],
)
hankel1e = elementwise(
    special.hankel1e,
    d=(_order, lambda x1, x2, out: _between(special.hankel1e, -1)(x1, x2) - 1j * out),
    formula=("", _neighbours.format("hankel1e", "-") + " - 1j*out"),
    samples=[call(0.5, complex_normal(3))],
)
hankel2e = elementwise(
    special.hankel2e,
    d=(_order, lambda x1, x2, out: _between(special.hankel2e, -1)(x1, x2) + 1j * out),
    formula=("", _neighbours.format("hankel2e", "-") + " + 1j*out"),
    samples=[call(0.5, complex_normal(3))],
)

# -------------------------------------------------------------------------------------------- Kelvin


def _over(numerator: Any, x: Any) -> Any:
    """``numerator/x`` for a numerator that is 0 at 0, to first order."""
    return numerator / np.where(x == 0, 1, x)


# 10.61.3: both functions of a pair follow from Bessel's equation, ber'' = -bei - ber'/x.
ber = elementwise(special.ber, d=lambda x: special.berp(x), formula="berp(x)", samples=_any)
bei = elementwise(special.bei, d=lambda x: special.beip(x), formula="beip(x)", samples=_any)
ker = elementwise(special.ker, d=lambda x: special.kerp(x), formula="kerp(x)", samples=_right)
kei = elementwise(special.kei, d=lambda x: special.keip(x), formula="keip(x)", samples=_right)
berp = elementwise(
    special.berp,
    d=lambda x, out: -special.bei(x) - _over(out, x),
    formula="-bei(x) - out/x",
    samples=_right,
)
beip = elementwise(
    special.beip,
    d=lambda x, out: np.where(x == 0, 0.5, special.ber(x) - _over(out, x)),
    formula="ber(x) - out/x",
    kinks={0.0: 0.5},
    samples=_right,
)
kerp = elementwise(
    special.kerp,
    d=lambda x, out: -special.kei(x) - _over(out, x),
    formula="-kei(x) - out/x",
    samples=_right,
)
keip = elementwise(
    special.keip,
    d=lambda x, out: special.ker(x) - _over(out, x),
    formula="ker(x) - out/x",
    samples=_right,
)

# ----------------------------------------------------------------------------------------- integrals


def _spence_x(x: Any) -> Any:
    return np.where(x == 1, -1, np.log(x) / np.where(x == 1, 1, 1 - x))


def _expn_x2(x1: Any, x2: Any) -> Any:
    x1 = np.trunc(x1)  # as SciPy does
    lower = special.expn(np.maximum(x1 - 1, 0), x2)
    return np.where(x1 == 0, -np.exp(-x2) * (1 + 1 / x2) / x2, -lower)


# 6.2.1, 6.2.5, 8.19.13; 25.12.2 for Spence's function, SciPy's spence(x) being Li2(1 - x).
exp1 = elementwise(
    special.exp1,
    d=lambda x: -np.exp(-x) / x,
    formula="-exp(-x)/x",
    samples=[*_right, call(complex_normal(3))],
)
expi = elementwise(
    special.expi,
    d=lambda x: np.exp(x) / x,
    formula="exp(x)/x",
    samples=[*_right, call(complex_normal(3))],
)
expn = elementwise(
    special.expn,
    d=(no_derivative("the order of an exponential integral"), _expn_x2),
    operands=("x1", "x2"),
    formula=("", "-expn(x1 - 1, x2)"),
    samples=[call(3, positive(3, 4)), call(np.array([0, 1, 2]), positive(3), max_order=1)],
)
spence = elementwise(
    special.spence, d=_spence_x, formula="log(x)/(1 - x)", kinks={1.0: -1.0}, samples=_right
)


def _several(
    function: Any, partials: Any, formula: tuple[str, ...], samples: Any, source: str
) -> Any:
    """A function with several results: `partials(x, out)` gives the derivative of each."""

    def vjp(adjoint: Any, x: Any, out: Any) -> Any:
        total: Any = 0
        for part, partial in zip(adjoint, partials(x, out), strict=True):
            total = total + part * partial
        return total

    def jvp(tangent: Any, x: Any, out: Any) -> Any:
        return tuple(tangent * partial for partial in partials(x, out))

    return general(
        function,
        vjp=vjp,
        jvp=jvp,
        operands=("x",),
        outputs=function.nout,
        batch="leading",
        formula=formula,
        source=source,
        samples=samples,
    )


def _over_x(function: Any) -> Any:
    return lambda x: np.where(x == 0, 1, function(x) / np.where(x == 0, 1, x))


_half_square = math.pi / 2

airy = _several(
    special.airy,
    lambda x, out: (out[1], x * out[0], out[3], x * out[2]),
    ("Ai'", "x Ai", "Bi'", "x Bi"),
    [call(normal(3, 4)), call(normal()), call(complex_normal(3))],
    "DLMF 9.2.1",
)
fresnel = _several(
    special.fresnel,
    lambda x, out: (np.sin(_half_square * x * x), np.cos(_half_square * x * x)),
    ("sin(pi*x**2/2)", "cos(pi*x**2/2)"),
    [call(normal(3, 4)), call(complex_normal(3))],
    "DLMF 7.2.7, 7.2.8",
)
sici = _several(
    special.sici,
    lambda x, out: (np.sinc(x / math.pi), np.cos(x) / x),
    ("sin(x)/x", "cos(x)/x"),
    [call(positive(3, 4))],
    "DLMF 6.2.9, 6.2.11",
)
shichi = _several(
    special.shichi,
    lambda x, out: (_over_x(np.sinh)(x), np.cosh(x) / x),
    ("sinh(x)/x", "cosh(x)/x"),
    [call(positive(3, 4))],
    "DLMF 6.2.15, 6.2.16",
)
