"""Elements written and read one by one: a read is given what was written, no write is in vain.

Loops that fill arrays, and adjoints of elements, make chains of writes into one buffer: versions
of it. For each place in a buffer (an element, a row, a column …) the writes are listed with the
version that they make, so that a read of any version finds what it sees by bisection, and the
whole pass stays near linear. Additions into one place are added up before they are written, and a
buffer whose places are all written becomes one `stack`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.compile.passes.dead import remove_dead
from wengert.compile.passes.inference import carried_over, copied, infer, spec_in
from wengert.compile.passes.periods import FEWEST
from wengert.compile.program import Builder, Op, Operand, Program, Spec
from wengert.primitives.arithmetic import add as ADD
from wengert.primitives.indexing import read, write
from wengert.primitives.joining import join, pile
from wengert.tape.columns import Constant

_LARGEST = 64  # places of a buffer that becomes one stack
_FILLED = 64  # elements of a constant that is written out
_MOST_HOPS = 8  # buffers that a read is followed through

Place = tuple[tuple[int, int], ...]  # (axis, index) of each axis that a single index is given for


@dataclass
class _Write:
    """One write of a chain: the version that it makes, and what it writes."""

    version: int
    op: Op
    values: Operand
    total: Operand | None = None  # what the place then holds, once somebody asked


@dataclass
class _Buffer:
    """Versions of one array, each written from the one before, at places along the same axes."""

    base: Operand
    axes: tuple[int, ...]
    head: int
    writes: dict[Place, list[_Write]] = field(default_factory=dict)


def forward_elements(program: Program) -> Program:
    """Give reads what was written, and leave out writes that nothing sees."""
    if not any(op.primitive in (read, write) for op in program.ops):
        return program
    return _stacked(_written_once(_Forwarding(program).run()))


class _Forwarding:
    """Rewrites reads as the program is gone through."""

    def __init__(self, program: Program):
        self.program = program
        self.builder = Builder(program.inputs, program.names)
        self.where: list[Operand] = list(range(len(program.inputs)))
        self.versions: dict[int, tuple[_Buffer, int]] = {}
        self.changed = False

    def run(self) -> Program:
        for op in self.program.ops:
            if op.primitive is not read and op.primitive is not write:
                self.where.append(carried_over(self.builder, op, self.where))
                continue
            operands = [self.builder.moved(x, self.where) for x in op.operands]
            found = self._read(op, operands[0]) if op.primitive is read else None
            if found is None:
                found = copied(self.builder, op, operands)
                if op.primitive is write:
                    self._note(op, operands, found)
            else:
                self.changed = True
            self.where.append(found)
        if not self.changed:
            return self.program
        return self.builder.program(self.program, self.where)

    def _note(self, op: Op, operands: Sequence[Operand], value: int) -> None:
        """A new version of a buffer."""
        place = place_of(op)
        if place is None:
            return
        base, axes = operands[0], _axes(place)
        held = self.versions.get(base) if isinstance(base, int) else None
        if held is None or held[0].head != base or held[0].axes != axes:
            held = (_Buffer(base, axes, value), 0)
        buffer, version = held[0], held[1] + 1
        buffer.head = value
        buffer.writes.setdefault(place, []).append(_Write(version, op, operands[1]))
        self.versions[value] = (buffer, version)

    def _read(self, op: Op, given: Operand) -> Operand | None:
        """What a read of a value sees; None if it must be done."""
        source = given
        for _ in range(_MOST_HOPS):
            made = self._made(source)
            if made is not None and made.primitive in (pile, join):
                return self._read_part(op, made)
            held = self.versions.get(source) if isinstance(source, int) else None
            if held is None or made is None:
                break
            buffer, version = held
            index = _split(op.parameters["path"], made.spec.shape, buffer.axes)
            if index is None:
                break
            place, rest = index
            writes = buffer.writes.get(place, [])
            last = bisect_right(writes, version, key=lambda found: found.version) - 1
            if last >= 0:
                total = self._total(buffer, place, last)
                return None if total is None else self._rest(op, rest, total)
            source = buffer.base
        return None if source is given else self.builder.add(op, [source])

    def _made(self, operand: Operand) -> Op | None:
        if isinstance(operand, Constant) or operand < len(self.builder.inputs):
            return None
        return self.builder.ops[operand - len(self.builder.inputs)]

    def _total(self, buffer: _Buffer, place: Place, last: int) -> Operand | None:
        """What a place holds after the write number `last` there."""
        writes = buffer.writes[place]
        first = last
        while writes[first].total is None and writes[first].op.parameters["add"] and first > 0:
            first -= 1
        for k in range(first, last + 1):
            found = writes[k]
            if found.total is None:
                before = writes[k - 1].total if k else self._at(buffer.base, place, found.op)
                found.total = written(self.builder, found.op, place, before, found.values)
            if found.total is None:
                return None
        return writes[last].total

    def _at(self, base: Operand, place: Place, op: Op) -> Operand | None:
        """What a place held before the first write, which adds to it."""
        if not op.parameters["add"]:
            return None
        sight = part_at(op, place)
        if isinstance(base, Constant):
            return constant_at(base, place)
        found = self._read(sight, base)
        return self.builder.add(sight, [base]) if found is None else found

    def _rest(self, op: Op, rest: Any, value: Operand) -> Operand | None:
        """What remains of a read in the part that lies at a place."""
        if rest:
            return self.builder.add(Op(read, (), {"path": rest}, op.spec, op.place), [value])
        return value if spec_in(self.builder, value) == op.spec else None

    def _read_part(self, op: Op, made: Op) -> Operand | None:
        """A read of arrays put together, from the one that it is in."""
        index = _split(op.parameters["path"], made.spec.shape, (0,))
        if index is None or made.parameters["axis"] != 0:
            return None
        (((_, k),), rest) = index
        if made.primitive is pile:
            return self._rest(op, rest, made.operands[k])
        starts = made.parameters["starts"]
        number = bisect_right(starts, k) - 1
        path = op.parameters["path"]
        inner = (k - starts[number], *_as_tuple(path[0][1])[1:])
        there = {"path": (("getitem", inner), *path[1:])}
        return self.builder.add(Op(read, (), there, op.spec, op.place), [made.operands[number]])


# ------------------------------------------------------------------------------------------ places


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _parts(index: Any, ndim: int) -> tuple[Any, ...] | None:
    """An index of integers and slices, one for each axis from the first on; None for others."""
    parts = _as_tuple(index)
    if any(part is not ... and type(part) not in (int, slice) for part in parts):
        return None
    if ... in parts:
        if parts.count(...) > 1:
            return None
        k = parts.index(...)
        parts = (*parts[:k], *(_ALL,) * (ndim - len(parts) + 1), *parts[k + 1 :])
    return parts


_ALL = slice(None)


def _axes(place: Place) -> tuple[int, ...]:
    return tuple([axis for axis, _ in place])


def place_of(op: Op) -> Place | None:
    """Where a write writes, if its path is one index: single places along some axes."""
    path, shape = op.parameters["path"], op.spec.shape
    if len(path) != 1 or path[0][0] != "getitem":
        return None
    parts = _parts(path[0][1], len(shape))
    if not parts or any(type(part) is slice and part != _ALL for part in parts):
        return None
    place = [(k, part % shape[k]) for k, part in enumerate(parts) if type(part) is int]
    return tuple(place) or None


def _split(
    path: Any, shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[Place, tuple[Any, ...]] | None:
    """A read's place along some axes, and its path from there; None if it goes elsewhere."""
    if not path or path[0][0] != "getitem":
        return None
    parts = _parts(path[0][1], len(shape))
    if parts is None or axes[-1] >= len(parts):
        return None
    if any(type(parts[k]) is not int for k in axes):
        return None
    place = tuple([(k, parts[k] % shape[k]) for k in axes])
    left = tuple([part for k, part in enumerate(parts) if k not in axes])
    is_whole = all(type(part) is slice and part == _ALL for part in left)
    return place, tuple(path[1:] if is_whole else (("getitem", left), *path[1:]))


