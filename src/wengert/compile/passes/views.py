"""Views by the operations that make them: a path that begins with a reshape, or transposition.

Recorded views hold the whole way from their base: of each row of ``x.reshape(100, 8)`` the reshape.
As an operation of its own it is done, and seen, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.compile.passes.identity import key
from wengert.compile.passes.inference import carried_over, copied, infer, spec_in
from wengert.compile.program import Builder, Op, Operand, Program, Spec
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import follow, read, write
from wengert.primitives.shaping import broadcast, permute, reshape_to
from wengert.tape.columns import Constant

_MAKERS: dict[str, tuple[Primitive, str]] = {
    "reshape": (reshape_to, "shape"),
    "transpose": (permute, "axes"),
    "broadcast": (broadcast, "shape"),
}
_PATHS = frozenset({read, write})


def name_views(program: Program) -> Program:
    """Write the first steps of paths, up to an index, as operations."""
    if not any(op.primitive in _PATHS and _begins(op) for op in program.ops):
        return program
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    known: dict[Any, Operand] = {}
    for op in program.ops:
        if op.primitive not in _PATHS or not _begins(op):
            where.append(carried_over(builder, op, where))
            continue
        operands = [builder.moved(x, where) for x in op.operands]
        if op.primitive is read:
            where.append(_named(op, operands[0], builder, known))
        else:
            where.append(_written(op, operands, builder, known))
    return builder.program(program, where)


def _begins(op: Op) -> bool:
    """True for a path that begins with a step that is an operation."""
    if op.primitive is read and isinstance(op.operands[0], int):
        path = op.parameters["path"]
        return bool(path) and path[0][0] in _MAKERS
    if op.primitive is write:  # what was written must find its way back: through reshapes alone
        path = op.parameters["path"]
        return len(path) > 1 and path[0][0] == "reshape" and path[1][0] == "getitem"
    return False


def _named(op: Op, source: Operand, builder: Builder, known: dict[Any, Operand]) -> Operand:
    """A read."""
    path = list(op.parameters["path"])
    while path and path[0][0] in _MAKERS:
        view = _view(op, source, path[0], builder, known)
        if view is None:
            break
        source = view
        del path[0]
    if path:
        return builder.add(Op(read, (), {"path": tuple(path)}, op.spec, op.place), [source])
    return source


def _written(
    op: Op, operands: Sequence[Operand], builder: Builder, known: dict[Any, Operand]
) -> Operand:
    """A write into a reshaped array: reshaped, written into, and reshaped back."""
    path = op.parameters["path"]
    view = _view(op, operands[0], path[0], builder, known)
    if view is None:
        return copied(builder, op, operands)
    parameters = {**op.parameters, "path": tuple(path[1:])}
    spec = spec_in(builder, view)
    made = builder.add(Op(write, (), parameters, spec, op.place), [view, operands[1]])
    back = _view(op, made, ("reshape", op.spec.shape), builder, known)
    assert back is not None, "an array has its own size"
    return back


def _view(
    op: Op, source: Operand, step: tuple[str, Any], builder: Builder, known: dict[Any, Operand]
) -> Operand | None:
    """One step as an operation; None for a reshape with -1, or of a Python number."""
    primitive, name = _MAKERS[step[0]]
    if isinstance(source, Constant):
        return Constant(follow(source.value, (step,)))
    spec = infer(primitive, [spec_in(builder, source)], {name: step[1]})
    if spec is None:
        return None
    held = known.get((source, primitive, key(step[1])))
    if held is None:
        before = _undone(source, primitive, spec, builder)
        made = Op(primitive, (), {name: step[1]}, spec, op.place)
        held = builder.add(made, [source]) if before is None else before
        known[source, primitive, key(step[1])] = held
    return held


def _undone(source: int, primitive: Primitive, spec: Spec, builder: Builder) -> Operand | None:
    """What a reshape made `source` of, if a reshape now makes that again."""
    if primitive is not reshape_to or source < len(builder.inputs):
        return None
    made = builder.ops[source - len(builder.inputs)]
    if made.primitive is not reshape_to or spec_in(builder, made.operands[0]) != spec:
        return None
    return made.operands[0]
