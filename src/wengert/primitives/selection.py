"""Selecting by conditions: where, choose, select, piecewise.

What was not taken has a structurally zero derivative (`selects`), so an infinite partial beside it does
no harm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear, locally_constant
from wengert.primitives.reductions import operand
from wengert.primitives.samples import call, complex_normal, normal

_mask = np.array([[True, False, True, True], [False, True, False, True], [True, True, False, False]])

either = linear(
    lambda condition, x, y: np.where(condition, x, y),
    name="where",
    operands=("condition", "x", "y"),
    transpose=(
        None,
        lambda adjoint, condition: np.where(condition, adjoint, 0),
        lambda adjoint, condition: np.where(condition, 0, adjoint),
    ),
    formula=("", "the adjoint where the condition holds", "the adjoint where it does not"),
    lower="select",
    batch="broadcast",
    selects=True,
    samples=[
        call(_mask, normal(3, 4), normal(3, 4)),
        call(_mask, normal(4), 0.0),
        call(_mask[0], normal(3, 1), normal()),
        call(np.array(True), normal(), complex_normal(2)),
        call(np.zeros((0, 4), bool), normal(4), normal(1)),
    ],
)

nonzero_of = locally_constant(
    np.nonzero, ("a",), samples=[call(normal(3, 4), max_order=0)]
)


@derived(np.where, samples=[call(_mask, normal(3, 4), [1.0, 2.0, 3.0, 4.0]), call(normal(3, 4), max_order=0)])
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Elements of `x` where the condition holds, else of `y`; without them, where it holds."""
    if x is None and y is None:
        return np.nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    return either(_part(condition), _part(x), _part(y))


def _part(x: Any) -> Any:
    """Lists become arrays; plain numbers stay weak."""
    return x if isinstance(x, int | float | complex) else operand(x)
