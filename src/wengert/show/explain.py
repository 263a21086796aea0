"""`explain`: a function's tape as a table of values, local derivatives and adjoints.

It holds what the log of `show/text.py` does not: for each operand of an operation the formula of
the local derivative, with the names and numbers of this tape put in. The data come from `wg.trace`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import tree
from wengert.primitives.family import Elementwise
from wengert.show.text import step_of, stretches
from wengert.show.values import value_text
from wengert.tape.columns import Decision
from wengert.transforms.arguments import name_of
from wengert.transforms.trace import Entry, Trace, trace


class Local(NamedTuple):
    """The derivative of one operation by one operand."""

    operand: str
    formula: str  # in the names of this tape; in words where it is no formula
    value: Any = None  # None where it is no number of the operand's shape


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


def explain(f: Callable[..., Any], *args: Any, check: bool = False, **kwargs: Any) -> Explanation:
    """Run a function and explain its derivative, operation by operation.

    Parameters
    ----------
    f : callable
        Plain NumPy code. If it returns no scalar, the adjoints are those of the sum of all
        elements.
    *args, **kwargs
        Its arguments. Every floating-point number or array in them is an input.
    check : bool
        Take the derivative by each input by finite differences as well: four calls an element.

    Returns
    -------
    Explanation
        ``print`` shows a table; so does a rich console, in colour.

    Examples
    --------
    >>> from wengert.show.explain import explain
    >>> print(explain(lambda x, y: np.sin(x * y), 1.5, 2.0))
    #   name  operation              value        adjoint  local derivatives
        x                              1.5   -1.979984993
        y                                2   -1.484988745
    #1  v1    multiply(x, y)             3  -0.9899924966  by x: y = 2; by y: x = 1.5
    #2  v2    sin(v1)         0.1411200081              1  by v1: cos(v1) = -0.9899924966
    """
    traced = trace(f, *args, **kwargs)
    notes = [*_swept(traced), *(_decision_text(traced, decision) for decision in traced.decisions)]
    differences = _differences(f, args, kwargs) if check else [None] * len(traced.inputs)
    return Explanation(traced, tuple(_rows(traced, differences)), tuple(notes))


class Explanation:
    """A table of a tape, to print.

    Attributes
    ----------
    trace : Trace
        The tape that it shows.
    rows : tuple of Row
        A line for each entry.
    notes : tuple of str
        What else there is to say: decisions on the way, a target that is no scalar.
    """

    def __init__(self, traced: Trace, rows: tuple[Row, ...], notes: tuple[str, ...]):
        self.trace, self.rows, self.notes = traced, rows, notes

    @property
    def is_checked(self) -> bool:
        """Whether finite differences stand beside the adjoints."""
        return any(row.difference is not None for row in self.rows)

    def __str__(self) -> str:
        heads, lines = self._heads(), list(self._lines())
        widths = [max(len(line[k]) for line in [heads, *lines]) for k in range(len(heads))]
        text = [_padded(line, widths, heads) for line in [heads, *lines]]
        return "\n".join([*text, *self.notes])

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        # Only rich calls this, so it is installed.
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for head in self._heads():
            is_number = head in NUMERIC
            table.add_column(
                head,
                justify="right" if is_number else "left",
                style=STYLES.get(head),
                no_wrap=is_number or head in ("#", "name"),
            )
        for line in self._lines():
            table.add_row(*[Text(cell) for cell in line])
        yield table
        yield from (Text(note) for note in self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Make plain data for JSON: arrays as lists, infinities and NaN as words."""
        return {
            "function": name_of(self.trace.function),
            "result": tree.map(_plain, self.trace.value),
            "entries": [_row_as_dict(row, self.is_checked) for row in self.rows],
            "notes": list(self.notes),
        }

    def _heads(self) -> list[str]:
        heads = ["#", "name", "operation", "value", "adjoint"]
        return [*heads, *(["finite difference"] if self.is_checked else []), "local derivatives"]

    def _lines(self) -> Iterator[list[str]]:
        for stretch in stretches([row.key for row in self.rows]):
            shown = self.rows[stretch.start : stretch.start + stretch.length]
            for row in shown:
                numbers = [value_text(row.value), value_text(row.adjoint)]
                if self.is_checked:
                    numbers.append(value_text(row.difference))
                yield [row.number, row.name, row.operation, *numbers, _locals_text(row.locals)]
            if stretch.times > 1:
                last = self.rows[stretch.start + stretch.length * stretch.times - 1]
                repeated = f"... {stretch.length} above, {stretch.times} times, to {last.number}"
                yield ["", "", repeated, *[""] * (len(self._heads()) - 3)]


NUMERIC = ("value", "adjoint", "finite difference")
STYLES = {"#": "dim", "name": "bold", "adjoint": "red", "finite difference": "yellow"}


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


def _rows(traced: Trace, differences: Sequence[Any]) -> Iterator[Row]:
    count = len(traced.inputs)
    for entry in traced.entries:
        step = step_of(entry)
        if entry.is_input:
            difference = differences[entry.index]
            yield Row("", entry.name, "", entry.value, entry.adjoint, (), difference)
            continue
        number = f"#{entry.index - count + 1}"
        found = tuple(_locals(entry, step.operands))
        told = (step.expression, entry.value, entry.adjoint, found)
        yield Row(number, entry.name, *told, key=step.key)


def _locals(entry: Entry, operands: Sequence[str]) -> Iterator[Local]:
    """The local derivatives by the operands that are on the tape."""
    primitive, values = entry.primitive, entry.locals
    assert primitive is not None
    names = {**dict(zip(primitive.operands, operands, strict=False)), "out": entry.name}
    if not isinstance(primitive, Elementwise):  # a formula in words, where "a" may be an article
        names = {name: operand for name, operand in names.items() if len(name) > 1}
    for k, operand in enumerate(entry.operands):
        if not isinstance(operand, Entry) or not primitive.is_differentiable(k):
            continue
        formula = _renamed(primitive.formula[min(k, len(primitive.formula) - 1)], names)
        yield Local(operand.name, formula, None if values is None else values[k])


def _renamed(formula: str, names: dict[str, str]) -> str:
    """A formula with the names of the operands in place of the rule's."""
    return re.sub(r"\b[a-z]\w*\b", lambda word: names.get(word[0], word[0]), formula)


def _locals_text(found: Sequence[Local]) -> str:
    texts = []
    for local in found:
        number = "" if local.value is None else value_text(local.value)
        equation = local.formula if number in ("", local.formula) else f"{local.formula} = {number}"
        texts.append(f"by {local.operand}: {equation}")
    return "; ".join(texts)


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
        "value": _plain(row.value),
        "adjoint": _plain(row.adjoint),
        "local_derivatives": [
            {"operand": x.operand, "formula": x.formula, "value": _plain(x.value)}
            for x in row.locals
        ],
    }
    if is_checked and row.difference is not None:
        data["finite_difference"] = _plain(row.difference)
    return data


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    array = np.asarray(value)
    if array.ndim:
        return [_plain(part) for part in array]
    number = array.item()
    is_finite = isinstance(number, int | bool) or (
        isinstance(number, float) and np.isfinite(number)
    )
    return number if is_finite else str(number)
