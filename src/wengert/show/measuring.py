"""Measuring a tape entry by entry: seconds forward and backward, bytes, memory over time.

Every entry of a trace runs forward again by itself on its recorded operands, and the backward sweep
goes one entry at a time; the article's nodes run their own `forward` and `backward`. Memory is
counted from the buffers that entries and sweep hold, each once. The one difficulty is noise: each
number is the median of several rounds.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from wengert.errors import Line, StaleNodeError
from wengert.frontends.nodes import CompNode, Tape, _seed, _variables
from wengert.primitives.joining import part as PART
from wengert.show.text import step_of
from wengert.tape.array import concrete
from wengert.tape.entries import whole
from wengert.tape.sweep import Parts, backward
from wengert.transforms.trace import Entry, Trace


@dataclass(frozen=True, slots=True)
class Cost:
    """What one entry costs.

    Attributes
    ----------
    index : int
        Its place on the tape.
    name, expression : str
        The variable that holds it, and what it computes.
    line : Line or None
        The user's line.
    forward, backward : float
        Seconds: medians over the rounds. 0.0 backward if no adjoint reaches it.
    nbytes : int
        Size of its value.
    kept : int
        Bytes that a tape keeps for the backward sweep because of this entry, and of no entry
        before it.
    """

    index: int
    name: str
    expression: str
    line: Line | None
    forward: float
    backward: float
    nbytes: int
    kept: int

    @property
    def seconds(self) -> float:
        """Forward and backward together."""
        return self.forward + self.backward


@dataclass(frozen=True, slots=True)
class Moment:
    """Memory just after one entry ran."""

    phase: str  # "forward" or "backward"
    index: int
    nbytes: int


Measured = tuple[list[Cost], list[Moment]]


def measured_trace(traced: Trace, repeats: int) -> Measured:
    """Costs and memory of a recorded function."""
    operations = [entry for entry in traced.entries if not entry.is_input]
    with _undisturbed():
        forward = _medians(repeats, lambda: [_run_seconds(entry) for entry in operations])
        swept = _medians(repeats, lambda: _sweep_seconds(traced))
    kept = _kept_by_entry(traced)
    costs = [
        Cost(
            entry.index,
            entry.name,
            step_of(entry).expression,
            None if entry.place is None else entry.place.line,
            forward[k],
            swept[entry.index],
            _nbytes(entry.value),
            kept[entry.index],
        )
        for k, entry in enumerate(operations)
    ]
    return costs, [*_forward_memory(traced), *_backward_memory(traced, sum(kept))]


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage collection, which would be charged to the entry it falls on; no warnings."""
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        if was_collecting:
            gc.enable()


def _medians(repeats: int, once: Callable[[], list[float]]) -> list[float]:
    once()  # caches, the first touch of memory
    return [
        statistics.median(times) for times in zip(*[once() for _ in range(repeats)], strict=True)
    ]


def _run_seconds(entry: Entry) -> float:
    """Seconds of one entry forward, on its recorded operands."""
    primitive, parameters = entry.primitive, entry.parameters
    if primitive is None or primitive is PART:  # a part of a tuple is there already
        return 0.0
    values = [concrete(x.value) for x in entry.operands]
    start = perf_counter()
    primitive(*values, **parameters)
    return perf_counter() - start


def _seeded(traced: Trace) -> list[Any]:
    """Adjoints before the sweep: ones for the results."""
    adjoints: list[Any] = [None] * len(traced.entries)
    for out in traced.outputs:
        if isinstance(out, Entry):
            seed = np.ones_like(concrete(out.value))[()]
            held = adjoints[out.index]
            adjoints[out.index] = seed if held is None else held + seed
    return adjoints


def _sweep_seconds(traced: Trace) -> list[float]:
    """Seconds of each entry backward, in one sweep."""
    recorded, adjoints = traced._recorded, _seeded(traced)
    seconds = [0.0] * len(recorded)
    for index in range(len(recorded) - 1, -1, -1):
        if adjoints[index] is None or recorded[index] is None:
            continue
        start = perf_counter()
        backward(recorded, adjoints, only=index)
        seconds[index] = perf_counter() - start
    return seconds


# ------------------------------------------------------------------------------------------- memory


def _buffers(value: Any) -> Iterator[np.ndarray]:
    """The arrays that own the memory of a value."""
    if isinstance(value, Parts):
        value = tuple(value.adjoints)
    if isinstance(value, tuple | list):
        for part in value:
            yield from _buffers(part)
        return
    value = concrete(value)
    if isinstance(value, np.ndarray):
        while isinstance(value.base, np.ndarray):
            value = value.base
        yield value


