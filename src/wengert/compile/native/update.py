"""Writes into parts of an array: a copy, unless nobody reads the array any more, then the writing.

Elements are written in NumPy's order, as places may be repeated where an array holds them. Where
many are added to few places, threads share chunks of them, each with a sum of its own; these are
added in order, so bits do not depend on threads. A single element is written in the straight-line
code of the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from wengert.compile import views
from wengert.compile.native import elementwise
from wengert.compile.native.bounds import check_extent
from wengert.compile.native.elements import Elements
from wengert.compile.native.innermost import write_innermost
from wengert.compile.native.loops import BLOCKS, PARALLEL_FOR
from wengert.compile.native.memory import ATTRIBUTES, PARAMETERS, Memory, Pointers
from wengert.compile.native.types import (
    INT64,
    Code,
    Loop,
    close_loop,
    converted,
    load,
    memory_type,
    open_loop,
    part_of,
    store,
)
from wengert.compile.plan import update_reads
from wengert.compile.program import Operand, Spec
from wengert.compile.views import Index

Body = Callable[[Elements, int], None]
_INSTRUCTIONS = 8  # for an element, about
_CHUNKS = 8  # into which additions to few places are cut for threads
_MANY = 50_000  # elements from which on that is worth it
_TIMES = 64  # how many there must be for each place
_MEMSET = "@llvm.memset.p0.i64"


def write_update(memory: Memory, value: int, name: str, elements: Elements) -> None:
    """Write an update into a plan, whose straight-line code is that of `elements`."""
    division, code = memory.division, elements.sections[0]
    if 0 in division.specs[value].shape:
        return
    if value not in memory.plan.in_place:
        _write_start(memory, value, name, elements)
    shape = division.view_shape(value)
    if 0 in shape:
        return
    if prod(shape) == 1:
        elements.extents = [(0, 1)] * len(shape)
        elements.axes = [("0", 0)] * len(shape)
        _write_element(elements, value)
        elements.extents, elements.axes = (), ()
        return
    if _is_shared(memory, value):
        _write_shared(memory, value, name, code)
        return
    _nest(memory, value, name, shape, code, _write_element)


def _is_shared(memory: Memory, value: int) -> bool:
    """True if many elements are added to few: then chunks of them have sums of their own."""
    division = memory.division
    op, role = division.op(value), division.role(value)
    assert role is not None
    shape, spec = division.view_shape(value), division.specs[value]
    if role.lookup is None or not op.parameters["add"] or spec.dtype.kind not in "fc":
        return False
    return shape[0] >= _CHUNKS and prod(shape) >= max(_MANY, _TIMES * spec.size)


def _write_shared(memory: Memory, value: int, name: str, code: Code) -> None:
    """Chunks of the outermost axis, shared by threads; then their sums, in order."""
    division, symbols = memory.division, memory.symbols
    shape, spec = division.view_shape(value), division.specs[value]
    size = spec.size * spec.dtype.itemsize
    at = memory.scratch(_CHUNKS * size)
    rows = -(-shape[0] // _CHUNKS)
    names = memory.names()
    entry, main = Code(names), Code(names)
    chunk = entry.op(f"sdiv i64 %begin, {rows}")
    place = entry.op(f"add i64 {entry.op(f'mul i64 {chunk}, {size}')}, {at}")
    own = entry.op(f"getelementptr inbounds i8, ptr %arena, i64 {place}")
    symbols[_MEMSET] = f"declare void {_MEMSET}(ptr, i8, i64, i1)"
    main.do(f"call void {_MEMSET}(ptr {own}, i8 0, i64 {size}, i1 false)")
    pointers = Pointers(memory, entry)
    _loops(
        memory,
        value,
        (entry, main),
        lambda operand: own if operand == value else pointers(operand),
        shape,
        _write_element,
        ("%begin", "%end"),
    )
    kernel = memory.kernel(_INSTRUCTIONS * prod(shape))
    head = f"define internal void @{name}({PARAMETERS}, i64 %begin, i64 %end) {kernel} {{"
    lines = [head, "entry:", *names.allocas, *entry.lines, *main.lines, "  ret void", "}"]
    symbols["@" + name] = "\n".join(lines)
    symbols[f"@{name}.blocks"] = BLOCKS.format(
        name=name, rows=rows, outer=shape[0], attributes=ATTRIBUTES
    )
    symbols["@wg_parallel_for"] = PARALLEL_FOR
    count = -(-shape[0] // rows)
    code.do(
        f"call void @wg_parallel_for(ptr @{name}.blocks, ptr %context, i64 0, i64 {count}, i64 1)"
    )
    _write_sum(memory, value, f"{name}.sum", at, count)
    code.do(f"call void @{name}.sum(ptr %inputs, ptr %outputs, ptr %arena)")


def _write_sum(memory: Memory, value: int, name: str, at: int, count: int) -> None:
    """A function that adds the sums of the chunks to what the array holds."""
    spec = memory.division.specs[value]
    kind, width = memory_type(spec.dtype), spec.size * (1 + (spec.dtype.kind == "c"))
    names = memory.names()
    entry, main = Code(names), Code(names)
    result = Pointers(memory, entry)(value)
    sums = entry.op(f"getelementptr inbounds i8, ptr %arena, i64 {at}")
    loop = open_loop(main, "0", str(count))
    start = main.op(f"mul i64 {loop.turn}, {width}")
    index, body = names.fresh(), Code(names)
    dtype = part_of(spec.dtype)
    target = body.op(f"getelementptr inbounds {kind}, ptr {result}, i64 {index}")
    place = body.op(f"add i64 {start}, {index}")
    held = load(body, target, dtype, 0)
    more = load(body, body.op(f"getelementptr inbounds {kind}, ptr {sums}, i64 {place}"), dtype, 0)
    store(body, elementwise.add(body, held, more), target)
    write_innermost(main, body.lines, index, ("0", str(width)), width)
    close_loop(main, loop)
    head = f"define internal void @{name}({PARAMETERS}) {memory.kernel(count * width)} {{"
    lines = [head, "entry:", *names.allocas, *entry.lines, *main.lines, "  ret void", "}"]
    memory.symbols["@" + name] = "\n".join(lines)


def _write_start(memory: Memory, value: int, name: str, elements: Elements) -> None:
    """What the array held before."""
    division = memory.division
    code, start = elements.sections[0], division.op(value).operands[0]
    spec = division.specs[value]
    is_copy = not isinstance(start, int) or division.is_loaded(start, elements.home)
    if is_copy and division.spec(start).dtype == spec.dtype and not elements.is_uniform(start):
        symbol = "@llvm.memcpy.p0.p0.i64"
        memory.symbols[symbol] = f"declare void {symbol}(ptr, ptr, i64, i1)"
        pointers = f"ptr {elements.pointer(value)}, ptr {elements.pointer(start)}"
        size = spec.size * spec.dtype.itemsize
        for x in (value, start):
            check_extent(code, elements.pointer(x), size)
        code.do(f"call void {symbol}({pointers}, i64 {size}, i1 false)")
        return
    _nest(memory, value, f"{name}.start", spec.shape, code, _copy_element)


def _copy_element(elements: Elements, value: int) -> None:
    division = elements.division
    spec = division.specs[value]
    index = views.axes(len(spec.shape))
    x = elements.at(division.op(value).operands[0], index)
    pointer, _ = elements.address(value, index)
    inner = elements.sections[-1]
    store(inner, elements.converted(x, spec.dtype), pointer)


def _write_element(elements: Elements, value: int) -> None:
    division = elements.division
    op, role, spec = division.op(value), division.role(value), division.specs[value]
    assert role is not None
    operand, index = update_reads(division, value)[0]
    x = elements.converted(elements.at(operand, index), spec.dtype)
    own = views.axes(len(division.view_shape(value)))
    place: Index | None
    if role.lookup is not None:
        place = elements.located(role.lookup, own)
    else:
        place = division.target(value)
    assert place is not None
    pointer, _ = elements.address(value, place)
    inner = elements.sections[-1]
    if op.parameters["add"]:
        held = load(inner, pointer, spec.dtype, 0)
        x = elementwise.add(inner, held, x)
    store(inner, x, pointer)


def _nest(
    memory: Memory, value: int, name: str, shape: tuple[int, ...], code: Code, body: Body
) -> None:
    """A function with a loop for each axis, and its call."""
    names = memory.names()
    entry, main = Code(names), Code(names)
    _loops(memory, value, (entry, main), Pointers(memory, entry), shape, body)
    kernel = memory.kernel(_INSTRUCTIONS * prod(shape))
    head = f"define internal void @{name}({PARAMETERS}) {kernel} {{"
    lines = [head, "entry:", *names.allocas, *entry.lines, *main.lines, "  ret void", "}"]
    memory.symbols["@" + name] = "\n".join(lines)
    code.do(f"call void @{name}(ptr %inputs, ptr %outputs, ptr %arena)")


def _loops(
    memory: Memory,
    value: int,
    codes: tuple[Code, Code],
    pointer: Callable[[Operand], str],
    shape: tuple[int, ...],
    body: Body,
    ends: tuple[str, str] | None = None,
) -> None:
    """A loop for each axis; `ends` of the outermost, if not all of it. Codes: entry, and main."""
    entry, main = codes
    indices = [entry.names.fresh() for _ in shape]
    elements = Elements(
        memory.division,
        memory.division.homes[value],
        entry.names,
        pointer,
        [(0, n) for n in shape],
        [(index, k + 1) for k, index in enumerate(indices)],
        len(shape),
        memory.flags,
    )
    body(elements, value)
    main.lines += elements.sections[0].lines
    loops: list[Loop] = []
    for n, index, section in zip(shape, indices, elements.sections[1:], strict=True):
        low, high = ends if ends is not None and not loops else ("0", str(n))
        loops.append(open_loop(main, low, high, index))
        main.lines += section.lines
    for loop in reversed(loops):
        close_loop(main, loop)


def write_check(memory: Memory, code: Code, spec: Spec, pointer: str, size: int, name: str) -> str:
    """Write a loop over the numbers of an index: whether one is out of the range of an axis."""
    inner = Code(memory.names())
    found = inner.variable("i1")
    inner.do(f"store i1 false, ptr {found}")
    if spec.size:
        loop = open_loop(inner, "0", str(spec.size))
        kind = memory_type(spec.dtype)
        place = inner.op(f"getelementptr inbounds {kind}, ptr %index, i64 {loop.turn}")
        (number,) = converted(inner, load(inner, place, spec.dtype, 0), INT64).parts
        if spec.dtype.kind == "i":
            number = inner.op(f"add i64 {number}, {size}")
        limit = 2 * size if spec.dtype.kind == "i" else size
        is_bad = inner.op(f"icmp uge i64 {number}, {limit}")
        before = inner.op(f"load i1, ptr {found}")
        inner.do(f"store i1 {inner.op(f'or i1 {before}, {is_bad}')}, ptr {found}")
        close_loop(inner, loop)
    kernel = memory.kernel(_INSTRUCTIONS * spec.size)
    head = f"define internal i1 @{name}(ptr %index) {kernel} {{"
    result = inner.op(f"load i1, ptr {found}")
    lines = [head, "entry:", *inner.names.allocas, *inner.lines, f"  ret i1 {result}", "}"]
    memory.symbols["@" + name] = "\n".join(lines)
    return code.op(f"call i1 @{name}(ptr {pointer})")
