"""The data of a player's page: a `Graph` as parallel lists, numbers as JSON has them.

Values are numbers where the page can compute with them and text otherwise; infinities and NaN,
for which JSON has no word, are ``"Infinity"`` and ``"NaN"``. What many entries share (an operation,
its formulas, a line of code) stands in a table once. The one difficulty is an operand that is no
node, such as the 0 in the article's ReLU: it becomes a constant of the page.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from wengert.errors import NonScalarTargetError, TapeSizeError
from wengert.frontends.operations import Operation
from wengert.primitives.family import Elementwise, Primitive
from wengert.primitives.registry import REGISTRY
from wengert.show.graph import Graph, Local, Node
from wengert.show.player.formula import mathml, read_formula
from wengert.show.values import value_text
from wengert.transforms.trace import Trace

LONGEST = 20_000  # nodes; a page for more is slow to load and nobody steps through it
DECISIONS = 5  # that are told
TEXT = 400  # characters of a text from user code that a page keeps

# Values as mathematics writes them; every other elementwise primitive by its name: sin(x).
_WRITTEN = {
    "add": "x1 + x2", "subtract": "x1 - x2", "multiply": "x1*x2", "divide": "x1/x2",
    "negative": "-x", "positive": "x", "reciprocal": "1/x", "square": "x**2",
    "power": "x1**x2", "float_power": "x1**x2", "absolute": "abs(x)", "fabs": "abs(x)",
}  # fmt: skip
# Of one number these change nothing, whatever their settings are.
_IDENTITIES = ("sum", "mean", "astype")


def page_data(graph: Graph) -> dict[str, Any]:
    """Make plain data of a graph, for the page.

    Parameters
    ----------
    graph : Graph
        With values, adjoints and one scalar target.

    Returns
    -------
    dict
        For ``json.dumps``: parallel lists with an element for each node, and tables.

    Raises
    ------
    NonScalarTargetError
        If there is not one target of one element, with an adjoint.
    TapeSizeError
        If the graph has more than `LONGEST` nodes.

    Examples
    --------
    >>> from wengert.show.player.data import page_data
    >>> from wengert.show.sources import graph_of
    >>> data = page_data(graph_of(lambda x, y: x * y, 3.0, 2.0))
    >>> data["names"], data["values"], data["adjoints"]
    (['x', 'y', 'v1'], [3.0, 2.0, 6.0], [2.0, 3.0, 1.0])
    """
    if len(graph) > LONGEST:
        raise TapeSizeError(
            f"the tape has {len(graph):,} nodes, and a page steps through at most {LONGEST:,}.",
            "Trace a shorter run (fewer steps, a smaller batch); wg.draw shows long tapes folded.",
        )
    target = _target(graph)
    return _Pages(graph).data(target)


def decisions(traced: Trace) -> list[str]:
    """What was compared on the way: the page keeps to that path when its inputs are nudged."""
    told = []
    for decision in traced.decisions[:DECISIONS]:
        operands = ", ".join(
            traced.entries[x].name if isinstance(x, int) else value_text(x.value)
            for x in decision.operands
        )
        where = f" ({decision.place.line})" if decision.place is not None else ""
        value = value_text(decision.value)
        told.append(
            _cut(f"Decided on the way: {decision.primitive.name}({operands}) is {value}{where}.")
        )
    if len(traced.decisions) > DECISIONS:
        told.append(f"And {len(traced.decisions) - DECISIONS} decisions more.")
    if told:
        told.append(
            "The page keeps to this path, also where other inputs would have led elsewhere."
        )
    return told


def _target(graph: Graph) -> Node:
    """The one node that all adjoints are derivatives of."""
    targets = graph.targets
    shapes = [np.shape(node.value) for node in targets if not isinstance(node.value, tuple)]
    if len(targets) != 1 or len(shapes) != 1 or np.size(targets[0].value) != 1:
        told = "no result that depends on its inputs"
        if targets:
            told = f"results of the shapes {', '.join(str(shape) for shape in shapes)}"
        raise NonScalarTargetError(
            f"a player needs one number as the result, but {graph.title} has {told}.",
            "Return one number: np.sum(result).",
            targets[0].line if targets else None,
        )
    (target,) = targets
    if target.value is None or target.adjoint is None:
        raise NonScalarTargetError(
            f"{graph.title} has no values or no adjoints yet.",
            "Run it first: t.forward() and t.backward() for a Tape, arguments for a program.",
            target.line,
        )
    return target


class _Pages:
    """Builds the lists; numbers the tables."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.table: list[dict[str, Any]] = []
        self.places: list[str] = []
        self._numbers: dict[Any, int] = {}
        self._ids: dict[int, int] = {}  # of the graph's nodes on the page

    def data(self, target: Node) -> dict[str, Any]:
        for node in self.graph.nodes:
            self._add(node)
        return {
            "title": _cut(self.graph.title) or "tape",
            "target": self._ids[target.id],
            "seed": _number(target.adjoint),
            "inputs": [self._ids[x.id] for x in self.graph.nodes if _is_input(x)],
            **self.columns,
            "table": self.table,
            "places": self.places,
            "groups": [self._group(k) for k in range(len(self.graph.groups))],
            "notes": [],
        }

    def _group(self, number: int) -> str:
        """A group within those around it, in words."""
        names = [self.graph.groups[k].name for k in self.graph.path(number)]
        return _cut(" / ".join(names))

    def _add(self, node: Node) -> None:
        edges = self.graph.into(node.id)
        locals_ = [self.graph.local(edge) for edge in edges]
        operands = [self._ids[edge.source] for edge in edges]
        operation = -1
        if node.is_operation:
            primitive = _primitive_of(node, locals_)
            operands += self._further(node, primitive, locals_)
            operation = self._operation(node, primitive, locals_)
        lacking = len(operands) - len(edges)
        self._ids[node.id] = self._append(
            name=_cut(node.name),
            kind="operation" if node.is_operation else "input" if _is_input(node) else "constant",
            operation=operation,
            expression=_cut(node.expression),
            operands=operands,
            flows=[int(edge.is_differentiable) for edge in edges] + [0] * lacking,
            value=_number(node.value),
            adjoint=_number(node.adjoint),
            locals=[_number(local.value) for local in locals_] + [None] * lacking,
            contributions=[_number(local.contribution) for local in locals_] + [None] * lacking,
            line=self._place(node),
            group=node.group,
            settings=int(bool(node.parameters) and node.operation not in _IDENTITIES),
        )

    def _append(self, **told: Any) -> int:
        for name, column in COLUMNS.items():
            self.columns[name].append(told.get(column))
        return len(self.columns["names"]) - 1

    def _further(self, node: Node, primitive: Primitive | None, locals_: list[Local]) -> list[int]:
        """Constants for operands that are no nodes, after those that are."""
        if not isinstance(primitive, Elementwise):
            return []
        names = next((local.names for local in locals_ if local.names), {})
        return [
            self._append(
                name=names[slot],
                kind="constant",
                operation=-1,
                expression="",
                operands=[],
                flows=[],
                value=_read_number(names[slot]),
                locals=[],
                contributions=[],
                line=-1,
                group=node.group,
                settings=0,
            )
            for slot in primitive.operands[len(locals_) :]
            if slot in names
        ]

    def _operation(
        self,
        node: Node,
        primitive: Primitive | None,
        locals_: list[Local],
    ) -> int:
        """Number of an operation in the table: one for all entries with the same rules."""
        rules = tuple([local.rule for local in locals_])
        key = (node.operation, rules, primitive is None)
        if key in self._numbers:
            return self._numbers[key]
        self._numbers[key] = len(self.table)
        slots = primitive.slots if isinstance(primitive, Elementwise) else ()
        run = _cut(node.operation) if primitive is None else primitive.name
        self.table.append(
            {
                "name": _cut(node.operation),
                "slots": list(primitive.slots) if primitive is not None else [],
                "run": run if primitive is not None else "",
                "math": _value_math(primitive),
                "rules": [_rule(rule, slots) for rule in rules],
            }
        )
        return self._numbers[key]

    def _place(self, node: Node) -> int:
        if node.line is None:
            return -1
        if node.line not in self._numbers:
            self._numbers[node.line] = len(self.places)
            self.places.append(_cut(str(node.line)))
        return self._numbers[node.line]


