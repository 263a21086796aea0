"""`explain`: a function's tape as a table of values, local derivatives and adjoints.

It holds what the log of `show/text.py` does not: for each operand of an operation the formula of
the local derivative, with the names and numbers of this tape put in. The data are those of a
`Graph`, so that it takes every kind of tape.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import tree
from wengert.errors import ArgumentError
from wengert.show.diagnose import diagnosed
from wengert.show.graph import Edge, Graph, Node, plain
from wengert.show.readers import trace_graph
from wengert.show.sources import graph_of, is_tape
from wengert.show.text import stretches
from wengert.show.values import value_text
from wengert.tape.columns import Decision
from wengert.transforms.trace import Entry, Trace, trace


class Local(NamedTuple):
    """The derivative of one operation by one operand."""

    operand: str
    formula: str  # in the names of this tape; in words where it is no formula
    value: Any = None  # None where it is no number of the operand's shape
    contribution: Any = None  # what flows back: the derivative times the adjoint


class Row(NamedTuple):
    """One line of the table: an input if it has no operation."""

    number: str
    name: str
    operation: str
    value: Any
    adjoint: Any
    locals: tuple[Local, ...]
    difference: Any = None  # the adjoint by finite differences: of inputs, if asked for
    key: Any = None


def explain(f: Any, *args: Any, check: bool = False, **kwargs: Any) -> Explanation:
    """Run a function and explain its derivative, operation by operation.

    Parameters
    ----------
    f : callable, Trace, Tape, GradientTape, Program or Array
        Plain NumPy code. If it returns no scalar, the adjoints are those of the sum of all
        elements. Or a tape, as `draw` takes it.
    *args
        Its arguments. Every floating-point number or array in them is an input.
    check : bool
        Take the derivative by each input by finite differences as well: four calls an element.
    **kwargs
        Its arguments by name.

    Returns
    -------
    Explanation
        ``print`` shows a table; so does a rich console, in colour. Below it stands what meets where
        a value is used more than once: its adjoint is the sum over these paths.

    Examples
    --------
    >>> print(wg.explain(lambda x, y: x * y + y, 3.0, 2.0))
    #   name  operation       value  adjoint  local derivatives         passes back
        x                         3        2
        y                         2        4
    #1  v1    multiply(x, y)      6        1  by x: y = 2; by y: x = 3  2 to x; 3 to y
    #2  v2    add(v1, y)          8        1  by v1: 1; by y: 1         1 to v1; 1 to y
    Paths meet at y: 3 through v1 + 1 through v2 = 4
    """
    if not callable(f) or is_tape(f):
        if check:
            raise ArgumentError(
                "check=True needs a function to call again, not a tape.",
                "Write wg.explain(function, *args, check=True).",
            )
        graph = graph_of(f, *args, **kwargs)
        result = [node.value for node in graph.targets]
        notes = _notes(graph)
        return Explanation(graph, result[0] if len(result) == 1 else tuple(result), (), notes)
    traced = trace(f, *args, **kwargs)
    said = [*_swept(traced), *(_decision_text(traced, decision) for decision in traced.decisions)]
    differences = _differences(f, args, kwargs) if check else []
    graph = trace_graph(traced)
    return Explanation(graph, traced.value, differences, [*said, *_notes(graph)])


class Explanation:
    """A table of a tape, to print.

    Attributes
    ----------
    graph : Graph
        The tape that it shows.
    value : object
        The result.
    rows : tuple of Row
        A line for each entry.
    notes : tuple of str
        What else there is to say: paths that meet, decisions on the way, a target that is no
        scalar, values that are not finite, inputs that do not reach the target, lost digits.
    """

    def __init__(self, graph: Graph, value: Any, differences: Sequence[Any], notes: Sequence[str]):
        self.graph, self.value, self.notes = graph, value, tuple(notes)
        self.rows = tuple(_rows(graph, differences))

    @property
    def is_checked(self) -> bool:
        """Whether finite differences stand beside the adjoints."""
        return any(row.difference is not None for row in self.rows)

    def __str__(self) -> str:
        heads, lines = self._heads(), list(self._lines())
        widths = [max(len(line[k]) for line in [heads, *lines]) for k in range(len(heads))]
        text = [_padded(line, widths, heads) for line in [heads, *lines]]
        return "\n".join([*text, *self.notes])

    __repr__ = __str__  # at a prompt, the table

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        # Only rich calls this, so it is installed.
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for head in self._heads():
            is_number = head in NUMERIC
            table.add_column(
                head.replace("finite ", "finite\n"),
                justify="right" if is_number else "left",
                style=STYLES.get(head),
                no_wrap=is_number or head in ("#", "name"),
                overflow="fold",  # a half word says more than none
            )
        for line in self._lines(between="\n"):
            table.add_row(*[Text(cell) for cell in line])
        yield table
        yield from (Text(note) for note in self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Make plain data for JSON: arrays as lists, infinities and NaN as words."""
        return {
            "function": self.graph.title,
            "result": tree.map(plain, self.value),
            "entries": [_row_as_dict(row, self.is_checked) for row in self.rows],
            "notes": list(self.notes),
        }

    def _heads(self) -> list[str]:
        heads = ["#", "name", "operation", "value", "adjoint"]
        differences = ["finite difference"] if self.is_checked else []
        return [*heads, *differences, "local derivatives", "passes back"]

    def _lines(self, between: str = "; ") -> Iterator[list[str]]:
        """Cells, line by line; `between` stands between what there is of several operands."""
        for stretch in stretches([row.key for row in self.rows]):
            shown = self.rows[stretch.start : stretch.start + stretch.length]
            for row in shown:
                numbers = [value_text(row.value), value_text(row.adjoint)]
                if self.is_checked:
                    numbers.append(value_text(row.difference))
                rules = between.join(_rule_text(x) for x in row.locals)
                passed = between.join(_passed_text(x) for x in row.locals)
                yield [row.number, row.name, row.operation, *numbers, rules, passed]
            if stretch.times > 1:
                last = self.rows[stretch.start + stretch.length * stretch.times - 1]
                repeated = f"... {stretch.length} above, {stretch.times} times, to {last.number}"
                yield ["", "", repeated, *[""] * (len(self._heads()) - 3)]


