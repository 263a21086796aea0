"""`Graph`: any tape as nodes, edges and groups; text, picture, player and JSON are made from it.

Read-only data: operations in the order of the tape, each constant just before its first use, so
that every edge goes from a smaller number to a larger one. `readers.py` makes it from each kind of
tape. What costs more than a look, the local derivatives, is computed when it is asked for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import Line
from wengert.show.values import value_text
from wengert.tape.scopes import WHOLE, Group

# What a node is. A parameter is what is learned or fitted, data what is given; an input may be
# either; a constant is a number in the code. Constants and data on no tape have no derivative.
KINDS = ("input", "parameter", "data", "constant", "operation")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value: where a computation starts, or what an operation gave.

    Attributes
    ----------
    id : int
        Its place in ``graph.nodes``.
    kind : str
        One of `KINDS`.
    name : str
        The variable that user code stores it in, or ``v`` and a number; of a constant its value.
    operation : str
        Name of the operation: NumPy's, or the class of the article's node; "" if there is none.
    expression : str
        The operation with its operands, as the log prints it: ``multiply(x, y)``.
    value : number, ndarray, tuple or None
        What was computed; None where the tape does not keep it.
    adjoint : number, ndarray, tuple or None
        Derivative of the target by the value; None if the target does not depend on it.
    shape, dtype : tuple of int, dtype or None
        Of the value, also where the tape keeps no value; None where it is unknown, or a tuple.
    parameters : mapping
        Static parameters of the operation, such as ``axis``.
    line : Line or None
        The user's line.
    group : int
        Number of the innermost group it is in.
    index : int or None
        Its place on the tape; None for what is not on it.
    is_target : bool
        Whether it is a result.
    key : hashable or None
        Equal for nodes that one place in user code makes, as a loop does.
    """

    id: int
    kind: str
    name: str
    operation: str = ""
    expression: str = ""
    value: Any = None
    adjoint: Any = None
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    line: Line | None = None
    group: int = 0
    index: int | None = None
    is_target: bool = False
    key: Hashable = None

    @property
    def is_operation(self) -> bool:
        """Whether it was computed."""
        return self.kind == "operation"

    def __repr__(self) -> str:
        return f"<node {self.id}: {self.name} = {self.expression or self.kind}>"


class Edge(NamedTuple):
    """One use of a value by an operation.

    Attributes
    ----------
    source, target : int
        Numbers of the nodes.
    position : int
        Which operand of the target it is.
    is_differentiable : bool
        Whether an adjoint flows back along it.
    """

    source: int
    target: int
    position: int
    is_differentiable: bool = True


class Local(NamedTuple):
    """The derivative of an operation by one operand.

    Attributes
    ----------
    rule : str
        As the primitive declares it, in the names of its operands: ``2*x``; may be words.
    names : dict
        What each name of the rule stands for in this graph: ``{"x": "h", "out": "o"}``.
    value : number, ndarray or None
        Element by element, for elementwise operations and single numbers; else None.
    contribution : number, ndarray or None
        What flows back along the edge: the local derivative times the adjoint of the operation.
    """

    rule: str
    names: Mapping[str, str]
    value: Any = None
    contribution: Any = None

    @property
    def formula(self) -> str:
        """The rule in the names of the graph."""
        return re.sub(r"\b[a-z]\w*\b", lambda word: self.names.get(word[0], word[0]), self.rule)


class Graph:
    """A tape, to look at.

    Attributes
    ----------
    nodes : tuple of Node
        In the order of the tape.
    edges : tuple of Edge
        By target, then by operand.
    groups : tuple of Group
        Group 0 is the whole.
    title : str
        Name of the function, or the kind of tape.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        edges: Sequence[Edge],
        groups: Sequence[Group] = (WHOLE,),
        title: str = "",
        local: Callable[[Node, Edge], Local] | None = None,
    ):
        self.nodes, self.edges, self.groups = tuple(nodes), tuple(edges), tuple(groups)
        self.title = title
        self._local = local

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<graph of {self.title or 'a tape'}: {len(self.nodes)} nodes>"

    @property
    def targets(self) -> tuple[Node, ...]:
        """The results."""
        return tuple([node for node in self.nodes if node.is_target])

    @functools.cached_property
    def _into(self) -> list[list[Edge]]:
        found: list[list[Edge]] = [[] for _ in self.nodes]
        for edge in self.edges:
            found[edge.target].append(edge)
        return found

    @functools.cached_property
    def _out_of(self) -> list[list[Edge]]:
        found: list[list[Edge]] = [[] for _ in self.nodes]
        for edge in self.edges:
            found[edge.source].append(edge)
        return found

    def into(self, node: int) -> Sequence[Edge]:
        """The edges from the operands of a node, in their order."""
        return self._into[node]

    def out_of(self, node: int) -> Sequence[Edge]:
        """The edges to what uses a node."""
        return self._out_of[node]

    def local(self, edge: Edge) -> Local:
        """The derivative of an edge's target by its source."""
        if self._local is None or not edge.is_differentiable:
            return Local("", {})
        return self._local(self.nodes[edge.target], edge)

    def depends_on(self, node: int) -> set[int]:
        """The nodes that a node is computed from, directly or not."""
        return _reached(node, lambda k: [edge.source for edge in self._into[k]])

    def influences(self, node: int) -> set[int]:
        """The nodes that are computed from a node, directly or not."""
        return _reached(node, lambda k: [edge.target for edge in self._out_of[k]])

    def path(self, group: int) -> tuple[int, ...]:
        """A group within all those around it, outermost first, without the whole."""
        found: list[int] = []
        while group:
            found.append(group)
            group = self.groups[group].parent
        return tuple(reversed(found))

    def to_dict(self) -> dict[str, Any]:
        """Make plain data for JSON: arrays as lists, infinities and NaN as words."""
        return {
            "title": self.title,
            "nodes": [_node_as_dict(node) for node in self.nodes],
            "edges": [self._edge_as_dict(edge) for edge in self.edges],
            "groups": [group._asdict() for group in self.groups],
        }

    def _edge_as_dict(self, edge: Edge) -> dict[str, Any]:
        local = self.local(edge)
        return {
            **edge._asdict(),
            "formula": local.formula,
            "local_derivative": plain(local.value),
            "contribution": plain(local.contribution),
        }


def _reached(start: int, following: Callable[[int], list[int]]) -> set[int]:
    found: set[int] = set()
    waiting = following(start)
    while waiting:
        k = waiting.pop()
        if k not in found:
            found.add(k)
            waiting += following(k)
    return found


def _node_as_dict(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "kind": node.kind,
        "name": node.name,
        "operation": node.operation,
        "expression": node.expression,
        "value": plain(node.value),
        "adjoint": plain(node.adjoint),
        "shape": None if node.shape is None else list(node.shape),
        "dtype": None if node.dtype is None else str(node.dtype),
        "parameters": {name: _parameter_text(given) for name, given in node.parameters.items()},
        "line": None if node.line is None else node.line._asdict(),
        "group": node.group,
        "index": node.index,
        "is_target": node.is_target,
    }


def _parameter_text(given: Any) -> str:
    return value_text(given) if isinstance(given, np.ndarray) else repr(given)


def plain(value: Any) -> Any:
    """A value that JSON can hold: infinities, NaN and complex numbers as words."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    array = np.asarray(value)
    if array.ndim:
        return [plain(part) for part in array]
    number = array.item()
    is_finite = isinstance(number, int | bool) or (
        isinstance(number, float) and np.isfinite(number)
    )
    return number if is_finite else str(number)
