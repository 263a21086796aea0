"""The forms of an entry: one for everything, and five flat ones for the commonest.

(primitive, parents, saved, likes, parameters)   any operation
(number, first, second, x1, x2, out)             operands have the result's form: see brief.py
(…, like1, like2)                                the same where one has not
(first, second, x1, x2, shape1, shape2, dtype)   ``x1 @ x2`` of real matrices
(parent, key, shape)                             ``x[key]``, one element of an array of this shape
(root, value, key, shape)                        ``x[key] = value``, one element

Those of numbers are atoms alone: Python's garbage collector lets go of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.adjoints import NUMBER, Like
from wengert.primitives.brief import PULLS
from wengert.primitives.indexing import read as READ
from wengert.primitives.indexing import write as WRITE
from wengert.primitives.products import matmul as MATMUL

_FLOAT64 = np.dtype(np.float64)

# Forms, by their length.
ANY, ELEMENT_READ, ELEMENT_WRITE, BRIEF, FITTED, PRODUCT = 5, 3, 4, 6, 8, 7


def whole(entry: Any) -> Any:
    """An entry in the form that any has."""
    form = len(entry)
    if form == ANY:
        return entry
    if form in (BRIEF, FITTED):
        number, first, second, x1, x2, out, *likes = entry
        primitive = PULLS[number].primitive
        if len(primitive.operands) == 1:
            return primitive, (first,), (x1, out), None, {}
        return primitive, (first, second), (x1, x2, out), tuple(likes) or None, {}
    if form == PRODUCT:
        first, second, x1, x2, shape1, shape2, dtype = entry
        return (
            MATMUL,
            (first, second),
            (x1, x2, None),
            (Like(shape1, dtype), Like(shape2, dtype)),
            {},
        )
    if form == ELEMENT_READ:
        parent, key, shape = entry
        path: dict[str, Any] = {"path": (("getitem", key),)}
        return READ, (parent,), (None, None), (Like(shape, _FLOAT64),), path
    root, value, key, shape = entry
    parameters: dict[str, Any] = {"path": (("getitem", key),), "add": False}
    return WRITE, (root, value), (None, None, None), (Like(shape, _FLOAT64), NUMBER), parameters
