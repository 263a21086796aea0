"""Complex numbers: parts, conjugates, phases.

The convention is that of JAX and autograd: for a real target f(x + iy) the adjoint is df/dx - i df/dy, so
rules of holomorphic functions multiply, and rules of linear ones transpose, without conjugation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear
from wengert.primitives.samples import call, complex_normal, normal
from wengert.primitives.shaping import as_array

_either = [call(complex_normal(3, 4)), call(normal(3, 4)), call(complex_normal())]

real = linear(
    np.real,
    operands=("val",),
    transpose=lambda adjoint: adjoint,
    formula="the adjoint",
    batch="leading",
    samples=_either,
)
imag = linear(
    np.imag,
    operands=("val",),
    transpose=lambda adjoint, like: -1j * adjoint if like.dtype.kind == "c" else 0 * adjoint,
    formula="-i times the adjoint",
    batch="leading",
    samples=_either,
)
conjugate = linear(
    np.conjugate,
    operands=("x",),
    transpose=lambda adjoint: np.conjugate(adjoint),
    formula="the adjoint's conjugate",
    samples=_either,
)


@derived(
    np.angle,
    samples=[call(complex_normal(3, 4)), call(complex_normal(3), deg=True), call(normal(3))],
)
def angle(z: Any, deg: bool = False) -> Any:
    z = as_array(z)
    out = np.arctan2(np.imag(z), np.real(z))
    return out * (180 / np.pi) if deg else out