_MEETINGS = 12  # values listed at which paths meet
_PATHS = 6  # of each
_MARKS = 12
NUMERIC = ("value", "adjoint", "finite difference")
STYLES = {
    "#": "dim",
    "name": "bold",
    "adjoint": "red",
    "finite difference": "yellow",
    "passes back": "red",
}


# ---- rows ---------------------------------------------------------------------------------------


def _swept(traced: Trace) -> list[str]:
    """Give the tape adjoints if it has none by itself; what to say about it."""
    values = [out.value for out in traced.outputs]
    if not any(isinstance(out, Entry) for out in traced.outputs):
        return ["The result depends on no input."]
    if len(values) == 1 and np.size(values[0]) == 1:
        return []
    traced.sweep(*[np.ones_like(value) for value in values])
    shapes = ", ".join(str(np.shape(value)) for value in values)
    return [f"The result is no scalar but of shape {shapes}: adjoints are those of its sum."]


def _rows(graph: Graph, differences: Sequence[Any]) -> Iterator[Row]:
    count, started = 0, 0
    for node in graph.nodes:
        if node.index is None:
            continue
        if not node.is_operation:
            difference = differences[started] if started < len(differences) else None
            started += 1
            yield Row("", node.name, "", node.value, node.adjoint, (), difference)
            continue
        count += 1
        told = (node.expression, node.value, node.adjoint, tuple(_locals(graph, node)))
        yield Row(f"#{count}", node.name, *told, key=node.key)


def _locals(graph: Graph, node: Node) -> Iterator[Local]:
    """The local derivatives by the operands that are on the tape."""
    for edge in graph.into(node.id):
        if edge.is_differentiable:
            local = graph.local(edge)
            source = graph.nodes[edge.source].name
            yield Local(source, local.formula, local.value, local.contribution)


def _notes(graph: Graph) -> list[str]:
    """Where paths meet, and what is wrong; a zero adjoint is seen in the table."""
    found = [mark for mark in diagnosed(graph) if mark.kind != "zero"]
    wrong = [f"Look at {graph.nodes[mark.node].name}: {mark.text}." for mark in found]
    return [*_meetings(graph), *wrong[:_MARKS]]