# The page's lists, and what an entry calls its element of each.
COLUMNS: Mapping[str, str] = {
    "names": "name",
    "kinds": "kind",
    "operations": "operation",
    "expressions": "expression",
    "operands": "operands",
    "flows": "flows",
    "values": "value",
    "adjoints": "adjoint",
    "locals": "locals",
    "contributions": "contributions",
    "lines": "line",
    "group": "group",
    "settings": "settings",
}


def _is_input(node: Node) -> bool:
    return not node.is_operation and node.kind != "constant" and node.index is not None


def _primitive_of(node: Node, locals_: list[Local]) -> Primitive | None:
    """The primitive that a node stands for; None for a class of the user's own."""
    if not any(local.rule for local in locals_):
        return None
    return _primitives().get(node.operation)


@functools.cache
def _primitives() -> dict[str, Primitive]:
    """Primitives by their names, and by those of the article's nodes."""
    found = dict(REGISTRY.primitives)
    for operation in Operation.__subclasses__():
        primitive = REGISTRY.find(getattr(operation, "function", None))
        if isinstance(primitive, Primitive) and operation.__module__ == Operation.__module__:
            found[operation.__name__] = primitive
    found["Sigmoid"] = REGISTRY["expit"]  # its function is found when it is called
    return found


def _value_math(primitive: Primitive | None) -> str:
    """The value of an elementwise primitive as MathML; nothing for others."""
    if not isinstance(primitive, Elementwise):
        return ""
    written = _WRITTEN.get(primitive.name)
    tree: Any = None
    if written is not None:
        tree = read_formula(written, primitive.slots)
    elif primitive.name.isidentifier():
        tree = [primitive.name, *[["slot", k] for k in range(len(primitive.operands))]]
    return "" if tree is None else mathml(tree, primitive.slots)


def _rule(rule: str, slots: tuple[str, ...]) -> dict[str, Any] | None:
    """A local derivative: its tree and MathML, or the words of what is no formula."""
    if not rule:
        return None
    tree = read_formula(rule, slots) if slots else None
    if tree is None:
        return {"words": _cut(rule), "tree": None, "math": ""}
    return {"words": "", "tree": tree, "math": mathml(tree, slots)}


def _number(value: Any) -> Any:
    """A real number as JSON has it, everything else as short text."""
    if value is None or isinstance(value, tuple):
        return None if value is None else _cut(value_text(value))
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "fiub":
        return _cut(value_text(value))
    if array.dtype.kind == "b":
        return bool(array)
    number = float(array)
    if np.isfinite(number):
        return number
    return "NaN" if np.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _read_number(text: str) -> Any:
    try:
        return _number(float(text))
    except ValueError:
        return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"
