"""Exponentials, logarithms and roots."""

from __future__ import annotations

import numpy as np

from wengert.primitives.family import elementwise
from wengert.primitives.samples import call, complex_normal, normal, positive

exp = elementwise(
    np.exp, d=lambda out: out, formula="out", lower="exp", samples=[call(normal(3, 4)), call(complex_normal(3))]
)
log = elementwise(
    np.log, d=lambda x: 1 / x, formula="1/x", lower="log", samples=[call(positive(3, 4)), call(complex_normal(3))]
)
sqrt = elementwise(
    np.sqrt,
    d=lambda out: 0.5 / out,
    formula="1/(2*out)",
    lower="sqrt",
    kinks={0.0: np.inf},
    samples=[call(positive(5)), call(complex_normal(3))],
)
