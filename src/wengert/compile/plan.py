"""Plans a program: its steps (fuse.py), and where in memory each value lies.

Inputs and outputs lie where the caller says, all else in one arena, where values whose lives do not
overlap share a place. The one difficulty is to know when a value is last read: by the steps that
compute what reads it, not by its readers in the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wengert.compile import composites, views
from wengert.compile.access import Scan
from wengert.compile.fuse import CALL, SCALARS, Division, Step
from wengert.compile.passes.loop import loop as LOOP
from wengert.compile.program import Operand, Program
from wengert.compile.rows import Rows, runs
from wengert.compile.views import Index
from wengert.primitives.products import matmul as MATMUL

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


class Location(NamedTuple):
    """Where a value lies: input or output of this number, or the arena at this byte."""

    area: str  # "input", "output" or "arena"
    at: int


@dataclass
class Summary:
    """What a plan costs, for the report.

    Attributes
    ----------
    kernels, calls, scalars : int
        Loop nests; library calls and callbacks; operations in straight-line code.
    buffers, arena : int
        Values in the arena, and its bytes.
    flops, moved : int
        Elementwise operations, additions of reductions, and both of matrix products; bytes that
        loop nests read and write. In one call.
    """

    kernels: int = 0
    calls: int = 0
    scalars: int = 0
    buffers: int = 0
    arena: int = 0
    flops: int = 0
    moved: int = 0

    def include(self, body: Summary, count: int) -> None:
        """Add what a loop repeats."""
        self.kernels += body.kernels
        self.calls += body.calls
        self.scalars += body.scalars
        self.buffers += body.buffers
        self.arena += body.arena
        self.flops += count * body.flops
        self.moved += count * body.moved


@dataclass
class Plan:
    """A program, divided and placed.

    Attributes
    ----------
    program : Program
        What the steps compute: the program given, with composite operations taken apart and every
        output computed by an operation of its own.
    locations : dict
        Where each value lies that is kept in memory.
    in_place : set of int
        Updates of an array that nobody reads any more: they write into it.
    bodies : dict
        The plan of what each loop repeats, by the loop's value.
    rows : list of Rows
        Steps that are computed together, a block of rows at a time.
    """

    program: Program
    division: Division
    locations: dict[int, Location]
    arena: int
    in_place: set[int] = field(default_factory=set)
    bodies: dict[int, Plan] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)

    @property
    def steps(self) -> list[Step]:
        """What is run, in order."""
        return self.division.steps


def plan(program: Program) -> Plan:
    """Divide a program into steps and find a place for each value."""
    program = composites.prepared(program)
    division = Division(program)
    shared = [x for x in program.outputs if x in division.aliases]
    if shared:
        program = composites.with_copies(program, shared)
        division = Division(program)
    locations = {k: Location("input", k) for k in range(division.count)}
    for number, out in enumerate(program.outputs):
        assert isinstance(out, int)
        locations[out] = Location("output", number)
    reads = [step_reads(division, step) for step in division.steps]
    in_place: set[int] = set()
    rows = runs(division, reads)
    arena = _place(division, reads, locations, in_place, rows)
    bodies = {
        step.roots[0]: plan(division.op(step.roots[0]).parameters["body"])
        for step in division.steps
        if step.home.rank == CALL and division.op(step.roots[0]).primitive is LOOP
    }
    summary = _summary(division, reads, arena, locations)
    for value, body in bodies.items():
        summary.include(body.summary, division.op(value).parameters["count"])
    return Plan(program, division, locations, arena, in_place, bodies, rows, summary)


def step_reads(division: Division, step: Step) -> set[int]:
    """The values in memory that a step reads, aliases as what they are aliases of."""
    value = step.roots[0]
    if step.home.rank == SCALARS and all(map(division.is_plain, step.roots)):
        own = set(step.roots)
        found = {x for root in step.roots for x in division.sources(root)} - own
    elif step.home.rank != CALL:
        found = _scanned(
            division, step, [(r, views.axes(len(step.home.shape))) for r in step.roots]
        )
        found -= set(step.roots)
    elif division.is_update(value):
        found = _scanned(division, step, update_reads(division, value))
    else:
        bases = [division.base(x) for x in division.sources(value)]
        found = {x for x in bases if x is not None}
    return {division.aliases.get(x, (x, 0))[0] for x in found}


def update_reads(division: Division, value: int) -> list[tuple[Operand, Index]]:
    """What an update reads but for the array it begins from, by the index of what is written."""
    op, role = division.op(value), division.role(value)
    assert role is not None
    shape = division.view_shape(value)
    own = views.axes(len(shape))
    found: list[tuple[Operand, Index]] = [(op.operands[1], _spread(own, division, op.operands[1]))]
    if role.lookup is not None:
        places = role.lookup.places(own)
        found += [(p.operand, p.at) for p in places if not isinstance(p, views.Affine)]
    return found


def _spread(index: Index, division: Division, operand: Operand) -> Index:
    shape = division.spec(operand).shape
    extra = max(0, len(shape) - len(index))  # NumPy lets a value have more axes, of length one
    return (views.ZERO,) * extra + views.aligned(index, shape[extra:])


def _scanned(division: Division, step: Step, roots: list[tuple[Operand, Index]]) -> set[int]:
    shape = step.home.shape
    if step.home.rank == CALL:
        value = step.roots[0]
        shape = division.view_shape(value)
        start = division.op(value).operands[0]
        whole = division.spec(start).shape
        scan = Scan(division, step.home, [(0, n) for n in whole])
        scan.follow(start, views.axes(len(whole)))
        if 0 in whole:
            return set()
    else:
        scan = Scan(division, step.home, [(0, n) for n in shape])
    scan.extents = [(0, n) for n in shape]
    for operand, index in roots if 0 not in shape else ():
        if step.home.rank == CALL:
            scan.follow(operand, index)
        else:
            assert isinstance(operand, int)
            scan.root(operand, index)
    return {a.operand for a in scan.accesses if isinstance(a.operand, int)}


def _place(
    division: Division,
    reads: list[set[int]],
    locations: dict[int, Location],
    in_place: set[int],
    rows: Sequence[Rows],
) -> int:
    """Give every kept value a place in the arena; the arena's size."""
    last: dict[int, int] = {}
    runs_of = {k: run for run in rows for k in range(run.first, run.last)}
    ends_of = {k: run.last - 1 for k, run in runs_of.items()}
    for k, found in enumerate(reads):
        for value in found:
            last[value] = ends_of.get(k, k)  # the steps of a run are computed together
    for guard in division.program.guards:
        last[guard.value] = len(reads)
    free = _Free()
    ends: dict[int, list[tuple[int, int]]] = {}
    sizes: dict[int, int] = {}  # of what lies in the arena and is not yet free
    for k, step in enumerate(division.steps):
        for value in _results(division, step):
            if value in locations or value in division.aliases:
                continue
            if k in runs_of and runs_of[k].holds(value):
                continue
            start = _reusable(division, step, value, last, k, sizes)
            if start is not None:
                in_place.add(value)
                locations[value] = locations[start]
                size = sizes[value] = sizes.pop(start)
                ends[k].remove((locations[start].at, size))
                ends.setdefault(last.get(value, k), []).append((locations[start].at, size))
                continue
            size = max(1, division.specs[value].size) * division.specs[value].dtype.itemsize
            at = free.take(size)
            locations[value] = Location("arena", at)
            sizes[value] = size
            ends.setdefault(last.get(value, ends_of.get(k, k)), []).append((at, size))
        for at, size in ends.pop(k, ()):
            free.give(at, size)
    return free.end


