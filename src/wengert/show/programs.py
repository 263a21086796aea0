"""Makes a `Graph` of a compiled function or of a `Program`, as it was traced.

A program holds no values: they are computed at given arguments, and adjoints by the sweep that
tapes have.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from wengert.compile.program import Op, Program, interpret, run_op
from wengert.compile.viewed import Viewed
from wengert.errors import ArgumentError
from wengert.primitives.adjoints import like_of
from wengert.primitives.joining import part as PART
from wengert.show.graph import Graph, Local, Node
from wengert.show.readers import Builder, cached, input_kind, locals_of, without_root
from wengert.show.text import expression_of, place_key
from wengert.show.values import value_text
from wengert.tape.columns import Constant, Place
from wengert.tape.sweep import Parts, backward
from wengert.transforms.trace import unused


def compiled_graph(
    compiled: Viewed, *args: Any, parameters: Collection[str] = (), **kwargs: Any
) -> Graph:
    """The graph of the path that a compiled function takes at given arguments."""
    program, inputs = compiled.program(*args, **kwargs)
    return program_graph(program, *inputs, parameters=parameters, title=compiled.name)


def program_graph(
    program: Program,
    *args: Any,
    parameters: Collection[str] = (),
    title: str = "compiled program",
) -> Graph:
    """The graph of a program; with arguments also its values and adjoints."""
    made = Builder()
    numbers: list[int] = []
    count = len(program.inputs)
    names = _names(program)
    unknown = [None] * (count + len(program.ops))
    values = _program_values(program, args) if args else unknown
    adjoints = _program_adjoints(program, values) if args else unknown
    groups, renumbered = without_root(*program.groups)
    members = program.groups.members or [0] * len(program.ops)
    targets = {out for out in program.outputs if isinstance(out, int)}
    for k, spec in enumerate(program.inputs):
        kind = input_kind(names[k], names[:count], parameters)
        told: dict[str, Any] = {"value": values[k], "adjoint": adjoints[k]}
        told |= {"shape": spec.shape, "dtype": spec.dtype, "index": k, "is_target": k in targets}
        numbers.append(made.add(kind, names[k], **told))
    for k, op in enumerate(program.ops, count):
        group = renumbered[members[k - count]]
        sources = [
            made.constant(x.value, group) if isinstance(x, Constant) else numbers[x]
            for x in op.operands
        ]
        operands = [names[x] if isinstance(x, int) else value_text(x.value) for x in op.operands]
        is_tuple = op.spec.kind == "tuple"
        told = {
            "operation": op.primitive.name,
            "expression": expression_of(op.primitive, operands, op.parameters),
            "value": values[k],
            "adjoint": adjoints[k],
            "shape": None if is_tuple else op.spec.shape,
            "dtype": None if is_tuple else op.spec.dtype,
            "parameters": op.parameters,
            "line": op.place.line if isinstance(op.place, Place) else None,
            "key": place_key(op.primitive.name, op.place),
            "group": group,
            "index": k,
            "is_target": k in targets,
        }
        numbers.append(made.add("operation", names[k], **told))
        made.join(sources, numbers[-1], _live(op))
    local = functools.partial(_program_locals, program, values, names)
    return Graph(made.nodes, made.edges, groups, title, cached(local))


def _names(program: Program) -> list[str]:
    """What user code calls each value: `v` and a number where it has no name for it."""
    count = len(program.inputs)
    names = [*(program.names or [f"x{k + 1}" for k in range(count)])]
    used, counts = set(names), dict[str, int]()
    for k, op in enumerate(program.ops):
        name = op.place.name if isinstance(op.place, Place) else None
        names.append(unused(name or f"v{k + 1}", used, counts))
    return names


def _live(op: Op) -> list[bool]:
    """For each operand whether an adjoint flows back to it."""
    return [
        isinstance(x, int) and op.primitive.is_differentiable(k) for k, x in enumerate(op.operands)
    ]


def _program_values(program: Program, args: Sequence[Any]) -> list[Any]:
    if len(args) != len(program.inputs):
        raise ArgumentError(
            f"the program has {len(program.inputs)} inputs, but {len(args)} values were given.",
            "Pass one value for each input, or none to see the program without values.",
        )
    values = list(args)

    def keep(op: Op, operands: Any) -> Any:
        values.append(run_op(op, operands))
        return values[-1]

    interpret(program, args, keep)
    return values


def _operand_values(op: Op, values: Sequence[Any]) -> list[Any]:
    return [values[x] if isinstance(x, int) else x.value for x in op.operands]


def _program_adjoints(program: Program, values: Sequence[Any]) -> list[Any]:
    """Adjoints of the sum of the results, by the sweep that tapes have."""
    entries: list[Any] = [None] * len(program.inputs)
    for k, op in enumerate(program.ops, len(program.inputs)):
        live = _live(op)
        if not any(live):
            entries.append(None)
            continue
        parents = tuple([x if flows else -1 for x, flows in zip(op.operands, live, strict=True)])
        given = _operand_values(op, values)
        # An entry for a part of a tuple holds what all its parts are like.
        likes = tuple([like_of(x) for x in (given[0] if op.primitive is PART else given)])
        entries.append((op.primitive, parents, (*given, values[k]), likes, op.parameters))
    adjoints: list[Any] = [None] * len(entries)
    for out in program.outputs:
        if isinstance(out, int) and like_of(values[out]).dtype.kind in "fc":
            seed = like_of(values[out]).ones()
            adjoints[out] = seed if adjoints[out] is None else adjoints[out] + seed
    with np.errstate(all="ignore"):
        backward(entries, adjoints, keep=True)
    return [x.filled() if type(x) is Parts else x for x in adjoints]


def _program_locals(
    program: Program, values: Sequence[Any], names: Sequence[str], node: Node
) -> list[Local]:
    assert node.index is not None
    op = program.ops[node.index - len(program.inputs)]
    operands = [names[x] if isinstance(x, int) else value_text(x.value) for x in op.operands]
    given = (op.primitive, _operand_values(op, values), node.value, node.adjoint, op.parameters)
    return locals_of(*given, _live(op), [*operands, node.name])
