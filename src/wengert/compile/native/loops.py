"""A fused loop nest as one function: pieces without tests, accumulators, ranges for threads.

``void @k(ptr inputs, ptr outputs, ptr arena, i64 begin, i64 end)`` computes its roots for a range
of the outermost loop, so that threads can share it. Axes that lie one behind the other in all that
is read and written become one loop. Where a condition on an index cuts the space (the edges of a
shifted slice, `bands.py`), the nest is written once for each piece, so that inner loops need no
test. What is reduced is in `accumulate.py`.
"""

from __future__ import annotations

import itertools
from math import prod
from typing import NamedTuple

from wengert.compile import views
from wengert.compile.access import Condition, Scan
from wengert.compile.fuse import Step
from wengert.compile.native.accumulate import Accumulator, Register
from wengert.compile.native.bands import band
from wengert.compile.native.elements import Elements
from wengert.compile.native.innermost import write_innermost, write_one_by_one
from wengert.compile.native.memory import ATTRIBUTES, PARAMETERS, Memory, Pointers
from wengert.compile.native.skips import is_worth_a_branch, mask_of
from wengert.compile.native.types import Code, Names, Scalar, close_loop, open_loop, store

_BLOCK = 1024  # elements that one register accumulates, and the least that a block of rows has
_MOST_PIECES = 16
_PARTIALS = 32  # blocks of a reduction that keeps axes
THREADED = 400_000  # instructions, about, below which a nest is not worth a second thread
_CHUNKS = 16  # into which a nest is cut for threads
_PARTS = ("within", "outside")  # of a piece that a band divides
_SMALL = 100  # the share of a nest below which vectors in a piece would not pay for being compiled


class Blocks(NamedTuple):
    """How the outer loop of a nest is cut: turns of each block, and how many blocks there are."""

    rows: int
    number: int
    is_threaded: bool