def part_at(op: Op, place: Place) -> Op:
    """The read of a place in what a write writes into."""
    axes = dict(place)
    last = place[-1][0]
    index = tuple([axes.get(k, _ALL) for k in range(last + 1)])
    path = (("getitem", index if last else index[0]),)
    return Op(read, (), {"path": path}, _spec_at(op, place), op.place)


def _spec_at(op: Op, place: Place) -> Spec:
    shape = tuple([n for k, n in enumerate(op.spec.shape) if k not in _axes(place)])
    return Spec(shape, op.spec.dtype, "array" if shape else "scalar")


def constant_at(base: Constant, place: Place) -> Constant:
    """What a place of a constant holds."""
    axes = dict(place)
    return Constant(base.value[tuple([axes.get(k, _ALL) for k in range(place[-1][0] + 1)])])


def written(
    builder: Builder, op: Op, place: Place, before: Operand | None, values: Operand
) -> Operand | None:
    """What a place holds after a write; None if that is not simply the values, or a sum."""
    spec = _spec_at(op, place)
    values = _filling(values, spec)
    given = spec_in(builder, values)
    if not op.parameters["add"]:
        return values if given == spec else None
    if before is None or infer(ADD, [spec_in(builder, before), given], {}) != spec:
        return None
    return builder.add(Op(ADD, (), {}, spec, op.place), [before, values])


