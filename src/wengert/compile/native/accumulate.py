"""The results of reductions while a loop nest runs, and how blocks of them are put together.

A nest accumulates where the result lies, or, if blocks of its outer loop share a result, in
partial results in the arena, one a block, which `finish` combines: blocks do not depend on
threads, so nor do the bits. Where the innermost loop is reduced, a register accumulates.
"""

from __future__ import annotations

from wengert.compile import views
from wengert.compile.native import reduce
from wengert.compile.native.elements import Elements
from wengert.compile.native.innermost import Variable, write_innermost
from wengert.compile.native.memory import PARAMETERS, Memory, Pointers
from wengert.compile.native.types import (
    Code,
    Scalar,
    close_loop,
    load,
    memory_type,
    open_loop,
    store,
)
from wengert.compile.rows import Rows
from wengert.compile.views import Affine


class Accumulator:
    """A reduction of a nest.

    Attributes
    ----------
    axes : tuple of int
        The nest's axes that are reduced.
    strides : tuple of int
        How far apart in the result are neighbours along each axis of the nest; 0 where reduced.
    size : int
        Elements of the result.
    partials : int
        Where in the arena the blocks' partial results begin; -1 if there are none.
    is_held : bool
        Whether the result lies in the memory of a block of rows.
    """

    def __init__(
        self, memory: Memory, value: int, shape: tuple[int, ...], rows: Rows | None = None
    ):
        self.memory, self.value = memory, value
        self.is_held = rows is not None and rows.holds(value)
        self.op = memory.division.op(value)
        self.axes = tuple(self.op.parameters["axis"])
        kept = tuple([1 if k in self.axes else n for k, n in enumerate(shape)])
        strides = views.strides_of(kept)
        if rows is not None and self.is_held:
            strides = rows.strides(kept)
        self.strides = tuple([0 if k in self.axes else s for k, s in enumerate(strides)])
        self.size = self.op.spec.size
        self.partials, self.rows, self.count = -1, 0, 1

    def take_partials(self, rows: int, count: int) -> None:
        """Let each of `count` blocks of `rows` turns have a result of its own."""
        self.rows, self.count = rows, count
        self.partials = self.memory.scratch(count * self.size * self.op.spec.dtype.itemsize)

    def slot(self, code: Code, pointers: Pointers) -> str:
        """Where the block that begins at ``%begin`` accumulates."""
        if self.partials < 0:
            return pointers(self.value)
        block = code.op(f"sdiv i64 %begin, {self.rows}")
        offset = code.op(f"mul i64 {block}, {self.size * self.op.spec.dtype.itemsize}")
        offset = code.op(f"add i64 {offset}, {self.partials}")
        return code.op(f"getelementptr inbounds i8, ptr %arena, i64 {offset}")

    def clear(self, code: Code, slot: str, outer: int | None) -> None:
        """Let the results of a block begin; `outer` is the outer loop's axis (None: no block)."""
        first = reduce.start(self.op)
        if self.size == 1:
            store(code, first, slot)
            return
        if self.size == 0:
            return
        low, high = "0", str(self.size)
        if self.partials < 0 and outer is not None and self.strides[outer]:
            low = code.op(f"mul i64 %begin, {self.strides[outer]}")
            high = code.op(f"mul i64 %end, {self.strides[outer]}")
        self.clear_range(code, slot, (low, high), self.size if low == "0" else 0)

    def clear_range(self, code: Code, slot: str, ends: tuple[str, str], turns: int = 0) -> None:
        """Let some of the results begin; `turns` is how many, if that is known."""
        index, body = code.names.fresh(), Code(code.names)
        store(body, reduce.start(self.op), self._element(body, slot, index))
        write_innermost(code, body.lines, index, ends, turns)

    def _element(self, code: Code, pointer: str, index: str) -> str:
        dtype = self.op.spec.dtype
        if dtype.kind == "c":
            index = code.op(f"mul i64 {index}, 2")
        return code.op(f"getelementptr inbounds {memory_type(dtype)}, ptr {pointer}, i64 {index}")

    def finish(self, code: Code, symbol: str) -> None:
        """Combine the blocks' results: a function of its own, called in the plan."""
        names = self.memory.names()
        head, body = Code(names), Code(names)
        result = Pointers(self.memory, head)(self.value)
        partials = head.op(f"getelementptr inbounds i8, ptr %arena, i64 {self.partials}")
        if self.size == 1:
            register = Variable(body, self.op)
            loop = open_loop(body, "0", str(self.count))
            register.add(
                load(body, self._element(body, partials, loop.turn), self.op.spec.dtype, 0)
            )
            close_loop(body, loop)
            store(body, register.value(body), result)
        else:
            self._finish_many(body, result, partials)
        kernel = self.memory.kernel(self.count * self.size)
        text = [f"define internal void @{symbol}({PARAMETERS}) {kernel} {{", "entry:"]
        text += [*names.allocas, *head.lines, *body.lines, "  ret void", "}"]
        self.memory.symbols["@" + symbol] = "\n".join(text)
        code.do(f"call void @{symbol}(ptr %inputs, ptr %outputs, ptr %arena)")

    def _finish_many(self, body: Code, result: str, partials: str) -> None:
        dtype = self.op.spec.dtype
        ends = ("0", str(self.size))
        index, line = body.names.fresh(), Code(body.names)
        x = load(line, self._element(line, partials, index), dtype, 0)
        store(line, x, self._element(line, result, index))
        write_innermost(body, line.lines, index, ends, self.size)
        outer = open_loop(body, "1", str(self.count))
        start = body.op(f"mul i64 {outer.turn}, {self.size}")
        index, line = body.names.fresh(), Code(body.names)
        place = line.op(f"add i64 {start}, {index}")
        target = self._element(line, result, index)
        x = load(line, target, dtype, 0)
        y = load(line, self._element(line, partials, place), dtype, 0)
        store(line, reduce.combine(self.op, line, x, y), target)
        write_innermost(body, line.lines, index, ends, self.size)
        close_loop(body, outer)


