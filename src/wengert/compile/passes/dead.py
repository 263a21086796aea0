"""Dead entries: operations that no output and no guard depends on are left out."""

from __future__ import annotations

from wengert.compile.passes.inference import carried_over
from wengert.compile.program import Builder, Operand, Program
from wengert.tape.columns import Constant


def remove_dead(program: Program) -> Program:
    """Leave out what is never read."""
    count = len(program.inputs)
    is_live = [False] * (count + len(program.ops))
    for root in (*program.outputs, *[guard.value for guard in program.guards]):
        if isinstance(root, int):
            is_live[root] = True
    for value in range(len(is_live) - 1, count - 1, -1):
        if is_live[value]:
            for operand in program.ops[value - count].operands:
                if type(operand) is int:
                    is_live[operand] = True
    if all(is_live[count:]):
        return program
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(count))
    for value, op in enumerate(program.ops, count):
        if is_live[value]:
            where.append(carried_over(builder, op, where))
        else:
            where.append(_GONE)
    return builder.program(program, where)


_GONE = Constant(None)  # never read
