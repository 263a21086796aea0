"""The operation ``loop``: a stretch of a program that repeats, run `count` times.

``loop(*operands, body=Program, count=int, carried=int, stacked=tuple of Stacked, reverse=bool)``.
The operands stand in the order of the body's inputs: first the `carried` initial values, then one
array for each `Stacked`, then values that stay the same. Iterations go from ``t = 0`` to ``count -
1``, or, in `reverse`, from ``count - 1`` to 0. Iteration ``t`` runs the body on what the one
before carried on, on the elements at ``start + step * t`` along an axis of the arrays, and on the
rest. The body's outputs are the values carried on, of the specs of the first inputs, then those
collected. The result is a tuple: what the last iteration carried on, then, for each collected
value, an array whose new first axis is ``t``; `part` operations take it apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.program import Op, Program, Spec, interpret, run_op, verify
from wengert.primitives.family import locally_constant


class Stacked(NamedTuple):
    """Which part of an array each iteration reads.

    Attributes
    ----------
    axis : int
        Iterations run along this axis.
    start, step : int
        Iteration ``t`` reads the place ``start + step * t``, never negative.
    """

    axis: int
    start: int
    step: int

    def element(self, array: Any, iteration: int) -> Any:
        """What one iteration reads: a view, or a number."""
        return array[(slice(None),) * self.axis + (self.start + self.step * iteration,)]


def conformed(value: Any, spec: Spec) -> Any:
    """`value` held as `spec` says: a Python number, a NumPy scalar, or an array."""
    if spec.kind == "python":
        return value.item() if hasattr(value, "item") else value
    if spec.kind == "scalar":
        return value if isinstance(value, np.generic) else spec.dtype.type(value)
    return value if spec.kind == "tuple" else np.asarray(value)


def run_conformed(op: Op, operands: Sequence[Any]) -> Any:
    """As `run_op`, the result held as its spec says."""
    return conformed(run_op(op, operands), op.spec)


def _run(
    *operands: Any,
    body: Program,
    count: int,
    carried: int,
    stacked: Sequence[Stacked],
    reverse: bool,
) -> tuple[Any, ...]:
    held = list(operands[:carried])
    arrays = operands[carried : carried + len(stacked)]
    fixed = operands[carried + len(stacked) :]
    specs = body.inputs[carried : carried + len(stacked)]
    collected: list[list[Any]] = [[] for _ in body.outputs[carried:]]
    for t in reversed(range(count)) if reverse else range(count):
        elements = [
            conformed(part.element(array, t), spec)
            for part, array, spec in zip(stacked, arrays, specs, strict=True)
        ]
        out = interpret(body, [*held, *elements, *fixed], run_conformed)
        held = out[:carried]
        for values, value in zip(collected, out[carried:], strict=True):
            values.append(value)
    if reverse:
        collected = [values[::-1] for values in collected]
    return (*held, *map(np.stack, collected))


loop = locally_constant(
    _run, ("operands",), name="loop", variadic=True, outputs=2, formula="the body, repeated"
)


def collected_spec(spec: Spec, count: int) -> Spec:
    """The spec of the array that collects a value of each iteration."""
    return Spec((count, *spec.shape), spec.dtype, "array")


def map_bodies(program: Program, change: Callable[[Program], Program]) -> Program:
    """A program with the bodies of its loops changed; `change` keeps their inputs and outputs."""
    ops = list(program.ops)
    for k, op in enumerate(ops):
        if op.primitive is loop:
            body = change(op.parameters["body"])
            if body is not op.parameters["body"]:
                ops[k] = replace(op, parameters={**op.parameters, "body": body})
    if all(new is old for new, old in zip(ops, program.ops, strict=True)):
        return program
    return replace(program, ops=tuple(ops))


def verify_loops(program: Program) -> None:
    """Check the form of every loop of a program, and of loops within."""
    for op in program.ops:
        if op.primitive is loop:
            _verify(program, op)


def _verify(program: Program, op: Op) -> None:
    body, count, carried = (op.parameters[name] for name in ("body", "count", "carried"))
    stacked = op.parameters["stacked"]
    verify(body)
    verify_loops(body)
    assert not body.guards, "a guard in a loop"
    assert count >= 1, count
    assert len(op.operands) == len(body.inputs), (len(op.operands), len(body.inputs))
    specs = [program.spec(operand) for operand in op.operands]
    for k in range(carried):
        assert specs[k] == body.inputs[k], f"carried {k} starts as {specs[k]}: {body.inputs[k]}"
        assert body.spec(body.outputs[k]) == body.inputs[k], f"carried {k} changes its spec"
    for k, (axis, start, step) in enumerate(stacked, carried):
        size = specs[k].shape[axis]
        last = start + step * (count - 1)
        assert 0 <= start < size, f"loop reads place {start} of {size}"
        assert 0 <= last < size, f"loop reads place {last} of {size}"
        element = Spec(
            specs[k].shape[:axis] + specs[k].shape[axis + 1 :], specs[k].dtype, body.inputs[k].kind
        )
        assert body.inputs[k] == element, f"stacked {k} is {element}, not {body.inputs[k]}"
    for k in range(carried + len(stacked), len(specs)):
        assert specs[k] == body.inputs[k], f"operand {k} is {specs[k]}, not {body.inputs[k]}"