def _reusable(
    division: Division,
    step: Step,
    value: int,
    last: dict[int, int],
    now: int,
    sizes: dict[int, int],
) -> int | None:
    """The array that an update may write into: one that is read here for the last time."""
    if step.home.rank != CALL or not division.is_update(value):
        return None
    start = division.op(value).operands[0]
    if not isinstance(start, int) or start not in sizes or last.get(start) != now:
        return None
    shape = division.view_shape(value)
    scan = Scan(division, step.home, [(0, n) for n in shape])
    for operand, index in update_reads(division, value):
        scan.follow(operand, index)
    target = division.target(value)
    for access in scan.accesses:
        read = access.operand
        if not isinstance(read, int) or division.aliases.get(read, (read, 0))[0] != start:
            continue
        if read != start or not _are_apart(access.at, target, scan.extents):
            return None
    return start


def _are_apart(x: Index, y: Index | None, extents: Sequence[tuple[int, int]]) -> bool:
    """True if two indices, each in a loop of its own, never name the same element."""
    if y is None:
        return False
    for a, b in zip(x, y, strict=True):
        first, second = a.bounds(extents), b.bounds(extents)
        if first is None or second is None:
            continue
        if first[1] < second[0] or second[1] < first[0]:
            return True
    return False


def _results(division: Division, step: Step) -> list[int]:
    """The values that a step leaves in memory; the parts of a tuple are values of their own."""
    if step.home.rank == CALL:
        value = step.roots[0]
        if division.specs[value].kind == "tuple":
            return division.parts.get(value, [])
        return [value]
    return [value for value in step.roots if value in division.kept]


class _Free:
    """The free places of the arena, first fit."""

    def __init__(self) -> None:
        self.end = 0
        self._gaps: list[tuple[int, int]] = []  # (start, size), in order

    def take(self, size: int) -> int:
        size = _rounded(size)
        for k, (start, length) in enumerate(self._gaps):
            if length >= size:
                if length == size:
                    del self._gaps[k]
                else:
                    self._gaps[k] = (start + size, length - size)
                return start
        start, self.end = self.end, self.end + size
        return start

    def give(self, start: int, size: int) -> None:
        gaps: list[tuple[int, int]] = []
        for gap in sorted([*self._gaps, (start, _rounded(size))]):
            if gaps and sum(gaps[-1]) == gap[0]:
                gaps[-1] = (gaps[-1][0], gaps[-1][1] + gap[1])
            else:
                gaps.append(gap)
        self._gaps = gaps


def _rounded(size: int) -> int:
    # Numbers by themselves lie side by side: long scalar programs have thousands.
    return 16 if size <= 16 else -(-size // ALIGNMENT) * ALIGNMENT


def _summary(
    division: Division, reads: list[set[int]], arena: int, locations: dict[int, Location]
) -> Summary:
    out = Summary(arena=arena)
    out.buffers = sum(place.area == "arena" for place in locations.values())
    for step, found in zip(division.steps, reads, strict=True):
        if step.home.rank == CALL:
            out.calls += 1
        elif step.home.rank == SCALARS:
            out.scalars += len(step.roots)
            out.flops += len(step.roots)
        else:
            out.kernels += 1
            touched = [*found, *_results(division, step)]
            out.moved += sum(_bytes(division, x) for x in touched)
    for k, op in enumerate(division.program.ops):
        if not op.operands:
            continue
        first = division.spec(op.operands[0])
        if op.primitive is MATMUL:
            out.flops += 2 * op.spec.size * first.shape[-1]
        elif division.roles[k].kind in ("pointwise", "reduce") and (op.spec.shape or first.shape):
            out.flops += max(op.spec.size, first.size)
    return out


def _bytes(division: Division, value: int) -> int:
    return division.specs[value].size * division.specs[value].dtype.itemsize
