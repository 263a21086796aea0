"""Diagnosis: where a NaN or an infinity came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import Line
from wengert.primitives.adjoints import like_of
from wengert.tape.array import Array, concrete
from wengert.tape.columns import Columns, Constant
from wengert.tape.seams import tracing
from wengert.tape.structural import backward_masked
from wengert.tape.sweep import backward
from wengert.tape.tape import Tape
from wengert.transforms.arguments import Call, check_sources, target_leaf


@dataclass(frozen=True)
class Origin:
    """The first entry of a tape that made a NaN or an infinity out of finite numbers.

    Attributes
    ----------
    direction : str
        "forward" if a value, "backward" if an adjoint was made.
    kind : str
        "nan" or "inf".
    primitive : str
        Name of the operation.
    index : int
        Index of the entry on the tape.
    position : tuple of int
        Index of the first such element in the value or adjoint.
    operands : tuple
        Values of the operands at the entry.
    adjoint : object
        For the backward direction the adjoint of the entry's result; otherwise None.
    line : Line or None
        The user's line that recorded the entry.
    """

    direction: str
    kind: str
    primitive: str
    index: int
    position: tuple[int, ...]
    operands: tuple[Any, ...]
    adjoint: Any
    line: Line | None

    def __str__(self) -> str:
        entry = f"entry #{self.index}, {self.primitive}({', '.join(map(_short, self.operands))})"
        at = f" at index {self.position}" if self.position else ""
        if self.direction == "forward":
            fact = f"forward: the first {self.kind} is the value of {entry}{at}."
        else:
            fact = (
                f"backward: the first {self.kind} is what {entry}, passes to the adjoint of its "
                f"operand{at}; its own adjoint is {_short(self.adjoint)}."
            )
        return f"{fact}\n  {self.line}" if self.line else fact


def nan_origin(f: Callable[..., Any], *args: Any, infinities: bool = True) -> Origin | None:
    """Find the first operation that made a NaN or infinity, forward or backward.

    Parameters
    ----------
    f : callable
        Plain NumPy code; it is run once, on a tape that keeps everything.
    *args : array_like or pytree of arrays
        Its arguments; those of floating dtype are differentiated by.
    infinities : bool
        Look for infinities too, not for NaN alone.

    Returns
    -------
    Origin or None
        None if all values and all adjoints (of the sum of the results) are finite. Printing it
        tells the entry, its operands and the user's line.

    Examples
    --------
    >>> print(wg.debug.nan_origin(lambda x: np.sqrt(x) ** 2, 0.0))
    backward: the first nan is what entry #1, sqrt(0.), passes to the adjoint of its operand; ...
    """
    positions = tuple(k for k, arg in enumerate(args) if _is_floating(arg))
    call = Call(f, args, {}, positions, None)
    with tracing() as level, np.errstate(all="ignore"):
        columns = Columns()
        tape = Tape(level, columns)
        columns.tape = tape
        try:
            handles = [tape.input(x) for x in check_sources(call)]
            leaves = [target_leaf(x, "nan_origin") for x in tree.leaves(call.with_leaves(handles))]
            outputs = [x.index for x in leaves if isinstance(x, Array) and x.tape is tape]
        finally:
            entries = tape.end()
            columns.end()
        origin = _forward_origin(entries, columns, infinities)
        if origin is None and not _is_fine(entries, columns, outputs, infinities):
            origin = _backward_origin(entries, columns, outputs, infinities)
        return origin


def _forward_origin(entries: list[Any], columns: Columns, infinities: bool) -> Origin | None:
    for index, entry in enumerate(entries):
        kind, position = _fault(columns.values[index], infinities)
        if kind and entry is not None:
            operands = tuple(_operand(x, columns) for x in columns.operands[index])
            return _origin("forward", kind, entry, index, position, operands, None, columns)
    return None


def _seeds(entries: list[Any], columns: Columns, outputs: list[int]) -> list[Any]:
    adjoints: list[Any] = [None] * len(entries)
    for index in outputs:
        seed = like_of(columns.values[index]).ones()
        adjoints[index] = seed if adjoints[index] is None else adjoints[index] + seed
    return adjoints


def _is_fine(entries: list[Any], columns: Columns, outputs: list[int], infinities: bool) -> bool:
    """True if the gradient, with structural zeros respected, has no fault."""
    adjoints = _seeds(entries, columns, outputs)
    backward_masked(entries, adjoints, sorted(set(outputs)))
    inputs = [k for k, entry in enumerate(entries) if entry is None]
    return not any(_fault(adjoints[k], infinities)[0] for k in inputs)


def _backward_origin(
    entries: list[Any], columns: Columns, outputs: list[int], infinities: bool
) -> Origin | None:
    """Sweep one entry at a time, and look at every contribution."""
    adjoints = _seeds(entries, columns, outputs)
    for index in range(len(entries) - 1, -1, -1):
        adjoint, entry = adjoints[index], entries[index]
        if adjoint is None or entry is None:
            continue
        parents = [parent for parent in entry[1] if parent >= 0]
        sound = {parent: not _fault(adjoints[parent], infinities)[0] for parent in parents}
        backward(entries, adjoints, only=index)
        for parent in parents:
            kind, position = _fault(adjoints[parent], infinities)
            if kind and sound[parent]:
                given = tuple(_operand(x, columns) for x in columns.operands[index])
                at = (index, position, given, concrete(adjoint), columns)
                return _origin("backward", kind, entry, *at)
    return None


def _origin(
    direction: str,
    kind: str,
    entry: Any,
    index: int,
    position: Any,
    operands: Any,
    adjoint: Any,
    columns: Columns,
) -> Origin:
    place = columns.places[index]
    line = place.line if place is not None else None
    return Origin(direction, kind, entry[0].name, index, position, operands, adjoint, line)


def _operand(x: Any, columns: Columns) -> Any:
    return concrete(x.value) if isinstance(x, Constant) else concrete(columns.values[x])


def _fault(value: Any, infinities: bool) -> tuple[str, tuple[int, ...]]:
    """Which fault a value has ("" for none), and where first."""
    if value is None or not (hasattr(concrete(value), "dtype") or isinstance(value, float)):
        return "", ()
    array = np.asarray(concrete(value))
    if array.dtype.kind not in "fc":
        return "", ()
    for kind, test in (("nan", np.isnan), ("inf", np.isinf)):
        found = test(array)
        if found.any() and (kind == "nan" or infinities):
            return kind, tuple(int(k) for k in np.argwhere(found)[0])
    return "", ()


def _is_floating(arg: Any) -> bool:
    leaves = tree.leaves(arg)
    return bool(leaves) and all(
        isinstance(x, float | complex) or getattr(x, "dtype", np.dtype("O")).kind in "fc"
        for x in leaves
    )


def _short(x: Any) -> str:
    return np.array2string(np.asarray(x), threshold=6, precision=4, separator=", ").replace(
        "\n", ""
    )
