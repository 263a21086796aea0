"""A run of nests that are computed a block of rows at a time (`compile/rows.py`) as functions.

Each nest of the run is ``void @k(ptr inputs, ptr outputs, ptr arena, ptr rows, i64 begin, i64
end)``: its loop over the rows of a block is the innermost one, in which a short axis may be written
out. Around them is a function for a number of chunks, each of many blocks, which threads share.
What is reduced over rows has a result for each chunk: chunks do not depend on threads, so nor do
the bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from wengert.compile import views
from wengert.compile.fuse import Step
from wengert.compile.native import reduce
from wengert.compile.native.accumulate import Accumulator, Register
from wengert.compile.native.elements import Elements
from wengert.compile.native.innermost import write_innermost
from wengert.compile.native.loops import PARALLEL_FOR, THREADED
from wengert.compile.native.memory import ATTRIBUTES, PARAMETERS, Memory, Pointers
from wengert.compile.native.transposing import write_copy
from wengert.compile.native.types import Code, close_loop, open_loop, store
from wengert.compile.rows import Rows

_CHUNKS = 64  # at most
_SHORT = 16  # turns of a reduction that is written out
_BESIDE, _MOST = 8, 128  # places of an axis that is written out; instructions, about, of them
_ARGUMENTS = "ptr %inputs, ptr %outputs, ptr %arena"
_HEAD = f"{PARAMETERS}, ptr %rows, i64 %begin, i64 %end"


class Run:
    """One run of steps."""

    def __init__(self, memory: Memory, rows: Rows, steps: Sequence[Step], name: str):
        self.memory, self.rows, self.name = memory, rows, name
        blocks = -(-rows.count // rows.block)
        self.turns = rows.block * -(-blocks // _CHUNKS)  # rows of a chunk
        self.chunks = -(-rows.count // self.turns)
        self.nests = [RowNest(memory, step, rows, f"{name}.k{k}") for k, step in enumerate(steps)]
        cost = memory.division.cost
        work = sum(prod(s.home.shape) * sum(map(cost, s.roots)) for s in steps)
        self.is_threaded = work > THREADED
        self.totals = [part for nest in self.nests for part in nest.totals]
        for part in self.totals:
            if self.chunks > 1:
                part.take_partials(self.turns, self.chunks)

    def write(self, code: Code) -> None:
        """Write the functions, and their call into the plan."""
        symbols = self.memory.symbols
        symbols[f"@{self.name}.start"] = self._start()
        symbols[f"@{self.name}.copy"] = self._copy()
        for nest in self.nests:
            symbols[f"@{nest.name}"] = nest.function()
        called = [f"{self.name}.copy", *[nest.name for nest in self.nests]]
        symbols[f"@{self.name}"] = _CHUNK.format(
            name=self.name,
            turns=self.turns,
            count=self.rows.count,
            block=self.rows.block,
            size=max(1, self.rows.size),
            attributes=ATTRIBUTES,
            calls="\n".join(
                f"  call void @{x}({_ARGUMENTS}, ptr %rows, i64 %begin, i64 %end)" for x in called
            ),
        )
        if self.is_threaded and self.chunks > 1:
            symbols["@wg_parallel_for"] = PARALLEL_FOR
            code.do(
                f"call void @wg_parallel_for(ptr @{self.name}, ptr %context, i64 0, "
                f"i64 {self.chunks}, i64 1)"
            )
        else:
            code.do(f"call void @{self.name}(ptr %context, i64 0, i64 {self.chunks})")
        for part in self.totals:
            if part.partials >= 0:
                part.finish(code, f"{self.name}.finish{part.value}")

    def _start(self) -> str:
        """The function that clears what a chunk accumulates over its rows."""
        code = Code(self.memory.names())
        pointers = Pointers(self.memory, code)
        for part in self.totals:
            part.clear(code, part.slot(code, pointers), None)
        return _function(
            f"{self.name}.start", f"{PARAMETERS}, i64 %begin", code, self.memory.kernel(0)
        )

    def _copy(self) -> str:
        """The function that copies what a block reads from elsewhere, column by column."""
        code = Code(self.memory.names())
        source, target = Pointers(self.memory, code), Pointers(self.memory, code, self.rows)
        for operand in self.rows.copied:
            spec = self.memory.division.spec(operand)
            write_copy(code, spec, source(operand), target(operand), self.rows)
        size = sum([self.memory.division.spec(operand).size for operand in self.rows.copied])
        return _function(f"{self.name}.copy", _HEAD, code, self.memory.kernel(size))


def _function(name: str, parameters: str, code: Code, kernel: str) -> str:
    lines = [f"define internal void @{name}({parameters}) {kernel} {{", "entry:"]
    return "\n".join([*lines, *code.names.allocas, *code.lines, "  ret void", "}"])


# `context` holds what every function of a plan takes.
_CHUNK = """
define internal void @{name}(ptr %context, i64 %first, i64 %last) {attributes} {{
entry:
  %rows = alloca [{size} x i8], align 64
  %inputs = load ptr, ptr %context
  %p1 = getelementptr ptr, ptr %context, i64 1
  %outputs = load ptr, ptr %p1
  %p2 = getelementptr ptr, ptr %context, i64 2
  %arena = load ptr, ptr %p2
  br label %chunks
chunks:
  %chunk = phi i64 [ %first, %entry ], [ %chunk.next, %chunk.end ]
  %chunk.next = add nuw nsw i64 %chunk, 1
  %from = mul nuw nsw i64 %chunk, {turns}
  %full = add nuw nsw i64 %from, {turns}
  %to = call i64 @llvm.smin.i64(i64 %full, i64 {count})
  call void @{name}.start(ptr %inputs, ptr %outputs, ptr %arena, i64 %from)
  br label %blocks
blocks:
  %begin = phi i64 [ %from, %chunks ], [ %next, %blocks ]
  %next = add nuw nsw i64 %begin, {block}
  %end = call i64 @llvm.smin.i64(i64 %next, i64 %to)
{calls}
  %more = icmp slt i64 %next, %to
  br i1 %more, label %blocks, label %chunk.end
chunk.end:
  %others = icmp slt i64 %chunk.next, %last
  br i1 %others, label %chunks, label %exit
exit:
  ret void
}}"""


class RowNest:
    """One nest of a run."""

    def __init__(self, memory: Memory, step: Step, rows: Rows, name: str):
        self.memory, self.step, self.rows, self.name = memory, step, rows, name
        self.division, self.shape = memory.division, step.home.shape
        reduced = [value for value in step.roots if self._is_reduced(value)]
        self.stores = [value for value in step.roots if value not in reduced]
        self.parts = [Accumulator(memory, value, self.shape, rows) for value in reduced]
        self.totals = [part for part in self.parts if 0 in part.axes]
        self.order = self._order()
        self.written_out = self._written_out()
        if self.written_out is not None:
            self.order.remove(self.written_out)

    def _is_reduced(self, value: int) -> bool:
        role = self.division.role(value)
        return role is not None and role.kind == "reduce"

    def _order(self) -> list[int]:
        """The axes, from the outermost loop to the innermost, which is that over rows."""
        inner = [k for k, n in enumerate(self.shape) if n > 1 and k > 0]
        inner.sort(key=lambda k: any(k in part.axes for part in self.parts))
        return [*inner, 0]

    def _written_out(self) -> int | None:
        """An axis whose few places are computed side by side in the loop over rows.

        One that is all that is reduced, so that nothing is kept in memory meanwhile; or one that is
        kept, so that its places share what they read.
        """
        inner = self.order[:-1]
        cost = sum([self.division.cost(value) for value in self.step.roots])
        short = [k for k in inner if self.shape[k] <= _SHORT and self._is_reduced_alone(k)]
        kept = [k for k in inner if not any(k in part.axes for part in self.parts)]
        beside = [k for k in kept if self.shape[k] <= _BESIDE and self.shape[k] * cost <= _MOST]
        found = short or beside
        return found[-1] if found else None

    def _is_reduced_alone(self, axis: int) -> bool:
        """True if all that the nest does is to reduce this axis, for each row."""
        if self.stores or self.totals:
            return False
        return all(axis in part.axes for part in self.parts)

    def _indices(self) -> list[views.Index]:
        """The index of the nest; or several, where an axis is written out."""
        own = views.axes(len(self.shape))
        k = self.written_out
        if k is None:
            return [own]
        return [(*own[:k], views.Affine(j), *own[k + 1 :]) for j in range(self.shape[k])]

    def function(self) -> str:
        """The function for a block of rows."""
        memory, order = self.memory, self.order
        names = memory.names()
        entry, main = Code(names), Code(names)
        pointers = Pointers(memory, entry, self.rows)
        depths = {axis: depth + 1 for depth, axis in enumerate(order)}
        self.indices = {axis: names.fresh() for axis in order}
        self.elements = Elements(
            self.division,
            self.step.home,
            names,
            pointers,
            [(0, n) for n in self.shape],
            [(self.indices.get(k, "0"), depths.get(k, 0)) for k in range(len(self.shape))],
            len(order),
            memory.flags,
            rows=self.rows,
        )
        slots = [part.slot(entry, pointers) for part in self.parts]
        self.registers: list[Register] = []
        if self.written_out is not None and self._is_reduced_alone(self.written_out):
            self._reduce(slots)
        else:
            for own in self._indices():
                self._compute(slots, own)
        self.end = "%end"
        if self.rows.is_even:  # a number of turns that is known
            self.end = entry.op(f"add nuw nsw i64 %begin, {self.rows.block}")
        for part, slot in zip(self.parts, slots, strict=True):
            if part not in self.totals and not self._is_whole(part):
                self._clear(main, part, slot)
        self._loops(main, 0)
        work = prod(self.shape) * sum([self.division.cost(value) for value in self.step.roots])
        kernel = memory.kernel(work)
        lines = [f"define internal void @{self.name}({_HEAD}) {kernel} {{", "entry:"]
        lines += [*names.allocas, *entry.lines, *main.lines, "  ret void", "}"]
        return "\n".join(lines)

    def _compute(self, slots: list[str], own: views.Index) -> None:
        """What the innermost loop does at an index."""
        elements = self.elements
        results = [(value, elements.at(value, own, is_root=True)) for value in self.stores]
        for part, slot in zip(self.parts, slots, strict=True):
            register = Register(part, slot, elements, 0 in part.axes, own)
            register.add(elements.at(self.division.op(part.value).operands[0], own))
            self.registers.append(register)
        for value, x in results:
            pointer, _ = elements.address(value, own)
            dtype = self.division.specs[value].dtype
            store(elements.sections[-1], elements.converted(x, dtype), pointer)

    def _reduce(self, slots: list[str]) -> None:
        """What the innermost loop does where an axis that is reduced is written out."""
        elements, inner = self.elements, self.elements.sections[-1]
        for part, slot in zip(self.parts, slots, strict=True):
            total = reduce.start(part.op)
            for own in self._indices():
                x = elements.at(self.division.op(part.value).operands[0], own)
                total = reduce.combine(part.op, inner, total, reduce.term(part.op, inner, x))
            register = Register(part, slot, elements, False, self._indices()[0])
            if self._is_whole(part):
                register.replace(total)
            else:
                register.add_term(total)

    def _is_whole(self, part: Accumulator) -> bool:
        """True if what is written out is all that is reduced."""
        return {k for k in part.axes if self.shape[k] > 1} == {self.written_out}

    def _clear(self, code: Code, part: Accumulator, slot: str) -> None:
        """Let the results of the rows of a block begin."""
        width = part.size // self.rows.count
        if not part.is_held:
            ends = [code.op(f"mul i64 {x}, {width}") for x in ("%begin", self.end)]
            part.clear_range(code, slot, (ends[0], ends[1]))
            return
        count = code.op(f"sub i64 {self.end}, %begin")
        loop = open_loop(code, "0", str(width))
        first = code.op(f"mul i64 {loop.turn}, {self.rows.block}")
        part.clear_range(code, slot, (first, code.op(f"add i64 {first}, {count}")), self._turns)
        close_loop(code, loop)

    @property
    def _turns(self) -> int:
        """How many rows a block has; 0 if not all have as many."""
        return self.rows.block if self.rows.is_even else 0

    def _loops(self, code: Code, depth: int) -> None:
        """Section, loop, section, loop and so on."""
        code.lines += self.elements.sections[depth].lines
        axis = self.order[depth]
        if axis != 0:
            loop = open_loop(code, "0", str(self.shape[axis]), self.indices[axis])
            self._loops(code, depth + 1)
            close_loop(code, loop)
            return
        for register in self.registers:
            register.begin(code)
        variables = [register.variable for register in self.registers if register.is_register]
        lines = self.elements.sections[-1].lines
        write_innermost(code, lines, self.indices[0], ("%begin", self.end), self._turns, variables)
        for register in self.registers:
            register.end(code)