class Nest:
    """One fused loop nest."""

    def __init__(self, memory: Memory, step: Step, name: str):
        self.memory, self.step, self.name = memory, step, name
        self.division = memory.division
        self.shape = step.home.shape
        self.accumulators = [
            Accumulator(memory, value, self.shape)
            for value in step.roots
            if self._is_reduced(value)
        ]
        self.stores = [value for value in step.roots if not self._is_reduced(value)]
        if 0 in self.shape:
            return
        self.scan = Scan(self.division, step.home, [(0, n) for n in self.shape])
        for root in step.roots:
            self.scan.root(root, views.axes(len(self.shape)))
        self.groups = self._groups()
        self.cuts = self._cuts()
        inner = self.groups[-1] if len(self.groups) > 1 else []
        self.band = band(self.scan.conditions, inner[0]) if len(inner) == 1 else None
        self.blocks = self._blocks()
        for part in self.accumulators:
            if self._is_shared(part) and self.blocks.number > 1:
                part.take_partials(self.blocks.rows, self.blocks.number)

    def _is_reduced(self, value: int) -> bool:
        role = self.division.role(value)
        return role is not None and role.kind == "reduce"

    def _is_shared(self, part: Accumulator) -> bool:
        """True if all turns of the outer loop go into the same results."""
        return self.groups[0][-1] in part.axes

    # ----------------------------------------------------------------------------------- the loops

    def _groups(self) -> list[list[int]]:
        """The axes, grouped into loops: those of a group are one behind the other everywhere."""
        patterns = [dict(enumerate(views.strides_of(self.shape)))]
        patterns += [dict(enumerate(part.strides)) for part in self.accumulators]
        for operand, index in self.scan.accesses:
            strides = views.strides_of(self.division.spec(operand).shape)
            patterns.append(dict(views.flat(index, strides).terms))  # type: ignore[arg-type]
        tested = {axis for c in self.scan.conditions for axis, _ in c.place.terms}
        groups: list[list[int]] = []
        for axis, size in enumerate(self.shape):
            if groups and self._joins(groups[-1][-1], axis, size, patterns, tested):
                groups[-1].append(axis)
            else:
                groups.append([axis])
        return groups

    def _joins(
        self,
        outer: int,
        axis: int,
        size: int,
        patterns: list[dict[int, int]],
        tested: set[views.Symbol],
    ) -> bool:
        if axis in tested or outer in tested:
            return False
        if any((axis in a.axes) != (outer in a.axes) for a in self.accumulators):
            return False
        return all(p.get(outer, 0) == p.get(axis, 0) * size for p in patterns)

    def extent(self, group: list[int]) -> int:
        """How many turns a loop has."""
        return prod([self.shape[k] for k in group])

    def _cuts(self) -> list[list[tuple[int, int]]]:
        """For each loop, the ranges into which conditions cut it."""
        points: dict[object, set[int]] = {k: set() for k in range(len(self.shape))}
        for place, low, high in self.scan.conditions:
            if len(place.terms) == 1 and abs(place.terms[0][1]) == 1:
                ((axis, sign),) = place.terms
                if axis not in points:  # a place that is looked up
                    continue
                for bound in (low, high):
                    points[axis].add(sign * (bound - place.constant) + (sign < 0))
        ranges = []
        for group in self.groups:
            size = self.extent(group)
            found = points[group[0]] if len(group) == 1 else set()
            edges = sorted({0, size, *[p for p in found if 0 < p < size]})
            ranges.append(list(itertools.pairwise(edges)))
        if prod([len(r) for r in ranges]) > _MOST_PIECES:
            return [[(0, self.extent(group))] for group in self.groups]
        return ranges

    def _work(self) -> int:
        """Instructions that the nest takes, about."""
        return prod(self.shape) * sum([self.division.cost(value) for value in self.step.roots])

    def _blocks(self) -> Blocks:
        outer = self.extent(self.groups[0])
        inner = prod(self.shape) // outer
        is_threaded = self._work() > THREADED
        shared = [part.size for part in self.accumulators if self._is_shared(part)]
        if not shared:
            rows = -(-outer // _CHUNKS) if is_threaded else outer
        else:
            rows = max(1, _BLOCK // inner)
            if max(shared) > 1:
                rows = max(rows, -(-outer // _PARTIALS))
        return Blocks(rows, -(-outer // rows), is_threaded)

    # ------------------------------------------------------------------------------------ the code

    def function(self) -> str:
        """The function for a range of the outer loop: one block of it."""
        names = self.memory.names()
        code = Code(names)
        pointers = Pointers(self.memory, code)
        slots = [part.slot(code, pointers) for part in self.accumulators]
        for part, slot in zip(self.accumulators, slots, strict=True):
            part.clear(code, slot, self.groups[0][-1])
        body = Code(names)
        for ranges in itertools.product(*self.cuts):
            for way in self._ways(ranges):
                _Piece(self, names, pointers, slots, ranges, way).write(body)
        kernel = self.memory.kernel(self._work())
        head = f"define internal void @{self.name}({PARAMETERS}, i64 %begin, i64 %end) {kernel} {{"
        lines = [head, "entry:", *names.allocas, *code.lines, *body.lines, "  ret void", "}"]
        return "\n".join(lines)

    def _ways(self, ranges: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
        """Of a piece: whether it is divided by the band, or so small that it need not be fast."""
        *_, turns = sizes = [high - low for low, high in ranges]
        if len(sizes) > 1 and prod(sizes) * _SMALL < prod(self.shape):
            return ("small",)
        is_divided = self.band is not None and self.band.is_worth(turns)
        return _PARTS if is_divided else ("",)

    def run(self, code: Code) -> None:
        """Write the call of the nest into the plan; threads share a long one."""
        if 0 in self.shape:
            for part in self.accumulators:
                part.clear(code, Pointers(self.memory, code)(part.value), None)
            return
        symbols = self.memory.symbols
        symbols["@" + self.name] = self.function()
        rows, count, is_threaded = self.blocks
        outer = self.extent(self.groups[0])
        arguments = "ptr %inputs, ptr %outputs, ptr %arena"
        if count == 1:
            code.do(f"call void @{self.name}({arguments}, i64 0, i64 {outer})")
            return
        symbols[f"@{self.name}.blocks"] = BLOCKS.format(
            name=self.name, rows=rows, outer=outer, attributes=ATTRIBUTES
        )
        if is_threaded:
            symbols["@wg_parallel_for"] = PARALLEL_FOR
            grain = -(-count // _CHUNKS)
            code.do(
                f"call void @wg_parallel_for(ptr @{self.name}.blocks, ptr %context, i64 0, "
                f"i64 {count}, i64 {grain})"
            )
        else:
            code.do(f"call void @{self.name}.blocks(ptr %context, i64 0, i64 {count})")
        for part in self.accumulators:
            if part.partials >= 0:
                part.finish(code, f"{self.name}.finish{part.value}")


PARALLEL_FOR = "declare void @wg_parallel_for(ptr, ptr, i64, i64, i64)"

# A block is `rows` turns of the outer loop; `context` holds what every function of a plan takes.
BLOCKS = """
define internal void @{name}.blocks(ptr %context, i64 %first, i64 %last) {attributes} {{
entry:
  %inputs = load ptr, ptr %context
  %p1 = getelementptr ptr, ptr %context, i64 1
  %outputs = load ptr, ptr %p1
  %p2 = getelementptr ptr, ptr %context, i64 2
  %arena = load ptr, ptr %p2
  br label %head
head:
  %block = phi i64 [ %first, %entry ], [ %next, %head ]
  %begin = mul nuw nsw i64 %block, {rows}
  %next = add nuw nsw i64 %block, 1
  %full = mul nuw nsw i64 %next, {rows}
  %end = call i64 @llvm.smin.i64(i64 %full, i64 {outer})
  call void @{name}(ptr %inputs, ptr %outputs, ptr %arena, i64 %begin, i64 %end)
  %more = icmp slt i64 %next, %last
  br i1 %more, label %head, label %exit
exit:
  ret void
}}"""


class _Piece:
    """One piece of the space of a nest, with ranges of its own.

    `part`: one of `_PARTS`, if a band divides the innermost loop; or "small".
    """

    def __init__(
        self,
        nest: Nest,
        names: Names,
        pointers: Pointers,
        slots: list[str],
        ranges: tuple[tuple[int, int], ...],
        part: str,
    ):
        self.nest, self.names, self.ranges, self.part = nest, names, ranges, part
        depth = len(nest.groups)
        indices = [names.fresh() for _ in nest.groups]
        axes: list[tuple[str, int]] = []
        extents: list[tuple[int, int]] = []
        for k, group in enumerate(nest.groups):
            axes += [("", 0)] * (len(group) - 1) + [(indices[k], k + 1)]
            extents += [(0, nest.shape[axis]) for axis in group[:-1]]
            extents.append(ranges[k] if len(group) == 1 else (0, nest.shape[group[-1]]))
        self.indices = indices
        false: frozenset[Condition] = frozenset()
        if nest.band is not None and part == "outside":
            false = nest.band.conditions
        self.elements = Elements(
            nest.division,
            nest.step.home,
            names,
            pointers,
            extents,
            axes,
            depth,
            nest.memory.flags,
            false,
        )
        self.own = views.axes(len(nest.shape))
        self.registers = [
            Register(part, slot, self.elements, nest.groups[-1][-1] in part.axes)
            for part, slot in zip(nest.accumulators, slots, strict=True)
        ]

    def write(self, code: Code) -> None:
        """The loops of the piece."""
        elements, own = self.elements, self.own
        results = [(value, elements.at(value, own, is_root=True)) for value in self.nest.stores]
        inner = elements.sections[-1]
        for register in self.registers:
            register.add(self._operand(register.part.value))
        for value, x in results:
            self._store(value, x, inner)
        self.mask = self._mask()
        self.inside = self._inside()
        skip = self._clip(code)
        self._nest(code, 0)
        if skip:
            code.do(f"br label %{skip}")
            code.start(skip)

    def _operand(self, value: int) -> Scalar:
        return self.elements.at(self.nest.division.op(value).operands[0], self.own)

    def _mask(self) -> str:
        """What must be true for the innermost loop to do anything; "" if nothing is known."""
        nest, depth = self.nest, len(self.ranges)
        kinds = {r.part.op.primitive.name for r in self.registers}
        if nest.stores or depth < 2 or kinds != {"sum"}:
            return ""
        operands = [nest.division.op(r.part.value).operands[0] for r in self.registers]
        mask, *others = [mask_of(nest.division, x, self.own) for x in operands]
        if mask is None or any(other != mask for other in others):
            return ""
        if not is_worth_a_branch(nest.division, mask, nest.extent(nest.groups[-1])):
            return ""
        holds = self.elements.at(mask.operand, mask.at)
        return holds.parts[0] if holds.depth < depth and holds.dtype == bool else ""

    def _store(self, value: int, x: Scalar, inner: Code) -> None:
        spec = self.nest.division.specs[value]
        pointer, _ = self.elements.address(value, self.own)
        store(inner, self.elements.converted(x, spec.dtype), pointer)

    def _inside(self) -> tuple[str, str]:
        """The turns of the innermost loop that the band has."""
        if self.nest.band is None or self.part not in _PARTS:
            return "", ""
        low, high = map(str, self.ranges[-1])
        code = self.elements.sections[-2]
        start, _ = self.elements.number(self.nest.band.start)
        stop = code.op(f"add nsw i64 {start}, {self.nest.band.width}")
        return _clipped(code, start, low, high), _clipped(code, stop, low, high)

    def _clip(self, code: Code) -> str:
        """Bring the outer loop into the range of the piece; where to go if nothing is left."""
        low, high = self.ranges[0]
        self.begin, self.end = "%begin", "%end"
        if self.nest.blocks.number == 1:
            self.begin, self.end = str(low), str(high)
            return ""
        if low == 0 and high == self.nest.extent(self.nest.groups[0]):
            return ""
        self.begin = code.call("smax", "i64", "%begin", str(low))
        self.end = code.call("smin", "i64", "%end", str(high))
        some, skip = self.names.label(), self.names.label()
        is_some = code.op(f"icmp slt i64 {self.begin}, {self.end}")
        code.do(f"br i1 {is_some}, label %{some}, label %{skip}")
        code.start(some)
        return skip

    def _nest(self, code: Code, depth: int) -> None:
        """Section, loop, section, loop and so on."""
        code.lines += self.elements.sections[depth].lines
        if depth == len(self.ranges) - 1:
            self._innermost(code)
            return
        low, high = (self.begin, self.end) if depth == 0 else map(str, self.ranges[depth])
        loop = open_loop(code, low, high, self.indices[depth])
        self._nest(code, depth + 1)
        close_loop(code, loop)

    def _innermost(self, code: Code) -> None:
        """The innermost loop: within the band, or on both of its sides, if there is one."""
        low, high = map(str, self.ranges[-1])
        if len(self.ranges) == 1:
            low, high = self.begin, self.end
        if self.part == "within":
            self._row(code, *self.inside)
        elif self.part == "outside":
            first, last = self.inside
            side = open_loop(code, "0", "2")
            is_before = code.op(f"icmp eq i64 {side.turn}, 0")
            start = code.op(f"select i1 {is_before}, i64 {low}, i64 {last}")
            stop = code.op(f"select i1 {is_before}, i64 {first}, i64 {high}")
            self._row(code, start, stop)
            close_loop(code, side)
        else:
            self._row(code, low, high)

    def _row(self, code: Code, low: str, high: str) -> None:
        """One innermost loop; left out where it is empty, or adds zeros."""
        skip, mask = "", self.mask
        if self.part in _PARTS:
            is_some = code.op(f"icmp slt i64 {low}, {high}")
            mask = code.op(f"and i1 {mask}, {is_some}") if mask else is_some
        if mask:
            some, skip = self.names.label(), self.names.label()
            code.do(f"br i1 {mask}, label %{some}, label %{skip}")
            code.start(some)
        for register in self.registers:
            register.begin(code)
        lines, index = self.elements.sections[-1].lines, self.indices[-1]
        variables = [r.variable for r in self.registers if r.is_register]
        if self.part in ("within", "small"):
            write_one_by_one(code, lines, index, (low, high))
        else:
            write_innermost(code, lines, index, (low, high), self._turns(), variables)
        for register in self.registers:
            register.end(code)
        if skip:
            code.do(f"br label %{skip}")
            code.start(skip)

    def _turns(self) -> int:
        """How many turns the innermost loop has; 0 if that is not known."""
        blocks, (low, high) = self.nest.blocks, self.ranges[-1]
        if self.part:
            return 0
        if len(self.ranges) > 1 or blocks.number == 1:
            return high - low
        outer = self.nest.extent(self.nest.groups[0])
        return blocks.rows if self.begin == "%begin" and outer % blocks.rows == 0 else 0


def _clipped(code: Code, place: str, low: str, high: str) -> str:
    return code.call("smin", "i64", code.call("smax", "i64", place, low), high)