def _filling(values: Operand, spec: Spec) -> Operand:
    """A constant as it fills a place: adjoints are cleared with a zero that has no axes."""
    if not isinstance(values, Constant) or spec.size > _FILLED:
        return values
    filled = np.broadcast_to(np.asarray(values.value), spec.shape).astype(spec.dtype)
    return Constant(filled if spec.kind == "array" else filled[()])


# --------------------------------------------------------------------------------- what is in vain


def _written_once(program: Program) -> Program:
    """Write each place of a buffer once."""
    program = remove_dead(program)
    fates: dict[int, tuple[_Chain, Place]] = {}
    for chain in _chains(program):
        fates |= chain.fates(program)
    if not fates:
        return program
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    for value, op in enumerate(program.ops, len(program.inputs)):
        if value in fates:
            chain, place = fates[value]
            operands = [builder.moved(x, where) for x in op.operands]
            where.append(chain.write(value, op, place, operands, builder))
        else:
            where.append(carried_over(builder, op, where))
    return builder.program(program, where)


def _stacked(program: Program) -> Program:
    """Stack what is written to buffers whose places are all written."""
    chains = [chain for chain in _chains(program) if chain.is_whole(program)]
    whole = {chain.values[-1]: chain for chain in chains}
    if not whole:
        return program
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    for value, op in enumerate(program.ops, len(program.inputs)):
        if value in whole:
            parts = [builder.moved(x, where) for x in whole[value].parts()]
            where.append(builder.add(Op(pile, (), {"axis": 0}, op.spec, op.place), parts))
        else:
            where.append(carried_over(builder, op, where))
    return remove_dead(builder.program(program, where))