class Register:
    """How one reduction accumulates in the innermost loop of a piece of a nest, at an index."""

    def __init__(
        self,
        part: Accumulator,
        slot: str,
        elements: Elements,
        is_register: bool,
        index: views.Index | None = None,
    ):
        self.part, self.slot, self.elements, self.is_register = part, slot, elements, is_register
        place = views.flat(index or views.axes(len(part.strides)), part.strides)
        self.place: Affine = elements.merged(place)
        if is_register:
            self.variable = Variable(elements.sections[0], part.op)
            self.pointer = self._pointer()

    def add(self, x: Scalar) -> None:
        """Accumulate an element, in the innermost section."""
        inner = self.elements.sections[-1]
        term = reduce.term(self.part.op, inner, x)
        if self.is_register:
            self.variable.add(term, inner)
            return
        self.add_term(term)

    def add_term(self, term: Scalar) -> None:
        """Accumulate in memory."""
        inner, pointer = self.elements.sections[-1], self._pointer()
        held = load(inner, pointer, self.part.op.spec.dtype, 0)
        store(inner, reduce.combine(self.part.op, inner, held, term), pointer)

    def _pointer(self) -> str:
        dtype = self.part.op.spec.dtype
        is_pair = dtype.kind == "c"
        start = "%begin" if self.part.is_held else ""
        kind = memory_type(dtype)
        return self.elements.offset(self.slot, self.place, kind, is_pair, start=start)[0]

    def replace(self, x: Scalar) -> None:
        """Store all there is to accumulate."""
        store(self.elements.sections[-1], x, self._pointer())

    def begin(self, code: Code) -> None:
        """Before the innermost loop."""
        if self.is_register:
            self.variable.clear(code)

    def end(self, code: Code) -> None:
        """After the innermost loop: what the register holds goes to its slot."""
        if self.is_register:
            held = load(code, self.pointer, self.part.op.spec.dtype, 0)
            total = reduce.combine(self.part.op, code, held, self.variable.value(code))
            store(code, total, self.pointer)
