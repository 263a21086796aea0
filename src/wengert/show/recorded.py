"""Makes a `Graph` of what TensorFlow's and PyTorch's forms record: nodes that refer to nodes.

Such a node keeps what its derivative reads, no more, unless its tape was made with ``keep="all"``.
The one difficulty is to tell the rest: values are taken from what operations that use them saved,
or computed again from their operands; names from the variables of the caller.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import ArgumentError, DisconnectedError, user_frame
from wengert.frontends.gradient_tape import GradientTape, _node_of, _target_node
from wengert.frontends.variables import Variable
from wengert.primitives.adjoints import like_of
from wengert.primitives.joining import part as PART
from wengert.show.graph import Graph, Local
from wengert.show.graph import Node as Shown
from wengert.show.readers import Builder, Members, cached, kind_of_name, locals_of
from wengert.show.text import expression_of, place_key
from wengert.show.values import value_text
from wengert.tape.ambient import AMBIENT, BY_BACKWARD, Node, Recorder, pull, reachable
from wengert.tape.array import Array, concrete


def tape_graph(
    tape: GradientTape, target: Any = None, sources: Any = (), *, parameters: Collection[str] = ()
) -> Graph:
    """The graph of what a `GradientTape` recorded, up to a target.

    Parameters
    ----------
    target : Array or tree of them
        What was computed in the block.
    sources : Array, Variable or tree of them, optional
        What it was computed from, for their values and names; variables are known.
    """
    if target is None:
        raise ArgumentError(
            "a GradientTape was given without the target, from which its graph is found.",
            "Write tape.draw(loss), or wg.draw(tape, loss).",
        )
    tape._check()
    targets = tree.leaves(target)
    known = [*tape.watched_variables(), *tree.leaves(sources), *targets]
    nodes = [_target_node(x) for x in targets]
    return _Reading(tape._recorder, nodes, known, parameters, "GradientTape").graph()


def array_graph(x: Array, *sources: Any, parameters: Collection[str] = ()) -> Graph:
    """The graph of all that an Array of PyTorch's form was computed from."""
    node = _node_of(x, "draw")
    if BY_BACKWARD not in node.known:
        raise DisconnectedError(
            f"an Array of shape {x.shape} was to be drawn that depends on no Array with "
            "requires_grad=True.",
            "Draw it before backward(), and make its sources with wg.array(value, "
            "requires_grad=True).",
        )
    known = [x, *tree.leaves(sources)]
    return _Reading(BY_BACKWARD, [node], known, parameters, "Array").graph()


