"""How operands of library calls lie in memory, and what such a call is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from math import prod
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.native.bounds import check_extent
from wengert.compile.native.callbacks import Callbacks
from wengert.compile.native.types import Code, converted, load, store
from wengert.compile.program import Spec

Emit = Callable[[Code, Sequence[str], Sequence[str | None], str, Callbacks], str | None]


_BLOCK = 32  # rows and columns of a block of a copy that transposes


class Layout(NamedTuple):
    """Shape, dtype, and strides in elements."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, spec: Spec) -> Layout:
        """The layout of a C-contiguous array."""
        return contiguous(spec.shape, spec.dtype)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """True if it lies as a C-contiguous array does."""
        steps = contiguous(self.shape, self.dtype).strides
        return self.size == 0 or all(
            n == 1 or s == t for n, s, t in zip(self.shape, self.strides, steps, strict=True)
        )


class LibraryCall(NamedTuple):
    """One call in a plan.

    Attributes
    ----------
    workspace_bytes : int
        Scratch memory, aligned to 64 bytes.
    emit : callable
        ``emit(code, operands, results, workspace, callbacks)`` writes it: `operands` are pointers
        to the first element of each (constants, too), `results` pointers, or None where nobody
        reads, to memory that overlaps no operand, `workspace` a pointer. Gives the status, an i32
        that is 0, or -1 if it raised; None if it cannot fail.
    """

    workspace_bytes: int
    emit: Emit


def contiguous(shape: Sequence[int], dtype: np.dtype[Any]) -> Layout:
    """The layout of a C-contiguous array."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return Layout(tuple(shape), dtype, tuple(reversed(strides)))


def offset(code: Code, pointer: str, elements: str | int, dtype: np.dtype[Any]) -> str:
    """A pointer some elements further."""
    if elements == 0:
        return pointer
    return code.op(f"getelementptr [{dtype.itemsize} x i8], ptr {pointer}, i64 {elements}")


class Loop:
    """A counting loop around what is written inside ``with``.

    Examples
    --------
    ::

        with Loop(code, 10) as i:
            at = offset(code, pointer, i, dtype)
    """

    def __init__(self, code: Code, count: int | str, start: int | str = 0):
        self.code, self.count, self.start = code, count, start

    def __enter__(self) -> str:
        """Begin; the number of the turn."""
        code, names = self.code, self.code.names
        self.labels = [names.label() for _ in range(4)]
        before, head, body, self.after = self.labels
        self.index, self.next = names.fresh(), names.fresh()
        self.latch = names.label()
        code.do(f"br label %{before}")
        code.start(before)
        code.do(f"br label %{head}")
        code.start(head)
        code.do(
            f"{self.index} = phi i64 [ {self.start}, %{before} ], [ {self.next}, %{self.latch} ]"
        )
        more = code.op(f"icmp slt i64 {self.index}, {self.count}")
        code.do(f"br i1 {more}, label %{body}, label %{self.after}")
        code.start(body)
        return self.index

    def __exit__(self, *_: object) -> None:
        code = self.code
        code.do(f"br label %{self.latch}")
        code.start(self.latch)
        code.do(f"{self.next} = add i64 {self.index}, 1")
        code.do(f"br label %{self.labels[1]}")
        code.start(self.after)


def copy(code: Code, source: str, target: str, layout: Layout, goal: Layout) -> None:
    """Copy an array into another layout and dtype of the same shape."""
    if (
        len(layout.shape) == 2
        and min(layout.shape) > _BLOCK
        and layout.strides[1] != goal.strides[1]
    ):
        _copy_blocks(code, source, target, layout, goal)
        return
    bounds: list[tuple[int | str, int | str]] = [(0, length) for length in layout.shape]
    _copy_box(code, (source, target), (layout, goal), bounds)


def _copy_blocks(code: Code, source: str, target: str, layout: Layout, goal: Layout) -> None:
    """A copy that transposes goes block by block: both sides then stay in the cache."""
    rows, columns = layout.shape
    with Loop(code, -(-rows // _BLOCK)) as row, Loop(code, -(-columns // _BLOCK)) as column:
        bounds = [_block(code, row, rows), _block(code, column, columns)]
        _copy_box(code, (source, target), (layout, goal), bounds)


def _block(code: Code, index: str, length: int) -> tuple[str, str]:
    """Where a block of an axis begins and ends."""
    begin = code.op(f"mul i64 {index}, {_BLOCK}")
    end = code.op(f"add i64 {begin}, {_BLOCK}")
    is_short = code.op(f"icmp slt i64 {length}, {end}")
    return begin, code.op(f"select i1 {is_short}, i64 {length}, i64 {end}")


def _copy_box(
    code: Code,
    pointers: tuple[str, str],
    layouts: tuple[Layout, Layout],
    bounds: Sequence[tuple[int | str, int | str]],
) -> None:
    """Copy what lies within the bounds of every axis."""
    places = list(pointers)
    with ExitStack() as stack:
        for axis, (begin, end) in enumerate(bounds):
            index = stack.enter_context(Loop(code, end, begin))
            for k, each in enumerate(layouts):
                step = code.op(f"mul i64 {index}, {each.strides[axis]}")
                places[k] = offset(code, places[k], step, each.dtype)
        x = load(code, places[0], layouts[0].dtype, 0)
        store(code, converted(code, x, layouts[1].dtype), places[1])


def fill(code: Code, pointer: str, layout: Layout) -> None:
    """Fill a C-contiguous array with zeros."""
    symbols = code.names.symbols
    name = "@llvm.memset.p0.i64"
    symbols[name] = f"declare void {name}(ptr, i8, i64, i1)"
    size = layout.size * layout.dtype.itemsize
    check_extent(code, pointer, size)
    code.do(f"call void {name}(ptr {pointer}, i8 0, i64 {size}, i1 false)")
