"""Common subexpressions: the same operation on the same operands is done once.

Values are numbered as they come, and an operation is looked up by its primitive, parameters and
operands, by content (`identity.key`): signed zeros, NaN, 1, 1.0 and True stay apart.
"""

from __future__ import annotations

from collections.abc import Hashable

from wengert.compile.passes.identity import Keys
from wengert.compile.passes.inference import copied
from wengert.compile.program import Builder, Op, Operand, Program
from wengert.primitives.arithmetic import add, multiply

_COMMUTE = frozenset({add, multiply})


def share_subexpressions(program: Program) -> Program:
    """Do each operation once."""
    keys = Keys()
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    known: dict[Hashable, int] = {}
    for op in program.ops:
        operands = [builder.moved(x, where) for x in op.operands]
        found = _key(op, operands, keys)
        value = known.get(found)
        if value is None:
            value = known[found] = copied(builder, op, operands)
        where.append(value)
    if len(builder.ops) == len(program.ops):
        return program
    return builder.program(program, where)


def _key(op: Op, operands: list[Operand], keys: Keys) -> Hashable:
    found = [keys.operand(x) for x in operands]
    if op.primitive in _COMMUTE:
        found.sort()
    return (keys.of(op), op.spec, *found)
