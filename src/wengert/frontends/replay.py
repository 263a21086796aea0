"""The article's tape as a function of some of its nodes, for the transforms.

Nodes of ours are replayed by what they compute, without touching them. A user's own node becomes
a primitive: its `forward` is the value and its `backward` the vjp. The one difficulty is that
these two work on attributes of nodes, which are therefore lent to the replay and given back after
each call.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wengert.errors import ArgumentError
from wengert.primitives.adjoints import like_of
from wengert.transforms.primitive import primitive


def replayed(
    tape: Any, inputs: Sequence[Any], targets: Sequence[Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """A function from values of the inputs to values of the targets."""
    chosen = {id(node) for node in inputs}
    steps = [
        (node, node.operands, _evaluation(node))
        for node in _needed(tape, targets, chosen)
        if id(node) not in chosen
    ]

    def run(values: Sequence[Any]) -> list[Any]:
        if len(values) != len(inputs):
            raise ArgumentError(
                f"the function of a tape was called with {len(values)} values, but it was made for "
                f"{len(inputs)} inputs.",
                "Pass one value for each node given to as_function.",
            )
        known = {id(node): value for node, value in zip(inputs, values, strict=True)}
        for node, operands, evaluate in steps:
            known[id(node)] = evaluate(*[known[id(x)] for x in operands])
        return [known[id(node)] for node in targets]

    return run


def _needed(tape: Any, targets: Sequence[Any], chosen: set[int]) -> list[Any]:
    """The nodes that the targets depend on, in forward order; nothing behind the inputs."""
    found: dict[int, Any] = {}
    waiting = list(targets)
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        if id(node) not in chosen:
            waiting += node.operands
    return [node for node in tape.computations if id(node) in found]


def _evaluation(node: Any) -> Callable[..., Any]:
    """How a node computes its output from those of its operands."""
    if hasattr(node, "evaluate"):
        return node.evaluate
    if not node.operands:
        return lambda: _own_output(node)
    return _as_primitive(node)


def _own_output(node: Any) -> Any:
    """The output of a node without operands, as it would be now."""
    with _lent(node, (), ()):
        node.forward()
        return node._output


def _as_primitive(node: Any) -> Callable[..., Any]:
    """A user's node as an operation with a derivative."""
    operands = node.operands
    names = [f"x{k + 1}" for k in range(len(operands))]

    def value(*values: Any) -> Any:
        with _lent(node, operands, values):
            node.forward()
            return node._output

    def vjp(adjoint: Any, *given: Any) -> Any:
        *values, out = given
        with _lent(node, operands, values):
            node._output, node._gradient = out, adjoint
            node.backward()
            parts = tuple(
                like_of(x).zeros() if operand._gradient is None else operand._gradient
                for operand, x in zip(operands, values, strict=True)
            )
        return parts if len(parts) > 1 else parts[0]

    value.__signature__ = _signature(names)  # type: ignore[attr-defined]
    vjp.__signature__ = _signature(["adjoint", *names, "out"])  # type: ignore[attr-defined]
    made: Callable[..., Any] = primitive(value, vjp=vjp, name=type(node).__name__)
    return made


def _signature(names: Sequence[str]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in names])


@contextlib.contextmanager
def _lent(node: Any, operands: Sequence[Any], values: Sequence[Any]) -> Iterator[None]:
    """Let a node and its operands have other outputs, and no gradients, for a while."""
    involved = (node, *operands)
    tape = node.tape
    before = [(x._output, x._gradient) for x in involved]
    was_running, tape._is_running = tape._is_running, True
    for x, value in zip(operands, values, strict=True):
        x._output, x._gradient = value, None
    node._gradient = None
    try:
        yield
    finally:
        tape._is_running = was_running
        for x, (output, gradient) in zip(involved, before, strict=True):
            x._output, x._gradient = output, gradient
