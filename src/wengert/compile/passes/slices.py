"""Elements written and read one by one: a read is given what was written, no write is done in vain.

Loops that fill arrays, and adjoints of elements, make chains of writes into one buffer: versions
of it. For each place in a buffer the writes are listed with the version that they make, so that a
read of any version finds what it sees by bisection, and the whole pass stays near linear. A buffer
whose places are all written becomes one `stack`. A write that this file cannot follow begins a new
buffer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.compile.passes.dead import remove_dead
from wengert.compile.passes.inference import copied, infer, spec_in
from wengert.compile.program import Builder, Op, Operand, Program, Spec
from wengert.primitives.arithmetic import add as ADD
from wengert.primitives.indexing import read, write
from wengert.primitives.joining import join, pile
from wengert.tape.columns import Constant

_LARGEST = 64  # places of a buffer that becomes one stack
_MOST_HOPS = 8  # buffers that a read is followed through

Place = tuple[int, ...]


@dataclass
class _Write:
    """One write of a chain: the version that it makes, and what it writes."""

    version: int
    op: Op
    values: Operand
    total: Operand | None = None  # what the place then holds, once somebody asked


@dataclass
class _Buffer:
    """Versions of one array, each written from the one before."""

    base: Operand
    depth: int  # integers in the index of every write
    head: int
    versions: int = 0
    writes: dict[Place, list[_Write]] = field(default_factory=dict)
    values: list[int] = field(default_factory=list)  # the value that is each version


def forward_elements(program: Program) -> Program:
    """Give reads what was written, and leave out writes that nothing sees."""
    if not any(op.primitive in (read, write) for op in program.ops):
        return program
    return _without_vain_writes(_Forwarding(program).run())


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
            operands = [self.builder.moved(x, self.where) for x in op.operands]
            found = self._read(op, operands) if op.primitive is read else None
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
        base = operands[0]
        buffer, version = self.versions.get(base, (None, 0)) if isinstance(base, int) else (None, 0)
        if buffer is None or buffer.head != base or buffer.depth != len(place):
            buffer, version = _Buffer(base, len(place), value), 0
            buffer.values.append(-1)
        version += 1
        buffer.head = value
        buffer.values.append(value)
        buffer.writes.setdefault(place, []).append(_Write(version, op, operands[1]))
        self.versions[value] = (buffer, version)

    def _read(self, op: Op, operands: Sequence[Operand]) -> Operand | None:
        """What a read sees; None if it must be done."""
        source: Operand = operands[0]
        for _ in range(_MOST_HOPS):
            made = self._made(source)
            if made is not None and made.primitive in (pile, join):
                return self._read_part(op, made)
            held = self.versions.get(source) if isinstance(source, int) else None
            if held is None:
                break
            buffer, version = held
            index = _integers(op, made)
            if index is None or len(index) < buffer.depth:
                break
            writes = buffer.writes.get(index[: buffer.depth], [])
            last = bisect_right(writes, version, key=lambda found: found.version) - 1
            if last >= 0:
                total = self._total(buffer, index[: buffer.depth], last)
                return None if total is None else self._rest(op, buffer.depth, total)
            source = buffer.base
        if source is operands[0] or source == operands[0]:
            return None
        return self.builder.add(op, [source])

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
                found.total = self._written(buffer, place, k)
            if found.total is None:
                return None
        return writes[last].total

    def _written(self, buffer: _Buffer, place: Place, k: int) -> Operand | None:
        found = buffer.writes[place][k]
        shape, dtype = found.op.spec.shape[buffer.depth :], found.op.spec.dtype
        spec = Spec(shape, dtype, "array" if shape else "scalar")
        given = spec_in(self.builder, found.values)
        if not found.op.parameters["add"]:
            return found.values if given == spec else None
        if k > 0:
            before = buffer.writes[place][k - 1].total
        else:
            path = (("getitem", place if len(place) > 1 else place[0]),)
            sight = Op(read, (), {"path": path}, spec, found.op.place)
            if isinstance(buffer.base, Constant):
                before = Constant(buffer.base.value[place])
            else:
                before = self._read(sight, [buffer.base])
                before = self.builder.add(sight, [buffer.base]) if before is None else before
        if before is None or infer(ADD, [spec_in(self.builder, before), given], {}) != spec:
            return None
        return self.builder.add(Op(ADD, (), {}, spec, found.op.place), [before, found.values])

    def _rest(self, op: Op, depth: int, value: Operand) -> Operand | None:
        """What remains of a read once `depth` integers of its index are followed."""
        path = op.parameters["path"]
        index = path[0][1]
        left = index[depth:] if isinstance(index, tuple) else ()
        rest = (("getitem", left), *path[1:]) if left else path[1:]
        if rest:
            return self.builder.add(Op(read, (), {"path": rest}, op.spec, op.place), [value])
        return value if spec_in(self.builder, value) == op.spec else None

    def _read_part(self, op: Op, made: Op) -> Operand | None:
        """A read of arrays put together, from the one that it is in."""
        index = _integers(op, made)
        if not index or made.parameters["axis"] != 0:
            return None
        if made.primitive is pile:
            return self._rest(op, 1, made.operands[index[0]])
        starts = made.parameters["starts"]
        k = bisect_right(starts, index[0]) - 1
        path = op.parameters["path"]
        inner = (index[0] - starts[k], *_as_tuple(path[0][1])[1:])
        rest = {"path": (("getitem", inner), *path[1:])}
        return self.builder.add(Op(read, (), rest, op.spec, op.place), [made.operands[k]])


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _integers(op: Op, source: Op | None) -> Place | None:
    """The integers that the first index of a path begins with, none negative."""
    path = op.parameters["path"]
    if source is None or not path or path[0][0] != "getitem":
        return None
    parts = _as_tuple(path[0][1])
    if any(isinstance(part, np.ndarray | list) for part in parts):
        return None
    found: list[int] = []
    for part, size in zip(parts, source.spec.shape, strict=False):
        if type(part) is not int:
            break
        found.append(part if part >= 0 else part + size)
    return tuple(found)


def place_of(op: Op) -> Place | None:
    """Where a write writes, if its path is one index of integers; none of them negative."""
    path = op.parameters["path"]
    if len(path) != 1 or path[0][0] != "getitem":
        return None
    parts = _as_tuple(path[0][1])
    if not parts or not all(type(part) is int for part in parts):
        return None
    sizes = op.spec.shape[: len(parts)]
    return tuple([k if k >= 0 else k + n for k, n in zip(parts, sizes, strict=True)])


# ---------------------------------------------------------------------------------- what is in vain


def _without_vain_writes(program: Program) -> Program:
    """Leave out writes that are overwritten unseen; stack buffers whose places are all written."""
    program = remove_dead(program)
    chains = _chains(program)
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    vain = {value for chain in chains for value in chain.vain()}
    stacked = {chain.values[-1]: chain for chain in chains if chain.is_whole(program)}
    if not vain and not stacked:
        return program
    for value, op in enumerate(program.ops, len(program.inputs)):
        if value in vain:
            where.append(builder.moved(op.operands[0], where))
        elif value in stacked:
            parts = [builder.moved(x, where) for x in stacked[value].parts()]
            whole = Op(pile, (), {"axis": 0}, op.spec, op.place)
            where.append(builder.add(whole, parts))
        else:
            where.append(copied(builder, op, [builder.moved(x, where) for x in op.operands]))
    return remove_dead(builder.program(program, where))


@dataclass
class _Chain:
    """Writes that only the next one reads, the last apart."""

    values: list[int]
    ops: list[Op]

    def vain(self) -> list[int]:
        """Writes whose place is written over later."""
        over: set[Place] = set()
        found: list[int] = []
        for value, op in zip(reversed(self.values), reversed(self.ops), strict=True):
            place = place_of(op)
            assert place is not None
            if place in over:
                found.append(value)
            elif not op.parameters["add"]:
                over.add(place)
        return found

    def is_whole(self, program: Program) -> bool:
        """True if the rows of a small array are all written, whatever they were before."""
        whole = self.ops[-1].spec
        if not whole.shape or not 0 < whole.shape[0] <= _LARGEST:
            return False
        row = Spec(whole.shape[1:], whole.dtype, "array" if whole.shape[1:] else "scalar")
        for op in self.ops:
            place = place_of(op)
            if place is None or len(place) != 1 or op.parameters["add"]:
                return False
            if program.spec(op.operands[1]) != row:
                return False
        return len({place_of(op) for op in self.ops}) == whole.shape[0]

    def parts(self) -> list[Operand]:
        """The rows that were written last, in order."""
        rows = {place_of(op): op.operands[1] for op in self.ops}
        return [rows[place] for place in sorted(place for place in rows if place is not None)]


def _chains(program: Program) -> list[_Chain]:
    """The chains of writes at places of one depth."""
    uses = program.uses()
    of: dict[int, _Chain] = {}
    found: list[_Chain] = []
    for value, op in enumerate(program.ops, len(program.inputs)):
        place = place_of(op) if op.primitive is write else None
        if place is None:
            continue
        base = op.operands[0]
        chain = of.pop(base, None) if isinstance(base, int) and uses[base] == 1 else None
        if chain is None or len(place) != len(place_of(chain.ops[-1]) or ()):
            chain = _Chain([], [])
            found.append(chain)
        chain.values.append(value)
        chain.ops.append(op)
        of[value] = chain
    return found
