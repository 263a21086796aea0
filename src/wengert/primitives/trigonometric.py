"""Circular and hyperbolic functions and their inverses."""

from __future__ import annotations

import numpy as np

from wengert.primitives.family import elementwise
from wengert.primitives.samples import call, complex_normal, normal

sin = elementwise(
    np.sin, d=lambda x: np.cos(x), formula="cos(x)", lower="sin", samples=[call(normal(3, 4)), call(complex_normal(3))]
)
cos = elementwise(
    np.cos,
    d=lambda x: -np.sin(x),
    formula="-sin(x)",
    lower="cos",
    samples=[call(normal(3, 4)), call(complex_normal(3))],
)
# The output, not 1/cosh(x)**2: in float64 cosh overflows above 710.
tanh = elementwise(
    np.tanh,
    d=lambda out: 1 - out * out,
    formula="1 - out**2",
    lower="tanh",
    samples=[call(normal(3, 4)), call(complex_normal(3))],
)