class _Reading:
    """One graph in the making."""

    def __init__(
        self,
        recorder: Recorder,
        targets: Sequence[Node],
        known: Sequence[Any],
        parameters: Collection[str],
        title: str,
    ):
        self.recorder, self.targets, self.title = recorder, targets, title
        self.parameters = parameters
        self.nodes = reachable(recorder, targets)
        self.held = {id(node) for node in self.nodes}
        self.names: dict[int, str] = {}
        self.values: dict[int, Any] = {}
        self.variables: set[int] = set()
        for name, x in [*_variables(), *((getattr(x, "name", None), x) for x in known)]:
            self._note(name, x)
        self._find_values()
        self.adjoints = self._adjoints()

    def _note(self, name: str | None, x: Any) -> None:
        """What a variable of the caller tells of a node."""
        if not isinstance(x, Array) or x.current().tape is not AMBIENT:
            return
        node = x.index if isinstance(x, Variable) else x.current().index
        if not isinstance(node, Node) or id(node) not in self.held:
            return
        self.values[id(node)] = concrete(x.current().value)
        if name:
            self.names[id(node)] = name
        if isinstance(x, Variable):
            self.variables.add(id(node))

    def _is_operation(self, node: Node) -> bool:
        return self.recorder in node.recorded

    def _operands(self, node: Node) -> list[Node | None]:
        """The nodes of the operands that this recorder knows; None for constants."""
        return [p if p is not None and id(p) in self.held else None for p in node.parents]

    def _find_values(self) -> None:
        for node in self.nodes:
            if not self._is_operation(node):
                continue
            known = node.seen.values if node.seen is not None else (node.saved or ())
            out = node.seen.out if node.seen is not None else (node.saved or (None,))[-1]
            for operand, value in zip(self._operands(node), known, strict=False):
                if operand is not None and value is not None:
                    self.values.setdefault(id(operand), concrete(value))
            if out is not None:
                self.values.setdefault(id(node), concrete(out))
        for node in self.nodes:
            if self._is_operation(node) and id(node) not in self.values:
                values = self._operand_values(node)
                if all(value is not None for value in values):
                    self.values[id(node)] = _computed(node, values)

    def _operand_values(self, node: Node) -> list[Any]:
        """Values of all operands; None where the tape kept none."""
        saved = node.saved or ()
        kept = node.seen.values if node.seen is not None else saved[: len(node.parents)]
        kept = (*kept, *[None] * (len(node.parents) - len(kept)))
        return [
            concrete(value) if operand is None else self.values.get(id(operand))
            for operand, value in zip(self._operands(node), kept, strict=True)
        ]

    def _adjoints(self) -> list[Any]:
        seeds = []
        for node in self.targets:
            value = self.values.get(id(node))
            if self.recorder in node.known and value is not None:
                seeds.append((node, like_of(value).ones()))
        found = pull(self.recorder, self.nodes, seeds, self.nodes)
        return [None if adjoint is None else concrete(adjoint) for adjoint in found]

    # --------------------------------------------------------------------------------------- graph

    def graph(self) -> Graph:
        made, members = Builder(), Members()
        numbers: dict[int, int] = {}
        shown: dict[int, str] = {}
        started = 0
        for k, node in enumerate(self.nodes):
            told: dict[str, Any] = {
                "value": self.values.get(id(node)),
                "adjoint": self.adjoints[k],
                "is_target": node in self.targets,
                "index": k,
            }
            if not self._is_operation(node):
                started += 1
                name = shown[id(node)] = self.names.get(id(node)) or f"x{started}"
                numbers[id(node)] = made.add(self._kind(node, name), name, **told)
                continue
            place = node.seen.place if node.seen is not None else None
            found = self.names.get(id(node)) or (place.name if place is not None else None)
            name = shown[id(node)] = _unused(found or f"v{k - started + 1}", shown.values())
            group = members.group_of(node.seen.member if node.seen is not None else None)
            numbers[id(node)] = self._add(made, node, name, numbers, shown, group, told)
        local = functools.partial(self._locals, shown)
        return Graph(made.nodes, made.edges, members.groups, self.title, cached(local))

    def _kind(self, node: Node, name: str) -> str:
        if self.parameters:
            return kind_of_name(name, self.parameters)
        is_parameter = id(node) in self.variables or self.recorder is BY_BACKWARD
        return "parameter" if is_parameter else "input"

    def _add(
        self,
        made: Builder,
        node: Node,
        name: str,
        numbers: Mapping[int, int],
        shown: Mapping[int, str],
        group: int,
        told: dict[str, Any],
    ) -> int:
        assert node.primitive is not None
        operands, values = self._operands(node), self._operand_values(node)
        sources = [
            made.unknown(group) if p is None and value is None
            else made.constant(value, group) if p is None
            else numbers[id(p)]
            for p, value in zip(operands, values, strict=True)
        ]  # fmt: skip
        texts = [
            (value_text(value) or "?") if p is None else shown[id(p)]
            for p, value in zip(operands, values, strict=True)
        ]
        place = node.seen.place if node.seen is not None else None
        number = made.add(
            "operation",
            name,
            operation=node.primitive.name,
            expression=expression_of(node.primitive, texts, node.parameters),
            parameters=node.parameters,
            line=None if place is None else place.line,
            key=place_key(node.primitive.name, place),
            group=group,
            **told,
        )
        made.join(sources, number, [p is not None for p in operands])
        return number

    def _locals(self, names: Mapping[int, str], shown: Shown) -> list[Local]:
        assert shown.index is not None
        node = self.nodes[shown.index]
        assert node.primitive is not None
        operands, values = self._operands(node), self._operand_values(node)
        texts = [
            (value_text(value) or "?") if p is None else names[id(p)]
            for p, value in zip(operands, values, strict=True)
        ]
        given = (node.primitive, values, shown.value, shown.adjoint, node.parameters)
        return locals_of(*given, [p is not None for p in operands], [*texts, shown.name])


def _computed(node: Node, values: Sequence[Any]) -> Any:
    """The value of a node, from those of its operands."""
    assert node.primitive is not None
    if node.primitive is PART:
        return values[0][node.parameters["position"]]
    with np.errstate(all="ignore"):
        return node.primitive.function(*values, **node.parameters)


def _unused(name: str, used: Collection[str]) -> str:
    taken, number, found = set(used), 1, name
    while found in taken:
        number += 1
        found = f"{name}.{number}"
    return found


def _variables() -> Iterator[tuple[str, Any]]:
    """The Arrays that the caller's variables hold; innermost frames last: they win."""
    frames = []
    frame = user_frame(sys._getframe(2))
    while frame is not None:
        frames.append(frame)
        frame = user_frame(frame.f_back) if frame.f_back is not None else None
    for frame in reversed(frames):
        for name, held in list(frame.f_locals.items()):
            if name.startswith("_"):
                continue
            if isinstance(held, Array):
                yield name, held
            elif isinstance(held, list | tuple):
                yield from ((f"{name}[{k}]", x) for k, x in enumerate(held))
            elif isinstance(held, dict):
                yield from ((f"{name}[{k!r}]", x) for k, x in held.items())
