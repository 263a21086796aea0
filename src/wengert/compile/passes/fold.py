"""Constant folding: an operation on constants alone is done now.

A result is kept as NumPy would hold it (a Python number stays one, and weak), and only if it is
not much larger than what it is made from: ``np.zeros(10**6)`` written out would cost more than it
saves.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wengert.compile.passes.inference import copied
from wengert.compile.passes.loop import conformed
from wengert.compile.program import Builder, Op, Operand, Program, run_op, spec_of
from wengert.tape.columns import Constant

_LARGEST = 4096  # elements of a result that may be larger than its operands


def fold_constants(program: Program) -> Program:
    """Do operations on constants."""
    if not any(all(type(x) is Constant for x in op.operands) for op in program.ops):
        return program
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for op in program.ops:
            operands = [builder.moved(x, where) for x in op.operands]
            folded = _folded(op, operands)
            where.append(copied(builder, op, operands) if folded is None else folded)
    if len(builder.ops) == len(program.ops):
        return program
    return builder.program(program, where)


def _folded(op: Op, operands: list[Operand]) -> Constant | None:
    """The value of an operation, if it is worth having; None if not."""
    values: list[Any] = []
    for operand in operands:
        if not isinstance(operand, Constant):
            return None
        values.append(operand.value)
    given = sum([np.size(value) for value in values])
    if op.spec.kind == "tuple" or op.spec.size > max(_LARGEST, 2 * given):
        return None
    try:
        value = conformed(run_op(op, values), op.spec)
    except Exception:  # of any primitive, the user's too: the error belongs to the run
        return None
    return Constant(value) if spec_of(value) == op.spec else None
