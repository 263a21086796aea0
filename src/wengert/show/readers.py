"""Makes a `Graph` of a `Trace` and of the article's tape of nodes.

What TensorFlow's and PyTorch's forms record is in `recorded.py`, what is compiled in
`programs.py`; `sources.py` chooses. The one
difficulty is constants, which no tape has entries for: each becomes a node before the operation
that uses it, an array that several use one node.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.frontends.nodes import CompNode, ConstantNode, Tape, _variables
from wengert.frontends.replay import _lent
from wengert.primitives.adjoints import like_of
from wengert.primitives.family import Elementwise, Primitive
from wengert.primitives.joining import part as PART
from wengert.show.graph import Edge, Graph, Local, Node
from wengert.show.text import place_key, step_of
from wengert.show.values import value_text
from wengert.tape.array import concrete
from wengert.tape.scopes import WHOLE, Group, Member
from wengert.transforms.arguments import name_of
from wengert.transforms.trace import Entry, Trace


def swept(traced: Trace) -> Trace:
    """A trace with adjoints: of the sum of its results, where they are not one number."""
    values = [out.value for out in traced.outputs]
    if not (len(values) == 1 and np.size(values[0]) == 1):
        traced.sweep(*[np.ones_like(value) for value in values])
    return traced


class Builder:
    """Collects nodes and edges; numbers constants between them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self._arrays: dict[int, int] = {}

    def add(self, kind: str, name: str, **told: Any) -> int:
        """One more node; its shape and dtype are its value's unless they are given."""
        value = told.get("value")
        if value is not None and not isinstance(value, tuple) and "shape" not in told:
            like = like_of(value)
            told.update(shape=like.shape, dtype=like.dtype)
        self.nodes.append(Node(len(self.nodes), kind, name, **told))
        return len(self.nodes) - 1

    def constant(self, value: Any, group: int = 0) -> int:
        """A node for a value that is on no tape: an array of several elements is data."""
        value = concrete(value)
        is_array = isinstance(value, np.ndarray) and value.size > 1
        if is_array and id(value) in self._arrays:
            return self._arrays[id(value)]
        kind = "data" if is_array else "constant"
        number = self.add(kind, value_text(value), value=value, group=group)
        if is_array:
            self._arrays[id(value)] = number
        return number

    def unknown(self, group: int = 0) -> int:
        """A node for a constant whose value the tape did not keep."""
        return self.add("constant", "?", group=group)

    def join(self, sources: Iterable[int], target: int, differentiable: Iterable[bool]) -> None:
        """The edges from the operands of a node."""
        for position, (source, flows) in enumerate(zip(sources, differentiable, strict=True)):
            self.edges.append(Edge(source, target, position, flows))


# ------------------------------------------------------------------------------------------ traces


def trace_graph(traced: Trace, *, parameters: Collection[str] = ()) -> Graph:
    """The graph of a recorded function."""
    made = Builder()
    numbers: list[int] = []
    columns = traced.columns
    groups, renumbered = without_root(columns.calls.groups, columns.groups[len(traced.inputs) :])
    names = [entry.name for entry in traced.inputs]
    targets = {out.index for out in traced.outputs if isinstance(out, Entry)}
    adjoints = traced.adjoints
    for entry in traced.entries:
        group = renumbered[columns.groups[entry.index]]
        told = {
            "value": concrete(entry.value),
            "adjoint": concrete(adjoints[entry.index]),
            "index": entry.index,
            "is_target": entry.index in targets,
        }
        if entry.primitive is None:
            numbers.append(made.add(input_kind(entry.name, names, parameters), entry.name, **told))
            continue
        operands = [
            numbers[x] if isinstance(x, int) else made.constant(x.value, group)
            for x in columns.operands[entry.index]
        ]
        flows = [
            entry.primitive.is_differentiable(k) and isinstance(x, int)
            for k, x in enumerate(columns.operands[entry.index])
        ]
        step = step_of(entry)
        told |= {
            "operation": entry.primitive.name,
            "expression": step.expression,
            "parameters": entry.parameters,
            "line": None if entry.place is None else entry.place.line,
            "group": group,
            "key": step.key,
        }
        numbers.append(made.add("operation", entry.name, **told))
        made.join(operands, numbers[-1], flows)
    local = functools.partial(_traced_local, traced, made.nodes, made.edges)
    return Graph(made.nodes, made.edges, groups, name_of(traced.function), cached(local))


def input_kind(name: str, names: Sequence[str], parameters: Collection[str]) -> str:
    """Whether an input is a parameter or data, by the argument that holds it."""
    if parameters:
        chosen = name in parameters or name.partition("[")[0] in parameters
        return "parameter" if chosen else "data"
    if not any("[" in other for other in names) or all("[" in other for other in names):
        return "input"
    return "parameter" if "[" in name else "data"


