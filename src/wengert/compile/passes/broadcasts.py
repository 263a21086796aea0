"""Broadcasting left to the operation: an elementwise operand is not spread out beforehand.

Gradients spread seeds and means over arrays: ``broadcast_to(s, shape) * x`` is ``s * x`` if `x` has
that shape, and a constant array that holds one value throughout is that number. Memory traffic is
what is saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.compile.passes.inference import copied, infer, is_elementwise, spec_in
from wengert.compile.program import Builder, Op, Operand, Program
from wengert.primitives.shaping import broadcast
from wengert.tape.columns import Constant


def leave_broadcasts(program: Program) -> Program:
    """Give elementwise operations the narrow operand."""
    if not any(op.spec.shape for op in program.ops):
        return program
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    numbers = _Numbers()
    changed = False
    for op in program.ops:
        operands = [builder.moved(x, where) for x in op.operands]
        if is_elementwise(op.primitive) and op.spec.shape:
            changed |= _narrow(op, operands, builder, numbers)
        where.append(copied(builder, op, operands))
    return builder.program(program, where) if changed else program


def _narrow(op: Op, operands: list[Operand], builder: Builder, numbers: _Numbers) -> bool:
    """Replace operands that others make up the shape for; True if there was one."""
    changed = False
    for position, operand in enumerate(operands):
        if isinstance(operand, Constant):
            narrow: Operand | None = numbers.find(operand.value)
        else:
            narrow = _source(operand, builder)
        if narrow is None:
            continue
        trial = [*operands[:position], narrow, *operands[position + 1 :]]
        if infer(op.primitive, [spec_in(builder, x) for x in trial], op.parameters) == op.spec:
            operands[position] = narrow
            changed = True
    return changed


def _source(operand: int, builder: Builder) -> Operand | None:
    """What a value was broadcast from, if it has the same dtype and is no Python number."""
    k = operand - len(builder.inputs)
    if k < 0 or builder.ops[k].primitive is not broadcast:
        return None
    source = builder.ops[k].operands[0]
    spec = spec_in(builder, source)
    return None if spec.kind == "python" else source


class _Numbers:
    """The numbers that constant arrays hold throughout, each array looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Constant | None]] = {}

    def find(self, value: Any) -> Constant | None:
        """The one number of an array; None if it holds several, or is none."""
        if not isinstance(value, np.ndarray) or value.size < 2 or value.dtype.hasobject:
            return None
        held = self._known.get(id(value))
        if held is None:
            number = uniform(value)
            held = self._known[id(value)] = (value, None if number is None else Constant(number))
        return held[1]


def uniform(array: np.ndarray) -> Any:
    """The number that every element of an array is, to the bit; None if they differ."""
    first = array.flat[0]
    if not any(array.strides):
        return first
    if first != array.flat[array.size // 2] and first == first:
        return None
    same = array == first if first == first else np.isnan(array)
    if not np.all(same):
        return None
    if first == 0 and array.dtype.kind in "fc" and not _same_zeros(array):
        return None
    return first


def _same_zeros(array: np.ndarray) -> bool:
    parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
    return all(np.all(np.signbit(part) == np.signbit(part.flat[0])) for part in parts)
