"""Exponentials, logarithms and roots.

Rules use the output where that is cheaper: the exponential is its own derivative.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from wengert.primitives.arithmetic import inverse
from wengert.primitives.family import elementwise
from wengert.primitives.samples import call, complex_normal, normal, positive

LOG2, LOG10 = math.log(2), math.log(10)

_any = [call(normal(3, 4)), call(normal()), call(complex_normal(3)), call(normal(0, 2))]
_right = [call(positive(3, 4)), call(positive()), call(complex_normal(3))]
_real = [call(positive(3, 4)), call(positive())]

# fmt: off
exp   = elementwise(np.exp,   d=lambda out: out,                 formula="out",           lower="exp",   samples=_any)
exp2  = elementwise(np.exp2,  d=lambda out: LOG2 * out,          formula="log(2)*out",    lower="exp2",  samples=_any)
expm1 = elementwise(np.expm1, d=lambda out: out + 1,             formula="out + 1",       lower="expm1", samples=_any)
log   = elementwise(np.log,   d=inverse, operands=("x",),        formula="1/x",           lower="log",   samples=_right)
log2  = elementwise(np.log2,  d=lambda x: inverse(LOG2 * x),     formula="1/(log(2)*x)",  lower="log2",  samples=_right)
log10 = elementwise(np.log10, d=lambda x: inverse(LOG10 * x),    formula="1/(log(10)*x)", lower="log10", samples=_right)
log1p = elementwise(np.log1p, d=lambda x: inverse(1 + x),        formula="1/(1 + x)",     lower="log1p", samples=_right)
sqrt  = elementwise(np.sqrt,  d=lambda out: 0.5 / out,           formula="1/(2*out)",     lower="sqrt",  samples=_right,
                    kinks={0.0: np.inf})
cbrt  = elementwise(np.cbrt,  d=lambda out: 1 / (3 * out * out), formula="1/(3*out**2)",  lower="cbrt",  samples=_real,
                    kinks={0.0: np.inf})
# fmt: on

_HALF_SHARE = math.log(0.5)


def _shift(x1: Any, x2: Any, out: Any, tie: Any, half: float) -> Any:
    """``x1 - out``, the logarithm of the share of x1; right at infinity, where that is NaN.

    Two equal infinities share equally; one beside a constant infinity has it all: the limit.
    """
    is_whole = np.logical_and(np.isinf(x1), x1 == out)
    is_shared = np.logical_and(is_whole, x1 == x2) if tie else False
    return np.where(is_shared, half, np.where(is_whole, 0, x1 - out))


def _share(x1: Any, x2: Any, out: Any, tie: Any) -> Any:
    return np.exp(_shift(x1, x2, out, tie, _HALF_SHARE))


def _share_base_two(x1: Any, x2: Any, out: Any, tie: Any) -> Any:
    return np.exp2(_shift(x1, x2, out, tie, -1))


# exp(x1 - out) is at most 1: neither it nor its derivatives overflow.
logaddexp = elementwise(
    np.logaddexp,
    d=(_share, lambda x1, x2, out, tie: _share(x2, x1, out, tie)),
    formula=("exp(x1 - out)", "exp(x2 - out)"),
    lower="logaddexp",
    kinks={(-np.inf, -np.inf): (0.5, 0.5), (-np.inf, 0.0): (0.0, 1.0)},
    samples=[call(normal(3, 4), normal(4)), call(normal(3), 0.5), call(0.5, normal(3))],
)
logaddexp2 = elementwise(
    np.logaddexp2,
    d=(_share_base_two, lambda x1, x2, out, tie: _share_base_two(x2, x1, out, tie)),
    formula=("exp2(x1 - out)", "exp2(x2 - out)"),
    lower="logaddexp2",
    kinks={(-np.inf, -np.inf): (0.5, 0.5), (-np.inf, 0.0): (0.0, 1.0)},
    samples=[call(normal(3, 4), normal(4)), call(normal(3), 0.5), call(0.5, normal(3))],
)


def _i1(x: Any) -> Any:
    special = import_module("scipy.special")  # slow to import; NumPy has no i1
    dtype = getattr(x, "dtype", None)
    if dtype is None or (dtype.kind == "f" and dtype.itemsize in (4, 8)):
        return special.i1(x)
    return special.i1(x.astype(np.float64)).astype(dtype if dtype.kind == "f" else np.float64)


i0 = elementwise(
    np.i0,
    d=_i1,
    name="numpy.i0",
    operands=("x",),
    formula="i1(x)",
    samples=[call(normal(3, 4)), call(normal())],
)