def _meetings(graph: Graph) -> list[str]:
    """Where a value is used more than once: what each path passes back, and their sum."""
    found: list[str] = []
    seen: set[Any] = set()  # what a loop makes is told once
    for node in graph.nodes:
        if node.key is not None and node.key in seen:
            continue
        seen.add(node.key)
        uses = [e for e in graph.out_of(node.id) if e.is_differentiable]
        uses = [e for e in uses if graph.nodes[e.target].adjoint is not None]
        if len(uses) < 2 or node.adjoint is None or node.index is None:
            continue
        if len(found) == _MEETINGS:
            return [*found, "Paths meet at further values."]
        found.append(f"Paths meet at {node.name}: {_sum_text(graph, node, uses)}")
    return found


def _sum_text(graph: Graph, node: Node, uses: Sequence[Edge]) -> str:
    parts = []
    for edge in uses[:_PATHS]:
        passed = graph.local(edge).contribution
        number = f"{value_text(passed)} " if np.size(passed) == 1 and passed is not None else ""
        parts.append(f"{number}through {graph.nodes[edge.target].name}")
    if len(uses) > _PATHS:
        parts.append(f"{len(uses) - _PATHS} more")
    total = f" = {value_text(node.adjoint)}" if np.size(node.adjoint) == 1 else ""
    return f"{' + '.join(parts)}{total}"


def _rule_text(local: Local) -> str:
    number = "" if local.value is None else value_text(local.value)
    sides = [side for side in (local.formula, number) if side]
    return f"by {local.operand}: {' = '.join(dict.fromkeys(sides))}"


def _passed_text(local: Local) -> str:
    """What flows back to an operand; nothing where no adjoint has come."""
    if local.contribution is None:
        return ""
    return f"{value_text(local.contribution)} to {local.operand}"


def _decision_text(traced: Trace, decision: Decision) -> str:
    """What was compared on the way, which user code may have branched on."""
    operands = ", ".join(
        traced.entries[x].name if isinstance(x, int) else value_text(x.value)
        for x in decision.operands
    )
    where = f", {decision.place.line}" if decision.place is not None else ""
    return f"Decided: {decision.primitive.name}({operands}) is {value_text(decision.value)}{where}"


def _padded(line: Sequence[str], widths: Sequence[int], heads: Sequence[str]) -> str:
    cells = [
        cell.rjust(width) if head in NUMERIC else cell.ljust(width)
        for cell, width, head in zip(line, widths, heads, strict=True)
    ]
    return "  ".join(cells).rstrip()


# ---- finite differences -------------------------------------------------------------------------


def _differences(f: Callable[..., Any], args: Any, kwargs: Any) -> list[Any]:
    """The derivative of the sum of the results by each floating-point leaf of the arguments."""
    leaves, structure = tree.flatten((args, kwargs))

    def total(position: int, leaf: Any) -> Any:
        moved = [*leaves[:position], leaf, *leaves[position + 1 :]]
        arguments, keywords = tree.unflatten(structure, moved)
        return sum(np.sum(np.real(out)) for out in tree.leaves(f(*arguments, **keywords)))

    return [
        _by_differences(functools.partial(total, k), np.asarray(leaf))
        for k, leaf in enumerate(leaves)
        if np.asarray(leaf).dtype.kind in "fc"
    ]


def _by_differences(total: Callable[[Any], Any], x: np.ndarray) -> Any:
    """Central differences of fourth order; for complex `x`, d/dx - i d/dy, as `wg.grad` has it."""
    found = np.zeros_like(x)
    step = np.finfo(x.dtype).eps ** 0.2
    for index in np.ndindex(x.shape):
        h = step * max(1.0, abs(x[index]))
        for unit in (1.0, 1j) if x.dtype.kind == "c" else (1.0,):

            def at(count: int, index: Any = index, move: Any = h * unit) -> Any:
                moved = x.copy()
                moved[index] += count * move
                return total(moved[()])

            slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
            found[index] += slope * (1.0 if unit == 1.0 else -1j)
    return found[()]


# ---- plain data ---------------------------------------------------------------------------------


def _row_as_dict(row: Row, is_checked: bool) -> dict[str, Any]:
    data = {
        "number": row.number,
        "name": row.name,
        "operation": row.operation,
        "value": plain(row.value),
        "adjoint": plain(row.adjoint),
        "local_derivatives": [
            {
                "operand": x.operand,
                "formula": x.formula,
                "value": plain(x.value),
                "contribution": plain(x.contribution),
            }
            for x in row.locals
        ],
    }
    if is_checked and row.difference is not None:
        data["finite_difference"] = plain(row.difference)
    return data
