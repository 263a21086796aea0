"""Calls out of a plan: where their operands lie, and the callbacks of what NumPy runs.

A call reads values that are kept in memory, or views of them: an offset and strides in elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wengert.compile import views
from wengert.compile.fuse import Division
from wengert.compile.native.callbacks import Callback
from wengert.compile.native.memory import Pointers
from wengert.compile.native.operands import Layout
from wengert.compile.native.types import Code
from wengert.compile.program import Op, Operand, run_op
from wengert.tape.columns import Constant


class Place(NamedTuple):
    """Where an operand lies: in which value, how many elements in; its strides in elements."""

    base: Operand
    offset: int
    strides: tuple[int, ...]


def place_of(division: Division, value: Operand) -> Place:
    """Where a value that is kept, or a view of what is kept, lies."""
    shape = division.spec(value).shape
    index = views.axes(len(shape))
    while isinstance(value, int) and value not in division.kept:
        role = division.role(value)
        assert role is not None, value
        assert role.back is not None, value
        value = division.op(value).operands[0]
        found = role.back(index)
        assert found is not None
        index = found
    flat = views.flat(index, views.strides_of(division.spec(value).shape))
    terms = dict(flat.terms)
    return Place(value, flat.constant, tuple([terms.get(k, 0) for k in range(len(shape))]))


def pointer_to(division: Division, code: Code, pointers: Pointers, value: Operand) -> str:
    """A pointer to the first element of an operand."""
    place = place_of(division, value)
    pointer = pointers(place.base)
    if not place.offset:
        return pointer
    offset = place.offset * division.spec(value).dtype.itemsize
    return code.op(f"getelementptr i8, ptr {pointer}, i64 {offset}")


def callback(division: Division, value: int) -> Callback:
    """The callback that computes a value by NumPy."""
    op = division.op(value)
    operands = tuple([x if isinstance(x, Constant) else division.spec(x) for x in op.operands])
    results = [division.specs[x] for x in results_of(division, value)]
    positions = None
    if op.spec.kind == "tuple":
        parts = division.parts.get(value, [])
        positions = [division.op(p).parameters["position"] for p in parts]
    return Callback(function_of(op, positions), operands, tuple(results), positions is not None)


def results_of(division: Division, value: int) -> list[int]:
    """The values in memory that a call gives: itself, or the parts of it that are read."""
    is_tuple = division.specs[value].kind == "tuple"
    return division.parts.get(value, []) if is_tuple else [value]


def all_results(division: Division, value: int) -> list[int] | None:
    """The values of a call's results, all parts in order; None if some are not read."""
    if division.specs[value].kind != "tuple":
        return [value]
    parts = {division.op(p).parameters["position"]: p for p in division.parts.get(value, [])}
    count = division.op(value).primitive.outputs
    return [parts[k] for k in range(count)] if sorted(parts) == [*range(count)] else None


def layout_of(division: Division, value: Operand) -> Layout:
    """How an operand lies in memory."""
    spec = division.spec(value)
    return Layout(spec.shape, spec.dtype, place_of(division, value).strides)


def function_of(op: Op, positions: list[int] | None = None) -> Callable[..., Any]:
    """What runs an operation by NumPy, or gives some of the parts of its result."""

    def run(*operands: Any) -> Any:
        with np.errstate(all="ignore"):  # native code is silent, too
            value = run_op(op, operands)
        return value if positions is None else tuple([value[k] for k in positions])

    return run
