"""Selecting by conditions: where, choose, select, piecewise.

What was not taken has a structurally zero derivative (`selects`), so an infinite partial beside it does
no harm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear, locally_constant
from wengert.primitives.samples import call, complex_normal, normal
from wengert.primitives.shaping import as_array

_mask = np.array(
    [[True, False, True, True], [False, True, False, True], [True, True, False, False]]
)

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

nonzero_of = locally_constant(np.nonzero, ("a",), samples=[call(normal(3, 4), max_order=0)])


@derived(
    np.where,
    samples=[call(_mask, normal(3, 4), [1.0, 2.0, 3.0, 4.0]), call(normal(3, 4), max_order=0)],
)
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Elements of `x` where the condition holds, else of `y`; without them, where it holds."""
    if x is None and y is None:
        return np.nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    return either(_part(condition), _part(x), _part(y))


def _part(x: Any) -> Any:
    """Lists become arrays; plain numbers stay weak."""
    return x if isinstance(x, int | float | complex) else as_array(x)


_choices = [normal(3, 4), normal(4), normal(3, 1)]
_index = np.array([[0, 2, 1, 1], [1, 0, 2, 2], [0, 0, 1, 2]])

index_in_range = locally_constant(
    lambda a, *, count, mode: _index_in_range(a, count, mode),
    ("a",),
    name="index_in_range",
    batch="leading",
    samples=[call(_index, count=3, mode="raise")],
)


def _index_in_range(a: Any, count: int, mode: str) -> Any:
    if mode == "wrap":
        return a % count
    if mode == "clip":
        return np.clip(a, 0, count - 1)
    if mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if np.any((a < 0) | (a >= count)):
        raise ValueError("invalid entry in choice array")
    return a


@derived(np.choose, samples=[call(_index, _choices), call(_index + 1, _choices, mode="wrap")])
def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """Elements of the choices, by their number."""
    parts = [_part(choice) for choice in choices]
    index = index_in_range(as_array(a), count=len(parts), mode=mode)
    dtype = _common(parts)
    shape = np.broadcast_shapes(index.shape, *(np.shape(part) for part in parts))
    out = np.broadcast_to(_as(parts[0], dtype), shape)
    for number, part in enumerate(parts[1:], start=1):
        out = np.where(index == number, _as(part, dtype), out)
    return out


def _common(parts: list[Any]) -> Any:
    return np.result_type(*[p.dtype if hasattr(p, "dtype") else p for p in parts])


def _as(part: Any, dtype: Any) -> Any:
    part = as_array(part)
    return part if part.dtype == dtype else part.astype(dtype)


@derived(
    np.select,
    samples=[
        call([_mask, ~_mask[:1]], [normal(3, 4), normal(4)]),
        call([_mask[0], _mask[1]], [normal(4), 2.0], normal(3, 1)),
    ],
)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Elements of the first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    parts = [_part(choice) for choice in (*choicelist, default)]
    dtype = _common(parts)
    conditions = [as_array(condition) for condition in condlist]
    for number, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise TypeError(f"invalid entry {number} in condlist: should be boolean ndarray")
    shape = np.broadcast_shapes(*(np.shape(x) for x in (*conditions, *parts[:-1])))
    out = np.broadcast_to(_as(parts[-1], dtype), np.broadcast_shapes(shape, np.shape(parts[-1])))
    for condition, part in zip(conditions[::-1], parts[-2::-1], strict=True):
        out = np.where(condition, _as(part, dtype), out)
    return out