def without_root(
    groups: Sequence[Group], used: Sequence[int]
) -> tuple[list[Group], dict[int, int]]:
    """The groups without the call that encloses all entries: it is the function itself."""
    children = {_top(groups, k) for k in used}
    root = children.pop() if len(children) == 1 else 0
    if root and groups[root].kind != "function":
        root = 0
    kept = [WHOLE]
    renumbered = {0: 0, root: 0}
    for k, group in enumerate(groups):
        if k and k != root:
            renumbered[k] = len(kept)
            kept.append(group._replace(parent=renumbered[group.parent]))
    return kept, renumbered


def _top(groups: Sequence[Group], number: int) -> int:
    """The outermost group around one, the whole aside."""
    while number and groups[number].parent:
        number = groups[number].parent
    return number


def _traced_local(
    traced: Trace, nodes: Sequence[Node], edges: Sequence[Edge], node: Node
) -> list[Local]:
    """The local derivatives of one entry by its operands."""
    assert node.index is not None
    entry = traced.entries[node.index]
    assert entry.primitive is not None
    operands = entry.operands
    values = [concrete(x.value) for x in operands]
    names = [x.name if isinstance(x, Entry) else value_text(x.value) for x in operands]
    live = [isinstance(x, Entry) for x in operands]
    given = (entry.primitive, values, node.value, node.adjoint, entry.parameters, live)
    return locals_of(*given, [*names, node.name])


def locals_of(
    primitive: Primitive,
    values: Sequence[Any],
    out: Any,
    adjoint: Any,
    parameters: Any,
    live: Sequence[bool],
    names: Sequence[str],
) -> list[Local]:
    """The local derivatives of a primitive by each operand; `names` are theirs and the result's."""
    meant = {**dict(zip(primitive.operands, names[:-1], strict=False)), "out": names[-1]}
    if not isinstance(primitive, Elementwise):  # a formula in words, where "a" may be an article
        meant = {name: operand for name, operand in meant.items() if len(name) > 1}
    partials = _partials(primitive, values, out, parameters, live)
    parts = _pulled(primitive, values, out, adjoint, parameters, live)
    rules = _rules(primitive, values, live)
    last = len(rules) - 1
    return [
        Local(rules[min(k, last)], meant, partials[k], parts[k]) if flows else _NOTHING
        for k, flows in enumerate(live)
    ]


def _rules(primitive: Primitive, values: Sequence[Any], live: Sequence[bool]) -> Sequence[str]:
    """The formulas of a primitive; of a power with a number as exponent the one that one learns."""
    if primitive.name not in ("power", "float_power") or len(values) != 2 or live[1]:
        return primitive.formula
    exponent = concrete(values[1])
    if exponent is None or np.ndim(exponent) or np.iscomplexobj(exponent):
        return primitive.formula
    number = float(exponent)
    known = {0.0: "0", 1.0: "1", 2.0: "2*x1"}
    return (known.get(number, f"{number:.12g}*x1**({number - 1:.12g})"), *primitive.formula[1:])


_NOTHING = Local("", {})


def _partials(
    primitive: Primitive, values: Sequence[Any], out: Any, parameters: Any, live: Sequence[bool]
) -> list[Any]:
    """Partial derivatives that are numbers of the operand's shape; None for others."""
    is_unknown = any(value is None for value in (*values, out))
    if is_unknown or primitive is PART or primitive.outputs > 1:
        return [None] * len(values)
    with np.errstate(all="ignore"):
        if isinstance(primitive, Elementwise):
            tie = 0.5 if all(live) else 0.0
            slots = (*values, out)
            return [
                _as_number(primitive.partial(k, slots, parameters, tie))
                if primitive.rules[k] is not None else None
                for k in range(len(values))
            ]  # fmt: skip
        like = like_of(out)
        if like.size != 1 or like.dtype.kind not in "fc":
            return [None] * len(values)
        parts = _pulled(primitive, values, out, like.ones(), parameters, live)
        return [
            part if value is not None and np.size(value) == 1 else None
            for part, value in zip(parts, values, strict=True)
        ]


def _as_number(partial: Any) -> Any:
    """A derivative such as ``x > 0`` as 0 or 1."""
    return partial + 0.0 if np.asarray(partial).dtype.kind == "b" else partial


def _pulled(
    primitive: Primitive,
    values: Sequence[Any],
    out: Any,
    adjoint: Any,
    parameters: Any,
    live: Sequence[bool],
) -> list[Any]:
    """What an operation passes on to each of its operands; None where nothing is known."""
    if primitive is PART or adjoint is None or any(x is None for x in (*values, out)):
        return [None] * len(values)
    parents = [0 if flows else -1 for flows in live]
    likes = tuple([like_of(value) for value in values])
    with np.errstate(all="ignore"):
        return primitive.pull(adjoint, parents, (*values, out), likes, parameters)


