"""What is wrong with a tape, node by node: the marks of a picture drawn with ``diagnose=True``.

NaN and infinities are marked where they begin, in values and in adjoints; then inputs that the
target does not depend on, adjoints that become zero, and differences of nearly equal numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from wengert.show.graph import Graph, Node

_SHARE = 0.1  # of the elements of an array, above which lost digits are worth a word


class Mark(NamedTuple):
    """Something to know of one node.

    Attributes
    ----------
    node : int
        Its number in the graph.
    kind : str
        nan, inf, disconnected, zero or precision.
    text : str
        In a few words.
    """

    node: int
    kind: str
    text: str


def diagnosed(graph: Graph) -> list[Mark]:
    """The marks of a graph, in the order of its nodes."""
    found = [mark for find in FINDERS for mark in find(graph)]
    return sorted(found, key=lambda mark: mark.node)


def _bad_values(graph: Graph) -> Iterator[Mark]:
    """Where the first values that are not finite are made, or come in."""
    faults = [_fault(node.value) for node in graph.nodes]
    for node in graph.nodes:
        sound = not any(faults[edge.source] for edge in graph.into(node.id))
        if faults[node.id] and sound and node.kind != "constant":
            yield Mark(node.id, faults[node.id], f"{faults[node.id]} starts here")


def _bad_adjoints(graph: Graph) -> Iterator[Mark]:
    """The operations that pass on an adjoint that is not finite, and get a finite one.

    Not where a value is to blame already.
    """
    faults = [_fault(node.adjoint) for node in graph.nodes]
    for node in graph.nodes:
        if faults[node.id] or not node.is_operation or _fault(node.value):
            continue
        made = [faults[e.source] for e in graph.into(node.id) if e.is_differentiable]
        passed = [
            _fault(graph.local(e).contribution)
            for e in graph.into(node.id)
            if e.is_differentiable and faults[e.source]
        ]
        if any(made) and any(passed):
            kind = next(fault for fault in passed if fault)
            yield Mark(node.id, kind, f"passes back {kind}")


def _unreached(graph: Graph) -> Iterator[Mark]:
    """Inputs that the target does not depend on."""
    if all(node.adjoint is None for node in graph.nodes):
        return  # it was not swept
    for node in graph.nodes:
        is_start = node.kind in ("input", "parameter", "data") and node.index is not None
        if is_start and node.adjoint is None:
            yield Mark(node.id, "disconnected", "does not reach the target")


def _zeros(graph: Graph) -> Iterator[Mark]:
    """Where an adjoint becomes zero: what is behind learns nothing."""
    is_zero = [_is_zero(node.adjoint) for node in graph.nodes]
    for node in graph.nodes:
        if not is_zero[node.id]:
            continue
        uses = [e.target for e in graph.out_of(node.id) if e.is_differentiable]
        if not uses or any(not is_zero[k] and graph.nodes[k].adjoint is not None for k in uses):
            yield Mark(node.id, "zero", "adjoint is zero")


def _lost_digits(graph: Graph) -> Iterator[Mark]:
    """Sums and differences that are much smaller than what they are made of."""
    for node in graph.nodes:
        if node.operation.lower() not in ("add", "subtract") or not _is_real(node.value):
            continue
        operands = [graph.nodes[e.source].value for e in graph.into(node.id)]
        if len(operands) == 2 and all(_is_number(x) for x in operands):
            text = _loss(node, *operands)
            if text:
                yield Mark(node.id, "precision", text)


FINDERS: tuple[Callable[[Graph], Iterator[Mark]], ...] = (
    _bad_values,
    _bad_adjoints,
    _unreached,
    _zeros,
    _lost_digits,
)


def _loss(node: Node, x1: Any, x2: Any) -> str:
    """How many digits a sum or difference loses, if that is half of them or more."""
    out = np.abs(np.asarray(node.value))
    digits = -np.log10(float(np.finfo(out.dtype).eps))
    with np.errstate(all="ignore"):
        larger = np.maximum(np.abs(x1), np.abs(x2)) + np.zeros(out.shape)
        lost = np.log10(larger / out)
    # A zero says nothing: equal numbers have an exact difference.
    lost = np.where((out > 0) & np.isfinite(lost), lost, 0.0)
    if lost.size == 0 or np.mean(lost >= digits / 2) < _SHARE:
        return ""
    return f"loses {np.max(lost):.0f} of {digits:.0f} digits"


def _fault(value: Any) -> str:
    """``nan`` or ``inf`` where a value holds one, or nothing."""
    if isinstance(value, tuple):
        return next((fault for fault in map(_fault, value) if fault), "")
    if not _is_number(value):
        return ""
    array = np.asarray(value)
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return ""
    return "nan" if np.isnan(array).any() else "inf"


def _is_zero(adjoint: Any) -> bool:
    return _is_number(adjoint) and np.size(adjoint) > 0 and not np.any(adjoint)


def _is_real(value: Any) -> bool:
    return _is_number(value) and np.asarray(value).dtype.kind == "f"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex | np.ndarray | np.generic) and not isinstance(
        value, bool
    )
