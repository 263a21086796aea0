"""Systems whose matrix is known to be triangular are solved by substitution.

What is known follows from the operations: a Cholesky factor is lower triangular, and its transpose
upper. Zeros must be zeros whatever the numbers are, so a product with a number says nothing, as
0 * inf is NaN. Results differ from those of LU factors in their last bits, and are at least as
accurate: pivoting moves rows that substitution has no need to move (N. J. Higham, Accuracy and
Stability of Numerical Algorithms, 2nd ed. (2002), chapter 8).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.compile.passes.inference import copied
from wengert.compile.program import Builder, Op, Operand, Program
from wengert.primitives.arithmetic import negative
from wengert.primitives.cholesky import cholesky_factor
from wengert.primitives.linalg import solve_matrices
from wengert.primitives.shaping import permute
from wengert.primitives.triangular import solve_triangular, triangle_of

LOWER, UPPER = "lower", "upper"
Triangle = str | None  # None: nothing is known
_OTHER = {LOWER: UPPER, UPPER: LOWER, None: None}


def substitute_triangles(program: Program) -> Program:
    """Solve systems with triangular matrices by substitution."""
    if not any(op.primitive is solve_matrices for op in program.ops):
        return program
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    known: list[Triangle] = [None] * len(program.inputs)
    for op in program.ops:
        found = [known[x] if isinstance(x, int) else None for x in op.operands]
        operands = [builder.moved(x, where) for x in op.operands]
        if op.primitive is solve_matrices and found[0] is not None:
            parameters = {"lower": found[0] == LOWER, "unit_diagonal": False}
            own = Op(solve_triangular, (), parameters, op.spec, op.place)
            where.append(builder.add(own, operands))
        else:
            where.append(copied(builder, op, operands))
        rule = _RULES.get(op.primitive)
        known.append(rule(op, program, found) if rule is not None else None)
    return builder.program(program, where)


# ------------------------------------------------------------------- which triangle a result fills

Known = Sequence[Triangle]


def _same(op: Op, program: Program, known: Known) -> Triangle:
    return known[0]


def _turned(op: Op, program: Program, known: Known) -> Triangle:
    axes = op.parameters["axes"]
    last = len(axes) - 1
    if axes[-2:] == (last, last - 1):
        return _OTHER[known[0]]
    return known[0] if axes[-2:] == (last - 1, last) else None


def _named(parameter: str, at: bool) -> Callable[[Op, Program, Known], Triangle]:
    """The triangle that a parameter names: the lower one where it has the value `at`."""
    return lambda op, program, known: LOWER if op.parameters[parameter] == at else UPPER


_RULES: dict[Any, Callable[[Op, Program, Known], Triangle]] = {
    cholesky_factor: _named("upper", False),
    triangle_of: _named("lower", True),
    permute: _turned,
    negative: _same,
}