@dataclass
class _Chain:
    """Writes that only the next one reads, the last apart."""

    base: Operand
    values: list[int]
    ops: list[Op]
    places: list[Place]
    last: dict[Place, int] = field(default_factory=dict)  # the last write of places written often
    totals: dict[Place, Operand] = field(default_factory=dict)

    def fates(self, program: Program) -> dict[int, tuple[_Chain, Place]]:
        """The writes that are not done as they stand: those of places written more than once."""
        at: dict[Place, list[int]] = {}
        for k, place in enumerate(self.places):
            at.setdefault(place, []).append(k)
        found: dict[int, tuple[_Chain, Place]] = {}
        for place, writes in at.items():
            if self._are_many(writes, place) and self._adds_up(program, place, writes):
                self.last[place] = self.values[writes[-1]]
                found |= {self.values[k]: (self, place) for k in writes}
        return found

    def _are_many(self, writes: list[int], place: Place) -> bool:
        """True for writes of which some are in vain, or that are better added up first.

        A few additions to each of many places, as of a stencil, are better done as they stand: a
        loop of them becomes additions of whole arrays.
        """
        if not all(self.ops[k].parameters["add"] for k in writes[1:]):
            return True
        places = math.prod([self.ops[0].spec.shape[axis] for axis in _axes(place)])
        return len(writes) > 1 and (len(writes) >= FEWEST or places <= FEWEST)

    def _adds_up(self, program: Program, place: Place, writes: list[int]) -> bool:
        """True if what is written to a place is of its shape and dtype."""
        spec = _spec_at(self.ops[0], place)
        for k in writes:
            op = self.ops[k]
            given = program.spec(_filling(op.operands[1], spec))
            if op.parameters["add"]:
                given = infer(ADD, [spec, given], {}) or given
            if given != spec:
                return False
        return True

    def write(
        self, value: int, op: Op, place: Place, operands: Sequence[Operand], builder: Builder
    ) -> Operand:
        """One write of a place that is written more than once: the last alone is done."""
        before = self.totals.get(place)
        if before is None and op.parameters["add"]:
            before = self._before(op, place, operands[0], builder)
        total = written(builder, op, place, before, operands[1])
        assert total is not None, "specs were found to fit"
        self.totals[place] = total
        if value != self.last[place]:
            return operands[0]
        parameters = {**op.parameters, "add": False}
        return builder.add(Op(write, (), parameters, op.spec, op.place), [operands[0], total])

    def _before(self, op: Op, place: Place, base: Operand, builder: Builder) -> Operand:
        """What a place held before the chain; no earlier write of the chain was to it."""
        if isinstance(self.base, Constant):
            return constant_at(self.base, place)
        return builder.add(part_at(op, place), [base])

    def is_whole(self, program: Program) -> bool:
        """True if the rows of a small array are all written, whatever they were before."""
        whole = self.ops[-1].spec
        if self.last or not whole.shape or not 0 < whole.shape[0] <= _LARGEST:
            return False
        for op, place in zip(self.ops, self.places, strict=True):
            if _axes(place) != (0,) or op.parameters["add"]:
                return False
            spec = _spec_at(op, place)
            if program.spec(_filling(op.operands[1], spec)) != spec:
                return False
        return len(set(self.places)) == whole.shape[0]

    def parts(self) -> list[Operand]:
        """The rows that were written, in order."""
        rows: dict[Any, Operand] = {}
        for op, place in zip(self.ops, self.places, strict=True):
            rows[place] = _filling(op.operands[1], _spec_at(op, place))
        return [rows[((0, k),)] for k in range(self.ops[-1].spec.shape[0])]


def _chains(program: Program) -> list[_Chain]:
    """The chains of writes at places along the same axes."""
    uses = program.uses()
    of: dict[int, _Chain] = {}
    found: list[_Chain] = []
    for value, op in enumerate(program.ops, len(program.inputs)):
        place = place_of(op) if op.primitive is write else None
        if place is None:
            continue
        base = op.operands[0]
        chain = of.pop(base, None) if isinstance(base, int) and uses[base] == 1 else None
        if chain is None or _axes(place) != _axes(chain.places[-1]):
            chain = _Chain(base, [], [], [])
            found.append(chain)
        chain.values.append(value)
        chain.ops.append(op)
        chain.places.append(place)
        of[value] = chain
    return found
