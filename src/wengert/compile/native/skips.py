"""Innermost loops that add nothing but zeros: where a mask is false, they are not run.

The gradient of a minimum along an axis is zero but at one place of each row. A sum of what is
``where(mask, x, 0)`` does not change by a zero of either sign, as what it begins with is no
negative zero. A branch that is guessed wrong costs as much as some ten elements: the loop must be
long, or the mask ask for equality, which mostly does not hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wengert.compile import views
from wengert.compile.fuse import Division
from wengert.compile.program import Operand
from wengert.compile.views import Index
from wengert.primitives.arithmetic import add, negative
from wengert.primitives.selection import either
from wengert.tape.columns import Constant

_LONG = 64  # turns of a loop from which on any mask is worth a branch


class Mask(NamedTuple):
    """Where this value, at this index, is false, an element is zero."""

    operand: int
    at: Index


def mask_of(division: Division, operand: Operand, index: Index) -> Mask | None:
    """The mask that an element is zero without; None if there is none."""
    while isinstance(operand, int) and operand >= division.count:
        op, role = division.op(operand), division.role(operand)
        assert role is not None
        if role.kind == "view" and role.back is not None:
            place = role.back(index)
            assert place is not None
            operand, index = op.operands[0], place
            continue
        first = op.operands[0]
        index = views.aligned(index, division.spec(first).shape)
        if op.primitive is either:
            if not isinstance(first, int) or not _is_zero(op.operands[2]):
                return None
            return Mask(first, index)
        if op.primitive is not negative and not (op.primitive is add and op.operands[1] == first):
            return None
        operand = first
    return None


def _is_zero(operand: Operand) -> bool:
    return isinstance(operand, Constant) and not np.any(operand.value)


def is_worth_a_branch(division: Division, mask: Mask, turns: int) -> bool:
    """Whether a loop of so many turns is long, or the mask seldom true."""
    operand: Operand = mask.operand
    while isinstance(operand, int) and operand >= division.count:
        op, role = division.op(operand), division.role(operand)
        if role is None or role.kind != "view":
            return turns >= _LONG or op.primitive.name == "equal"
        operand = op.operands[0]
    return turns >= _LONG
