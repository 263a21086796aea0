"""Between which numbers a value lies, whatever the inputs are: counts, and what is divided by them.

A gradient of a maximum divides by how many elements are the largest, and asks whether the quotient
is zero. Ranges come from constants, so few operations need to be known; NaN is in no range.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from wengert.compile.passes.rewrite import Value
from wengert.primitives.arithmetic import divide, maximum, minimum
from wengert.primitives.reductions import add_up
from wengert.primitives.selection import either
from wengert.primitives.shaping import broadcast, reshape_to

Range = tuple[float, float]
_DEPTH = 8  # operations looked at, one below the other


def range_of(x: Value, depth: int = _DEPTH) -> Range | None:
    """The least and the greatest number that a value can hold; None if nothing is known."""
    if isinstance(x.operand, int):
        rule = _RULES.get(x.primitive)
        found = rule(x, depth - 1) if rule is not None and depth else None
    else:
        found = _ends(np.asarray(x.constant))
    if found is None or x.dtype.kind != "f":
        return found
    largest = float(np.finfo(x.dtype).max)
    return found if -largest <= found[0] and found[1] <= largest else None


def _ends(array: np.ndarray) -> Range | None:
    """The range of a constant."""
    if array.dtype.kind not in "biuf" or not array.size:
        return None
    ends = float(array.min()), float(array.max())
    return ends if np.all(np.isfinite(ends)) else None


def _same(x: Value, depth: int) -> Range | None:
    return range_of(x.operands[0], depth)


def _chosen(x: Value, depth: int) -> Range | None:
    _, first, second = x.operands
    one, other = range_of(first, depth), range_of(second, depth)
    if one is None or other is None:
        return None
    return min(one[0], other[0]), max(one[1], other[1])


def _extreme(pick: Callable[[float, float], float]) -> Callable[[Value, int], Range | None]:
    def rule(x: Value, depth: int) -> Range | None:
        one, other = [range_of(operand, depth) for operand in x.operands]
        if one is None or other is None:
            return None
        return pick(one[0], other[0]), pick(one[1], other[1])

    return rule


def _sum(x: Value, depth: int) -> Range | None:
    found = range_of(x.operands[0], depth)
    if found is None:
        return None
    count = prod(x.operands[0].shape) // max(1, prod(x.shape))
    if count == 0:
        return 0.0, 0.0
    # Sums round, so that they may be twice as large, and stop growing where a term is half an ulp.
    low, high = [2 * count * bound for bound in found]
    return min(low, found[0]), max(high, found[1])


def _quotient(x: Value, depth: int) -> Range | None:
    """Of what is not negative, divided by what is positive."""
    over, under = [range_of(operand, depth) for operand in x.operands]
    if over is None or under is None or over[0] < 0 or under[0] < np.finfo(x.dtype).tiny:
        return None
    return over[0] / under[1], over[1] / under[0]


_RULES: dict[object, Callable[[Value, int], Range | None]] = {
    either: _chosen,
    maximum: _extreme(max),
    minimum: _extreme(min),
    add_up: _sum,
    divide: _quotient,
    broadcast: _same,
    reshape_to: _same,
}