def _nbytes(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(_nbytes(part) for part in value)
    return int(getattr(concrete(value), "nbytes", np.asarray(value).nbytes))


def _kept_by_entry(traced: Trace) -> list[int]:
    """Bytes of the buffers that each entry is the first to keep; inputs keep theirs."""
    seen: set[int] = set()
    kept = []
    for entry, recorded in zip(traced.entries, traced._recorded, strict=True):
        held = entry.value if recorded is None else whole(recorded)[2]
        kept.append(_new_bytes(held, seen))
    return kept


def _new_bytes(value: Any, seen: set[int]) -> int:
    total = 0
    for buffer in _buffers(value):
        if id(buffer) not in seen:
            seen.add(id(buffer))
            total += buffer.nbytes
    return total


def _forward_memory(traced: Trace) -> Iterator[Moment]:
    """Values from when they are made: those that the sweep reads stay, others to their last use."""
    held = [
        entry.value if recorded is None else whole(recorded)[2]
        for recorded, entry in zip(traced._recorded, traced.entries, strict=True)
    ]
    stays = {id(buffer) for value in held for buffer in _buffers(value)}
    ending = _last_uses(traced)
    alive: set[int] = set()
    passing: dict[int, list[np.ndarray]] = {}
    total = 0
    for entry in traced.entries:
        for buffer in [*_buffers(entry.value), *_buffers(held[entry.index])]:
            if id(buffer) in alive:
                continue
            alive.add(id(buffer))
            total += buffer.nbytes
            if id(buffer) not in stays:
                passing.setdefault(ending.get(entry.index, entry.index), []).append(buffer)
        if not entry.is_input:
            yield Moment("forward", entry.index, total)
        for buffer in passing.pop(entry.index, []):
            alive.discard(id(buffer))
            total -= buffer.nbytes


def _last_uses(traced: Trace) -> dict[int, int]:
    """The last entry that uses each entry; a result is used after all of them."""
    found: dict[int, int] = {}
    for index, operands in enumerate(traced.columns.operands):
        for x in operands:
            if isinstance(x, int):
                found[x] = index
    end = len(traced.entries)
    return found | {out.index: end for out in traced.outputs if isinstance(out, Entry)}


def _backward_memory(traced: Trace, kept: int) -> Iterator[Moment]:
    """What is kept, and the adjoints that are alive while one entry after another is swept."""
    recorded, adjoints = traced._recorded, _seeded(traced)
    holders: dict[int, int] = {}
    held: dict[int, list[np.ndarray]] = {}  # the buffers themselves: while they live, so do ids
    total = 0

    def drop(index: int) -> None:
        nonlocal total
        for buffer in held.pop(index, []):
            holders[id(buffer)] -= 1
            total -= buffer.nbytes if not holders[id(buffer)] else 0

    def hold(index: int) -> None:
        nonlocal total
        held[index] = list(_buffers(adjoints[index]))
        for buffer in held[index]:
            holders[id(buffer)] = holders.get(id(buffer), 0) + 1
            total += buffer.nbytes if holders[id(buffer)] == 1 else 0

    for index, adjoint in enumerate(adjoints):
        if adjoint is not None:
            hold(index)
    with np.errstate(all="ignore"):
        for index in range(len(recorded) - 1, -1, -1):
            if adjoints[index] is None or recorded[index] is None:
                continue
            backward(recorded, adjoints, only=index)
            # The adjoint of the entry is still alive while its operands' are made.
            for parent in {x for x in whole(recorded[index])[1] if x >= 0}:
                drop(parent)
                hold(parent)
            yield Moment("backward", index, kept + total)
            drop(index)


# ------------------------------------------------------------------------------ the article's nodes


def measured_nodes(tape: Tape, repeats: int) -> Measured:
    """Costs and memory of the article's tape, whose outputs and gradients stay as they were."""
    if tape._is_stale:
        tape.forward()
    nodes = tape.computations
    if not any(node._operation() for node in nodes):
        raise StaleNodeError("profile was given a tape without operations.", "Add nodes first.")
    names = tape._names(dict(_variables()))
    before = [(node._output, node._gradient) for node in nodes]
    was_running, tape._is_running = tape._is_running, True
    try:
        with _undisturbed():
            forward = _medians(repeats, lambda: [_seconds(node.forward) for node in nodes])
            swept = _medians(repeats, lambda: _node_sweep_seconds(nodes))
    finally:
        tape._is_running = was_running
        for node, (output, gradient) in zip(nodes, before, strict=True):
            node._output, node._gradient = output, gradient
    seen: set[int] = set()
    kept = [_new_bytes(node._output, seen) for node in nodes]
    costs = [
        Cost(
            k,
            names[id(node)],
            tape._step(node, names).expression,
            node._line,
            forward[k],
            swept[k],
            _nbytes(node._output),
            kept[k],
        )
        for k, node in enumerate(nodes)
        if node._operation()
    ]
    return costs, list(_node_memory(nodes, kept, swept))


def _seconds(run: Callable[[], None]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def _node_sweep_seconds(nodes: Sequence[CompNode]) -> list[float]:
    """Seconds of each node backward, in one sweep from ones."""
    for node in nodes:
        node.set_gradient(None)
    nodes[-1].set_gradient(_seed(nodes[-1], np.ones_like(nodes[-1]._output)))
    seconds = [
        0.0 if node._gradient is None else _seconds(node.backward) for node in reversed(nodes)
    ]
    return seconds[::-1]


def _node_memory(
    nodes: Sequence[CompNode], kept: Sequence[int], swept: Sequence[float]
) -> Iterator[Moment]:
    """Outputs as they are made; then gradients, each as large as its output, as they begin."""
    total = 0
    for k, node in enumerate(nodes):
        total += kept[k]
        if node._operation():
            yield Moment("forward", k, total)
    places = {id(node): k for k, node in enumerate(nodes)}
    begun = {len(nodes) - 1}
    total += _nbytes(nodes[-1]._output)
    for k in range(len(nodes) - 1, -1, -1):
        if not swept[k] or not nodes[k]._operation():
            continue
        for operand in nodes[k].operands:
            if places[id(operand)] not in begun:
                begun.add(places[id(operand)])
                total += _nbytes(operand._output)
        yield Moment("backward", k, total)