def cached(locals_of_node: Callable[[Node], list[Local]]) -> Callable[[Node, Edge], Local]:
    """Local derivatives by edge, computed once for each node."""
    known: dict[int, list[Local]] = {}

    def local(node: Node, edge: Edge) -> Local:
        if node.id not in known:
            known[node.id] = locals_of_node(node)
        found = known[node.id]
        return found[edge.position] if edge.position < len(found) else _NOTHING

    return local


# --------------------------------------------------------------------------------- article's nodes


def nodes_graph(tape: Tape, *, parameters: Collection[str] = ()) -> Graph:
    """The graph of the article's tape."""
    made = Builder()
    names = tape._names(dict(_variables()))
    members = Members()
    numbers: dict[int, int] = {}
    swept_to = [node for node in tape.computations if node._gradient is not None]
    ends = swept_to or tape.computations
    target = ends[-1] if ends else None
    for index, node in enumerate(tape.computations):
        operation = node._operation()
        told: dict[str, Any] = {
            "value": node._output,
            "adjoint": node._gradient,
            "index": index,
            "line": node._line,
            "group": members.group_of(node._member),
            "is_target": node is target,
        }
        name = names[id(node)]
        if not operation:
            is_literal = isinstance(node, ConstantNode) and node.is_literal
            kind = "constant" if is_literal else kind_of_name(name, parameters)
            numbers[id(node)] = made.add(kind, name, **told)
            continue
        arguments = ", ".join(node._arguments(names))
        told |= {
            "operation": operation,
            "expression": f"{operation}({arguments})",
            "key": place_key(type(node), node._place),
        }
        numbers[id(node)] = made.add("operation", name, **told)
        operands = node.operands
        flows = [not getattr(x, "is_literal", False) for x in operands]
        made.join([numbers[id(x)] for x in operands], numbers[id(node)], flows)
    local = functools.partial(_node_locals, tape, names)
    return Graph(made.nodes, made.edges, members.groups, "Tape", cached(local))


def kind_of_name(name: str, parameters: Collection[str]) -> str:
    """Whether a start is a parameter or data, where parameters are named."""
    if not parameters:
        return "input"
    return "parameter" if name in parameters else "data"


class Members:
    """The groups of things that were recorded one by one."""

    def __init__(self) -> None:
        self.groups = [WHOLE]
        self._numbers: dict[tuple[int, int], int] = {}

    def group_of(self, member: Member | None) -> int:
        """Number of the group of one of them."""
        if member is None or not member.number:
            return 0
        key = (id(member.calls), member.number)
        if key not in self._numbers:
            group = member.calls.group(member.number)
            parent = self.group_of(Member(member.calls, group.parent))
            self.groups.append(group._replace(parent=parent))
            self._numbers[key] = len(self.groups) - 1
        return self._numbers[key]


def _node_locals(tape: Tape, names: dict[int, str], node: Node) -> list[Local]:
    """The local derivatives of one of the article's nodes by its operands."""
    assert node.index is not None
    made = tape.computations[node.index]
    operands = made.operands
    if any(x._output is None for x in (made, *operands)):
        return [_NOTHING] * len(operands)
    primitive = getattr(made, "primitive", None)
    if isinstance(primitive, Primitive):
        constants = list(getattr(made, "constants", ()))
        values = [*[x._output for x in operands], *constants]
        live = [not getattr(x, "is_literal", False) for x in operands] + [False] * len(constants)
        told = [*[names[id(x)] for x in operands], *map(value_text, constants), node.name]
        found = locals_of(primitive, values, made._output, made._gradient, {}, live, told)
        return found[: len(operands)]
    parts = _node_parts(made, made._gradient)
    likes = [like_of(x._output) for x in (made, *operands)]
    slopes: list[Any] = [None] * len(operands)
    if all(like.size == 1 for like in likes):
        slopes = _node_parts(made, likes[0].ones())
    return [Local("", {}, slope, part) for slope, part in zip(slopes, parts, strict=True)]


def _node_parts(node: CompNode, gradient: Any) -> list[Any]:
    """What a node's own `backward` adds to the gradients of its operands."""
    operands = node.operands
    if gradient is None:
        return [None] * len(operands)
    recording = getattr(node, "_recording", None)
    if recording is not None:
        return list(recording.pull([gradient]))[: len(operands)]
    with _lent(node, operands, [x._output for x in operands]), np.errstate(all="ignore"):
        node._gradient = gradient
        node.backward()
        return [x._gradient for x in operands]
