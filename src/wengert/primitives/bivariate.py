"""Polynomials in two variables, of `numpy.polynomial`: made of those in one."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.samples import call, normal
from wengert.primitives.shaping import as_array

_table = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
_of = np.polynomial.polynomial


@derived(_of.polyval2d, samples=[call(normal(3), normal(3), _table)])
def polyval2d(x: Any, y: Any, c: Any) -> Any:
    """A polynomial of two variables, at points."""
    x, y = as_array(x), as_array(y)
    if x.shape != y.shape:
        raise ValueError("x, y are incompatible")
    return as_array(_of.polyval(y, _of.polyval(x, c), tensor=False))


@derived(_of.polygrid2d, samples=[call(normal(3), normal(2), _table)])
def polygrid2d(x: Any, y: Any, c: Any) -> Any:
    """A polynomial of two variables, on a grid."""
    return as_array(_of.polyval(as_array(y), _of.polyval(as_array(x), c)))
