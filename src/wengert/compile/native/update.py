"""Writes into parts of an array: a copy, unless nobody reads the array any more, then the writing.

Elements are written in NumPy's order, as places may be repeated where an array holds them. A single
element is written in the straight-line code of the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from wengert.compile import views
from wengert.compile.native import elementwise
from wengert.compile.native.elements import Elements
from wengert.compile.native.memory import PARAMETERS, Memory, Pointers
from wengert.compile.native.types import (
    INT64,
    Code,
    Loop,
    close_loop,
    converted,
    load,
    memory_type,
    open_loop,
    store,
)
from wengert.compile.plan import update_reads
from wengert.compile.program import Spec
from wengert.compile.views import Index

Body = Callable[[Elements, int], None]
_INSTRUCTIONS = 8  # for an element, about


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
    _nest(memory, value, name, shape, code, _write_element)


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
    indices = [names.fresh() for _ in shape]
    elements = Elements(
        memory.division,
        memory.division.homes[value],
        names,
        Pointers(memory, entry),
        [(0, n) for n in shape],
        [(index, k + 1) for k, index in enumerate(indices)],
        len(shape),
        memory.flags,
    )
    body(elements, value)
    loops: list[Loop] = []
    main.lines += elements.sections[0].lines
    for n, index, section in zip(shape, indices, elements.sections[1:], strict=True):
        loops.append(open_loop(main, "0", str(n), index))
        main.lines += section.lines
    for loop in reversed(loops):
        close_loop(main, loop)
    kernel = memory.kernel(_INSTRUCTIONS * prod(shape))
    head = f"define internal void @{name}({PARAMETERS}) {kernel} {{"
    lines = [head, "entry:", *names.allocas, *entry.lines, *main.lines, "  ret void", "}"]
    memory.symbols["@" + name] = "\n".join(lines)
    code.do(f"call void @{name}(ptr %inputs, ptr %outputs, ptr %arena)")


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
